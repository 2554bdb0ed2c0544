"""The command ``vector-memory backfill``."""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pipeline.aws import Account
from pipeline.container import Container
from pipeline.errors import SettingsError
from pipeline.operations.backfill.backfill import Backfill, Import
from pipeline.operations.backfill.checkpoint import Checkpoint, Totals, load, save
from pipeline.operations.backfill.embedding_estimate import EmbeddingEstimator, IndexEstimator, TextEstimator
from pipeline.operations.backfill.progress import Pace, shown
from pipeline.operations.pacing.limits import Limits
from pipeline.operations.stack.named_tables import named_tables
from pipeline.operations.terminal.outcome import Outcome
from pipeline.operations.terminal.text import money, printable
from pipeline.prices import EMBEDDING_DOLLARS_PER_MILLION_TOKENS as PRICES
from pipeline.source.attributes import Item
from pipeline.source.exports import BucketFolder, Export, LocalFolder
from pipeline.source.files import OWNER, FileOrigin, Files
from pipeline.source.pages import Origin, TableScan


def run_backfill(options: argparse.Namespace) -> Outcome:
    """Fill the index from what the options name.

    Raises:
        SettingsError: it is not said what to read.
    """
    container, names = _prepared(options)
    origins = _origins(container, options, names)
    job = " + ".join(origin.name for origin in origins)
    path: Path | None = None if options.dry_run else options.checkpoint
    begun = load(path, job) if path else Checkpoint(job)
    price = PRICES.get(container.settings.embedding.model)
    pace = Pace(_size(origins), begun.totals.items, price, time.monotonic)
    with shown(pace) as show:

        def note(checkpoint: Checkpoint) -> None:
            if path:
                save(path, checkpoint)
            show(checkpoint.totals)

        done = begun
        for origin in origins:
            done = _backfill(container, options, origin, note).run(origin, done)
    if path:
        path.unlink(missing_ok=True)
    text = _json(done.totals, price) if options.json else _text(done.totals, price, dry_run=options.dry_run)
    notes = _notes(done.totals, options, resumed=bool(begun.totals.items), seen=container.backend.is_located)
    return Outcome(text, notes, status=int(bool(done.totals.malformed or done.totals.refused)))


def _prepared(options: argparse.Namespace) -> tuple[Container, list[str]]:
    container, names = named_tables(options.stack, options.table, of_stack=not options.export)
    if not names and not options.export:
        raise SettingsError(
            "say what to read: --table NAME (again for each), --export WHERE, --from FILE, or --stack NAME"
        )
    return container, names


def _origins(container: Container, options: argparse.Namespace, names: Sequence[str]) -> list[Origin]:
    if options.files:
        return [_file(container, path, names, options) for path in options.files]
    client = container.account.client("dynamodb")
    tables: list[Origin] = [TableScan(client, name, options.segments) for name in names]
    return tables + [_export(container.account, where) for where in options.export]


def _file(container: Container, path: Path, names: Sequence[str], options: argparse.Namespace) -> Origin:
    """Return what a file holds of one table; conversations are saved there first.

    Raises:
        SettingsError: it is not said which table, or whose conversations they are.
    """
    if len(names) != 1 or options.export:
        raise SettingsError("say which table the items of --from are in, or go to: --table NAME, once")
    attributes, table = container.settings.attribute_names, names[0]
    source = container.source_table

    def keep(item: Item) -> None:
        if not options.tenant:
            raise SettingsError(
                f"{path} holds conversations, which are in no table yet: say whose with --tenant (and --user)"
            )
        if not options.dry_run:
            source.put_new(table, item, attributes["tenant_id"])

    return FileOrigin(Files(path, options.tenant or OWNER, options.user, attributes, keep), table)


def _export(account: Account, where: str) -> Origin:
    if where.startswith("s3://"):
        return Export(BucketFolder(account.client("s3"), where))
    return Export(LocalFolder(Path(where)))


def _size(origins: Sequence[Origin]) -> int | None:
    sizes = [origin.size() for origin in origins]
    return sum(size for size in sizes if size) if all(sizes) else None


def _backfill(container: Container, options: argparse.Namespace, origin: Origin, note: object) -> Backfill:
    limits = Limits(
        workers=options.segments,
        read_units=options.read_units or None,
        tokens=options.tokens_per_minute / 60 or None,
        waiting=options.max_waiting,
    )
    imports = options.legacy_model and not options.dry_run and container.backend.is_located
    return Backfill(
        container.layouts,
        _estimator(container, origin),
        None if options.dry_run else container.notice_queue,
        Import(container.store, options.legacy_model) if imports else None,
        limits,
        note,  # type: ignore[arg-type]  # a closure of ours
        time.time,
        time.monotonic,
        time.sleep,
    )


def _estimator(container: Container, origin: Origin) -> EmbeddingEstimator:
    if origin.live and container.backend.is_located:
        return IndexEstimator(container.full_reconciler())
    return TextEstimator(container.layouts, container.chunker)


def _json(totals: Totals, price: float | None) -> str:
    dollars = None if price is None else totals.tokens * price / 1_000_000
    return json.dumps({**asdict(totals), "dollars": dollars})


def _text(totals: Totals, price: float | None, *, dry_run: bool) -> str:
    dollars = None if price is None else totals.tokens * price / 1_000_000
    verb = "would be announced" if dry_run else "announced"
    return (
        f"{totals.items:,} items looked at, {totals.memory:,} of them memory: {totals.announced:,} {verb}, "
        f"about {totals.tokens:,} tokens to embed, {money(dollars)}"
    )


def _notes(totals: Totals, options: argparse.Namespace, *, resumed: bool, seen: bool) -> list[str]:
    notes = []
    if resumed:
        notes.append("went on from the checkpoint of an earlier run; the counts are those of all runs")
    if not seen:
        notes.append("DATABASE_URL is not set: counted as if the index were empty")
    if totals.malformed:
        notes.append(
            f"{totals.malformed} items cannot be read and were left out: `vector-memory audit` names them"
        )
    if totals.refused:
        notes.append(f"{len(totals.refused)} conversations were left out, since no item can hold them:")
        notes += [printable(each) for each in totals.refused]
    if totals.imported:
        notes.append(f"{totals.imported} legacy vectors are in the index as they were")
    if totals.left_out:
        notes.append(f"{totals.left_out} legacy vectors were left out{_why(options)}")
    if totals.announced and not options.dry_run:
        notes.append("ingest works them off now: see `vector-memory status`; then `vector-memory audit`")
    return notes


def _why(options: argparse.Namespace) -> str:
    if not options.legacy_model:
        return ": name the model that made them with --legacy-model"
    return (
        ": of another model or length, forgotten, with a secret in them, or their note is in the index itself"
    )
