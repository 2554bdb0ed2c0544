"""The command ``vector-memory backfill``."""

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import boto3

from pipeline import bootstrap
from pipeline.errors import SettingsError
from pipeline.operations.backfill import Backfill, Import
from pipeline.operations.checkpoint import Checkpoint, Totals, load, save
from pipeline.operations.embedding_estimate import EmbeddingEstimator, IndexEstimator, TextEstimator
from pipeline.operations.limits import Limits
from pipeline.operations.outcome import Outcome
from pipeline.operations.progress import Pace, money, shown
from pipeline.operations.stack import environment_of, tables_of
from pipeline.prices import EMBEDDING_DOLLARS_PER_MILLION_TOKENS as PRICES
from pipeline.source.attributes import Item
from pipeline.source.exports import BucketFolder, Export, LocalFolder
from pipeline.source.files import OWNER, FileOrigin, Files
from pipeline.source.pages import Origin, TableScan
from pipeline.source.table import SourceTable


def run_backfill(options: argparse.Namespace) -> Outcome:
    """Fill the index from what the options name.

    Raises:
        SettingsError: it is not said what to read.
    """
    names = _prepared(options)
    origins = _origins(options, names)
    job = " + ".join(origin.name for origin in origins)
    path: Path | None = None if options.dry_run else options.checkpoint
    begun = load(path, job) if path else Checkpoint(job)
    price = PRICES.get(bootstrap.settings().embedding.model)
    pace = Pace(_size(origins), begun.totals.items, price, time.monotonic)
    with shown(pace) as show:

        def note(checkpoint: Checkpoint) -> None:
            if path:
                save(path, checkpoint)
            show(checkpoint.totals)

        done = begun
        for origin in origins:
            done = _backfill(options, origin, note).run(origin, done)
    if path:
        path.unlink(missing_ok=True)
    text = _json(done.totals, price) if options.json else _text(done.totals, price, dry_run=options.dry_run)
    return Outcome(text, _notes(done.totals, options, resumed=bool(begun.totals.items)))


def _prepared(options: argparse.Namespace) -> list[str]:
    names: list[str] = list(options.table)
    if options.stack:
        client = bootstrap.cloudformation_client()
        os.environ.update(environment_of(client, options.stack))
        bootstrap.settings.cache_clear()
        names = names or ([] if options.export else tables_of(client, options.stack))
    if not names and not options.export:
        raise SettingsError(
            "say what to read: --table NAME (again for each), --export WHERE, --from FILE, or --stack NAME"
        )
    return names


def _origins(options: argparse.Namespace, names: Sequence[str]) -> list[Origin]:
    client = boto3.client("dynamodb", config=bootstrap.AWS_CONFIG)
    if options.files:
        return [_file(path, names, options) for path in options.files]
    tables: list[Origin] = [TableScan(client, name, options.segments) for name in names]
    return tables + [_export(where) for where in options.export]


def _file(path: Path, names: Sequence[str], options: argparse.Namespace) -> Origin:
    """Return what a file holds of one table; conversations are saved there first.

    Raises:
        SettingsError: it is not said which table, or whose conversations they are.
    """
    if len(names) != 1 or options.export:
        raise SettingsError("say which table the items of --from are in, or go to: --table NAME, once")
    attributes, table = bootstrap.settings().attribute_names, names[0]
    source = SourceTable(boto3.client("dynamodb", config=bootstrap.AWS_CONFIG))

    def keep(item: Item) -> None:
        if not options.tenant:
            raise SettingsError(
                f"{path} holds conversations, which are in no table yet: say whose with --tenant (and --user)"
            )
        if not options.dry_run:
            source.put_new(table, item, attributes["tenant_id"])

    return FileOrigin(Files(path, options.tenant or OWNER, options.user, attributes, keep), table)


def _export(where: str) -> Origin:
    if where.startswith("s3://"):
        return Export(BucketFolder(boto3.client("s3", config=bootstrap.AWS_CONFIG), where))
    return Export(LocalFolder(Path(where)))


def _size(origins: Sequence[Origin]) -> int | None:
    sizes = [origin.size() for origin in origins]
    return sum(size for size in sizes if size) if all(sizes) else None


def _backfill(options: argparse.Namespace, origin: Origin, note: object) -> Backfill:
    limits = Limits(
        workers=options.segments,
        read_units=options.read_units or None,
        tokens=options.tokens_per_minute / 60 or None,
        waiting=options.max_waiting,
    )
    imports = options.legacy_model and not options.dry_run and _sees_index()
    return Backfill(
        bootstrap.layouts(),
        _estimator(origin),
        None if options.dry_run else bootstrap.notice_queue(),
        Import(bootstrap.store(), options.legacy_model) if imports else None,
        limits,
        note,  # type: ignore[arg-type]  # a closure of ours
        time.time,
        time.monotonic,
        time.sleep,
    )


def _estimator(origin: Origin) -> EmbeddingEstimator:
    if origin.live and _sees_index():
        return IndexEstimator(bootstrap.full_reconciler())
    return TextEstimator(bootstrap.layouts(), bootstrap.chunker())


def _sees_index() -> bool:
    settings = bootstrap.settings()
    in_postgres = settings.store.name == "pgvector"
    return not in_postgres or bool(settings.database_url or settings.database_secret_arn)


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


def _notes(totals: Totals, options: argparse.Namespace, *, resumed: bool) -> list[str]:
    notes = []
    if resumed:
        notes.append("went on from the checkpoint of an earlier run; the counts are those of all runs")
    if not _sees_index():
        notes.append("DATABASE_URL is not set: counted as if the index were empty")
    if totals.malformed:
        notes.append(
            f"{totals.malformed} items cannot be read and were left out: `vector-memory audit` names them"
        )
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
