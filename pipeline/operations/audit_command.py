"""The command ``vector-memory audit``."""

import json
import os
from collections.abc import Sequence

import boto3

from pipeline import bootstrap
from pipeline.errors import SettingsError
from pipeline.operations.audit import Assumption, Audit, AuditReport, repair
from pipeline.operations.outcome import Outcome
from pipeline.operations.stack import environment_of, tables_of
from pipeline.operations.text import printable
from pipeline.source.table import SourceTable

MAX_LINES = 200


def run_audit(
    stack: str | None, tables: Sequence[str], *, mend: bool, assume: Assumption, as_json: bool
) -> Outcome:
    """Compare tables and index, and mend what is wrong if asked to.

    Raises:
        SettingsError: it is not said which tables.
    """
    names = list(tables)
    if stack:
        client = boto3.client("cloudformation", config=bootstrap.AWS_CONFIG)
        os.environ.update(environment_of(client, stack))
        names = names or tables_of(client, stack)
    if not names:
        raise SettingsError("say which tables: --table NAME (again for each), or --stack NAME")
    audit = _audit()
    report = audit.run(names)
    failed = repair(report, bootstrap.notice_queue(), audit.inventory, assume) if mend else 0
    text = _json(report) if as_json else _text(report, mend=mend)
    notes = [f"{failed} notices were not taken by the queue: run it again"] if failed else []
    return Outcome(text, notes, status=1 if failed or (report.findings and not mend) else 0)


def _audit() -> Audit:
    """Put the audit together; its database role must see every tenant."""
    client = boto3.client("dynamodb", config=bootstrap.AWS_CONFIG)
    parts = bootstrap.layouts(), bootstrap.chunker(), bootstrap.store(), bootstrap.inventory()
    return Audit(SourceTable(client), *parts)


def _json(report: AuditReport) -> str:
    rows = [[f.kind, f.tenant_id, f.source, f.chunk_id] for f in report.findings]
    return json.dumps({"items": report.items, "counts": report.counts, "findings": rows})


def _text(report: AuditReport, *, mend: bool) -> str:
    lines = [
        f"{f.kind:<13}{printable(f'{f.tenant_id}  {f.source}  {f.chunk_id}')}"
        for f in report.findings[:MAX_LINES]
    ]
    if len(report.findings) > MAX_LINES:
        lines.append(f"... and {len(report.findings) - MAX_LINES} more (--json lists all)")
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(report.counts.items()))
    lines.append(f"{report.items} items looked at: {counts or 'no differences'}")
    if report.findings and mend:
        lines.append("Notices sent. Run the audit again once the queue is empty.")
    return "\n".join(lines)
