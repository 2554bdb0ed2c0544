"""The command ``vector-memory import``."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from pipeline.errors import SettingsError
from pipeline.operations.import_.importer import Importer, ItemWriter
from pipeline.operations.portable.file_format import PortableItem, read_header, read_items
from pipeline.operations.stack.named_tables import required_tables
from pipeline.operations.terminal.outcome import Outcome


def run_import(options: argparse.Namespace) -> Outcome:
    """Write what a file holds into the chat app's tables, and wait until it is memory again.

    Raises:
        SettingsError: the file cannot be read, or it is not said which tables.
    """
    container, names = required_tables(options.stack, options.table)
    tables, writer = container.source_table, ItemWriter(container.account.client("dynamodb"))
    importer = Importer(
        tables,
        writer.put,
        target(names, tables.key_names),
        container.layouts,
        container.full_reconciler(),
        container.backend.inventory(),
        patience_seconds=options.wait,
    )
    with opened(options.file) as file:
        header = read_header(file.readline())
        done = importer.run(header, read_items(file))
    standing = f"{done.standing} were there already, and are left as they are"
    return Outcome(
        f"imported: {done.items} conversations and notes with {done.messages} messages",
        [standing] if done.standing else [],
    )


def target(
    names: Sequence[str], key_names: Callable[[str], tuple[str, str]]
) -> Callable[[PortableItem], str]:
    """Return what says into which table an item goes: the one that is named for its own, or has the same keys.

    Args:
        names: tables, or ``OLD=NEW``.
        key_names: of a table.
    """
    named = dict(name.split("=", 1) for name in names if "=" in name)
    keys = {name: key_names(name) for name in (each.rpartition("=")[2] for each in names)}

    def find(item: PortableItem) -> str:
        own = (item.key.hash_name, item.key.range_name)
        fitting = [name for name in keys if keys[name] == own]
        for name in (named.get(item.key.table), item.key.table):
            if name in fitting:
                return name
        if len(fitting) == 1:
            return fitting[0]
        found = f"{len(fitting)} of the tables have" if fitting else "no table has"
        raise SettingsError(
            f"{found} the keys {' and '.join(own)} of {item.key.table}: say --table {item.key.table}=NAME"
        )

    return find


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """Open a file; one that turns out not to be UTF-8 where it is read on is an error of the same kind."""
    try:
        file = path.open(encoding="utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    with file:
        try:
            yield file
        except UnicodeDecodeError:
            raise SettingsError(
                f"{path} is no UTF-8 text: take the file as vector-memory export wrote it, unpacked"
            ) from None
