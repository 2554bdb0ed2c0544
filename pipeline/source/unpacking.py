"""Opens the files that people have: plain, gzipped, archived; and reads tables of messages."""

import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import SettingsError

DAMAGED = (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError)
"""What unpacking raises: cut short, damaged, encrypted or packed in a way that is not known (RuntimeError)."""
MAX_UNPACKED_BYTES = 2_000_000_000
ROLE_COLUMNS = ("role", "sender", "author", "from", "speaker", "type")
TEXT_COLUMNS = ("content", "text", "message", "body", "value")


def is_data(name: str) -> bool:
    """Tell by its name whether a file may hold conversations."""
    bare = name.lower().removesuffix(".gz")
    return bare.endswith((".json", ".jsonl", ".ndjson", ".csv", ".tsv")) and not bare.startswith("manifest-")


def unpacked(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of the files in ``path``, compressed or not."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        yield path.name.removesuffix(".gz"), _bounded(gzip.GzipFile(fileobj=io.BytesIO(data)))
    elif data[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [name for name in archive.namelist() if is_data(name)]
            own = [name for name in names if name.rpartition("/")[2].startswith("conversations")]
            for name in own or names:
                with archive.open(name) as file:
                    yield f"{path.name}/{name}", _bounded(file)
    else:
        yield str(path), data


def _bounded(file: Any) -> bytes:  # noqa: ANN401  # anything that is read
    data: bytes = file.read(MAX_UNPACKED_BYTES + 1)
    if len(data) > MAX_UNPACKED_BYTES:
        raise OSError("it unpacks to more than 2 GB")
    return data


def rows(name: str, text: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a table of messages."""
    sample = text[:4_096].partition("\n")[0]
    separator = max((",", "\t", ";"), key=sample.count)
    csv.field_size_limit(1_000_000)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        head = [column.strip().lower() for column in next(reader, [])]
        role = next((column for column in ROLE_COLUMNS if column in head), None)
        content = next((column for column in TEXT_COLUMNS if column in head), None)
        if role is None or content is None:
            raise SettingsError(
                f"{name}, line 1: the first line must name the columns, such as role,content,timestamp,session_id"
            )
        for row in reader:
            if any(cell.strip() for cell in row):
                if len(row) != len(head):
                    raise SettingsError(
                        f"{name}, line {reader.line_num}: {len(row)} cells, and {len(head)} columns"
                    )
                cells = dict(zip(head, row, strict=True))
                yield {**cells, "role": cells[role], "content": cells[content]}
    except csv.Error as error:
        raise SettingsError(f"{name}, line {reader.line_num}: not CSV: {error}") from None


def why(error: Exception) -> str:
    """Return what may be said of an error of the system."""
    return type(error).__name__
