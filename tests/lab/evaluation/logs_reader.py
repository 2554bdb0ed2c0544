"""Reads an operator's own conversations: tables as they are, or files of them. Nothing is written there."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from secrets import token_bytes

from pipeline import bootstrap
from pipeline.source.attributes import Item
from pipeline.source.documents import Document, EntryHasher
from pipeline.source.files import Files
from pipeline.source.layouts import Layouts
from pipeline.source.pages import TableScan
from pipeline.source.redaction import read_redactor
from pipeline.source.times import zone_named

FILE_TABLE = "sessions"
"""What stands for the table of items that come from a file."""


def documents(tables: Sequence[str], files: Sequence[Path], most: int) -> Iterator[Document]:
    """Yield what at most ``most`` items hold, read as the ingest function would; what cannot be read is passed over.

    Raises:
        SourceUnavailableError: a table cannot be read.
    """
    chosen = bootstrap.container().settings
    hasher = EntryHasher(token_bytes(32))
    layouts = Layouts(
        chosen.attribute_names, hasher, zone_named(chosen.time_zone), read_redactor(chosen.redact)
    )
    for table, item in islice(_items(tables, files), most):
        document = layouts.parse(table, item)
        if document is not None:
            yield document


def _items(tables: Sequence[str], files: Sequence[Path]) -> Iterator[tuple[str, Item]]:
    container = bootstrap.container()
    names = container.settings.attribute_names
    for path in files:
        yield from ((FILE_TABLE, item) for item in Files(path, names=names).items())
    for table in tables:
        scan = TableScan(container.account.client("dynamodb"), table, 1)
        for part in scan.parts():
            yield from ((table, item) for page in scan.pages(part, None) for item in page.items)
