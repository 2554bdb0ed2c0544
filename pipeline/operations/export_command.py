"""The commands ``vector-memory export`` and ``vector-memory import``."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from pipeline.errors import SettingsError
from pipeline.operations.audit import schemas_of
from pipeline.operations.exporting import Exporter
from pipeline.operations.importing import Importer, ItemWriter
from pipeline.operations.named_tables import named_tables, required_tables
from pipeline.operations.outcome import Outcome
from pipeline.operations.portable import Counts, PortableItem, read_header, read_items

OWNER_ONLY = 0o600
"""What people said is in the file."""


def run_export(options: argparse.Namespace) -> Outcome:
    """Write what memory holds of a tenant or a user, line by line.

    Raises:
        SettingsError: the file is there already.
    """
    container, names = named_tables(options.stack, options.table)
    tables, inventory = container.source_table, container.backend.inventory()
    exporter = Exporter(
        tables, container.layouts, container.full_reconciler(), inventory, schemas_of(tables, names)
    )
    lines = exporter.lines(options.tenant, options.user)
    if options.out is None:
        _write(lines, sys.stdout)
        return Outcome("", _notes(exporter.counts))
    with _new(options.out) as file:
        _write(lines, file)
    counts = exporter.counts
    return Outcome(
        f"exported: {counts.items} conversations and notes with {counts.messages} messages", _notes(counts)
    )


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
    with _opened(options.file) as file:
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


def _write(lines: Iterator[str], file: TextIO) -> None:
    file.writelines(f"{line}\n" for line in lines)
    file.flush()


def _new(path: Path) -> TextIO:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    except FileExistsError:
        raise SettingsError(f"{path} is there already: name another file") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}") from None
    return os.fdopen(descriptor, "w", encoding="utf-8")


def _opened(path: Path) -> TextIO:
    try:
        return path.open(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None


def _notes(counts: Counts) -> list[str]:
    told = (
        (counts.hidden, "messages are hidden until a record says why they left; they are left out"),
        (counts.unreadable, "items or messages cannot be read; they are left out"),
        (counts.elsewhere, "items stand in no table of the chat app's; they are left out"),
    )
    return [f"{number} {what}" for number, what in told if number]
