"""A DynamoDB export, in S3 or copied to this machine: it gives the keys; what is indexed is read from the table.

Layout (docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html): ``manifest-summary.json``
names the table and the format, ``manifest-files.json`` the data files, gzipped lines of ``{"Item": …}`` for a full export
and of ``{"Keys": …, "NewImage": …}`` for an incremental one.
"""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.errors import SettingsError, SourceUnavailableError
from pipeline.source.layouts import Item
from pipeline.source.pages import PAGE_ITEMS, Page
from pipeline.source.unpacking import DAMAGED, why

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SUMMARY, FILES = "manifest-summary.json", "manifest-files.json"


class Folder(Protocol):
    """Holds an export's files."""

    @property
    def name(self) -> str:
        """Where it is."""
        ...

    def open(self, path: str) -> AbstractContextManager[IO[bytes]]:
        """Open a file, by its path below the folder.

        Raises:
            SourceUnavailableError: it cannot be read.
        """
        ...


class LocalFolder:
    """An export that was copied to this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.name = str(folder)

    def open(self, path: str) -> AbstractContextManager[IO[bytes]]:
        """Open a file."""
        try:
            return (self._folder / path).open("rb")
        except OSError:
            raise SourceUnavailableError(
                f"{self._folder / path} cannot be read: name the folder that holds {SUMMARY}"
            ) from None


class BucketFolder:
    """An export in S3.

    Args:
        client: a boto3 S3 client.
        address: ``s3://bucket/prefix/AWSDynamoDB/<export id>``.
    """

    def __init__(self, client: "S3Client", address: str) -> None:
        self._client = client
        self._bucket, _, prefix = address.removeprefix("s3://").partition("/")
        self._prefix = prefix.rstrip("/")
        self.name = address.rstrip("/")

    def open(self, path: str) -> AbstractContextManager[IO[bytes]]:
        """Open an object; it is read as it is used, never whole."""
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=f"{self._prefix}/{path}")
        except (ClientError, BotoCoreError):
            raise SourceUnavailableError(
                f"{self.name}/{path} cannot be read: name the folder that holds {SUMMARY}, and allow s3:GetObject"
            ) from None
        body: Any = answer["Body"]
        return closing(body)


class Export:
    """All items an export names.

    Raises:
        SettingsError: it is no export in DynamoDB JSON.
    """

    live = False

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        with folder.open(SUMMARY) as file:
            summary = _object(file.read(), SUMMARY)
        if summary.get("outputFormat", "DYNAMODB_JSON") != "DYNAMODB_JSON":
            raise SettingsError("the export is in Amazon Ion: export again in DynamoDB JSON")
        self.table = str(summary.get("tableArn", "")).partition(":table/")[2]
        if not self.table:
            raise SettingsError(f"{SUMMARY} names no table")
        self._size = int(summary.get("itemCount", 0)) or None
        self.name = f"export {folder.name} of {self.table}"

    def parts(self) -> Sequence[str]:
        """Name the data files."""
        with self._folder.open(FILES) as file:
            lines = file.read().splitlines()  # what S3 gives is iterated by blocks, not by lines
        rows = [_object(line, FILES) for line in lines if line.strip()]
        return sorted("data/" + str(row["dataFileS3Key"]).rpartition("/")[2] for row in rows)

    def size(self) -> int | None:
        """Return the manifest's count."""
        return self._size

    def pages(self, part: str, after: object) -> Iterator[Page]:
        """Yield pages of one file; the cursor is how many of its lines were read."""
        start = int(str(after or 0))
        items: list[Item] = []
        number = 0
        with self._folder.open(part) as raw:
            for number, line in enumerate(self._lines(part, raw), start=1):
                if number > start:
                    items.append(_item(_object(line, part)))
                if len(items) == PAGE_ITEMS:
                    yield Page(self.table, part, items, number)
                    items = []
        yield Page(self.table, part, items, None)

    def _lines(self, part: str, raw: IO[bytes]) -> Iterator[bytes]:
        try:
            with gzip.open(raw) as lines:
                yield from lines
        except DAMAGED as error:
            raise SettingsError(
                f"{self._folder.name}/{part}: the data file cannot be read ({why(error)}): copy the export again"
            ) from None


def _item(row: Mapping[str, Any]) -> Item:
    item = row.get("Item")
    if isinstance(item, dict):
        return item
    return {**row.get("Keys", {}), **row.get("NewImage", {})}


def _object(text: bytes, name: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise SettingsError(f"{name} of the export does not hold JSON objects")
    return value
