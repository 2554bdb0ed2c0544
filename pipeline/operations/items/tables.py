"""The chat app's tables: how they are read, and which item of theirs a name in the index means."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from pipeline.source.documents import ItemKey
from pipeline.source.layouts import Address, Item, Layouts

Schemas = Mapping[str, tuple[tuple[str, str], tuple[str, str]]]
"""Table → names and types of its key attributes."""


class Tables(Protocol):
    """Reads the chat app's tables, see :class:`pipeline.source.table.SourceTable`."""

    def scan(self, table: str, segment: int, segments: int) -> Iterator[Item]: ...  # noqa: D102  # see the class

    def get(self, key: ItemKey) -> Item | None: ...  # noqa: D102  # see the class

    def key_names(self, table: str) -> tuple[str, str]: ...  # noqa: D102  # see the class

    def key_types(self, table: str) -> tuple[str, str]: ...  # noqa: D102  # see the class


def schemas_of(tables: Tables, names: Sequence[str]) -> Schemas:
    """Return the key schemas of some tables."""
    return {name: (tables.key_names(name), tables.key_types(name)) for name in names}


def address_of(source: str, schemas: Schemas, layouts: Layouts) -> Address | None:
    """Return the address of an item of one of the tables by its name in the index; ``None`` if it is none of theirs."""
    values = ItemKey.values_of(source)
    if values is None or values[0] not in schemas:
        return None
    names, types = schemas[values[0]]
    key = {name: {type_: value} for name, type_, value in zip(names, types, values[1:], strict=True)}
    return layouts.address(values[0], key)
