"""The command ``vector-memory export``."""

import argparse
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from pipeline.errors import SettingsError
from pipeline.operations.export.exporter import Exporter
from pipeline.operations.items.tables import schemas_of
from pipeline.operations.portable.file_format import Counts
from pipeline.operations.stack.named_tables import named_tables
from pipeline.operations.terminal.outcome import Outcome

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
        _write(lines, utf_8(sys.stdout))
        return Outcome("", _notes(exporter.counts))
    with _new(options.out) as file:
        _write(lines, file)
    counts = exporter.counts
    return Outcome(
        f"exported: {counts.items} conversations and notes with {counts.messages} messages", _notes(counts)
    )


def _write(lines: Iterator[str], file: TextIO) -> None:
    file.writelines(f"{line}\n" for line in lines)
    file.flush()


def utf_8(stream: TextIO) -> TextIO:
    """Return a stream that writes UTF-8, whatever the terminal's own encoding: that is what a file of ours is in."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8")
    return stream


def _new(path: Path) -> TextIO:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    except FileExistsError:
        raise SettingsError(f"{path} is there already: name another file") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}") from None
    return os.fdopen(descriptor, "w", encoding="utf-8")


def _notes(counts: Counts) -> list[str]:
    told = (
        (counts.hidden, "messages are hidden until a record says why they left; they are left out"),
        (counts.unreadable, "items or messages cannot be read; they are left out"),
        (counts.elsewhere, "items stand in no table of the chat app's; they are left out"),
    )
    return [f"{number} {what}" for number, what in told if number]
