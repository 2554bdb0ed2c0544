"""The command ``vector-memory audit``."""

import json
import time
from collections.abc import Sequence
from pathlib import Path

from pipeline.container import Container
from pipeline.errors import QueueUnavailableError
from pipeline.operations.audit import last_audit
from pipeline.operations.audit.audit import Audit, AuditReport, repair
from pipeline.operations.audit.stored_secrets import StoredSecrets, mending_notices, stored_secrets
from pipeline.operations.items.tables import address_of, schemas_of
from pipeline.operations.stack.named_tables import required_tables
from pipeline.operations.terminal.outcome import Outcome
from pipeline.operations.terminal.text import printable

MAX_LINES = 200
QUEUE_PATIENCE_SECONDS = 900.0


def run_audit(
    stack: str | None, tables: Sequence[str], *, mend: bool, settle_seconds: float, as_json: bool
) -> Outcome:
    """Compare tables and index, and have ingest look again at what differs if asked to.

    Args:
        settle_seconds: how far the streams may lag.

    Raises:
        SettingsError: it is not said which tables.
    """
    container, names = required_tables(stack, tables)
    audit = _audit_of(container, settle_seconds)
    report = audit.run(names)
    file = container.settings.audit_file
    unkept = last_audit.keep(report, Path(file), time.time()) if file else []
    failed = repair(report, container.notice_queue, audit.inventory) if mend else 0
    text = _json(report) if as_json else _text(report, mend=mend)
    unsent = [f"{failed} notices were not taken by the queue: run it again"] if failed else []
    return Outcome(text, [*unsent, *unkept], status=1 if failed or (report.findings and not mend) else 0)


def _audit_of(container: Container, settle_seconds: float) -> Audit:
    """Put the audit together; its database role must see every tenant."""
    parts = container.source_table, container.layouts, container.full_reconciler()
    return Audit(*parts, container.backend.inventory(), settle=lambda: _settle(container, settle_seconds))


def run_redaction(stack: str | None, tables: Sequence[str], *, as_json: bool) -> Outcome:
    """Find secrets in what is stored, and have their items looked at again.

    Raises:
        SettingsError: it is not said which tables.
    """
    container, names = required_tables(stack, tables)
    audit = _audit_of(container, 0.0)
    found = stored_secrets(audit.inventory, audit.layouts.redactor)
    schemas = schemas_of(audit.tables, names)
    addresses = {source: address_of(source, schemas, audit.layouts) for source in found.chunks}
    notices, unreached = mending_notices(found, addresses, time.time())
    failed = len(container.notice_queue.send(notices)) if notices else 0
    counts = {
        "secrets": dict(sorted(found.groups.items())),
        "items": len(found.chunks),
        "notices": len(notices) - failed,
        "unreached": unreached,
    }
    notes = [f"{failed} notices were not taken by the queue: run it again"] if failed else []
    if unreached:
        notes.append(
            f"{len(unreached)} items are in none of the tables: name their tables too, or use vector-memory forget"
        )
    text = json.dumps(counts) if as_json else _redaction_text(found, len(notices) - failed)
    return Outcome(text, notes, status=1 if failed or unreached else 0)


def _redaction_text(found: StoredSecrets, sent: int) -> str:
    if not found.chunks:
        return "no secrets in what is stored"
    kinds = ", ".join(f"{count} {group}" for group, count in sorted(found.groups.items()))
    lines = [printable(f"{found.tenants[source]}  {source}") for source in sorted(found.chunks)[:MAX_LINES]]
    return "\n".join(
        [
            *lines,
            f"{kinds} in {len(found.chunks)} items: {sent} notices sent. Run it again once the queue is empty.",
        ]
    )


def _settle(container: Container, seconds: float) -> None:
    """Wait until the notice queue was seen empty, and then as long as the streams may lag."""
    deadline = time.monotonic() + QUEUE_PATIENCE_SECONDS
    while container.notice_queue.depth():
        if time.monotonic() > deadline:
            raise QueueUnavailableError(
                "the notice queue has not been empty for a quarter of an hour, so that what differs may only be late: "
                "see `vector-memory status`, and run this again"
            )
        time.sleep(min(1.0, seconds or 1.0))
    time.sleep(seconds)


def _json(report: AuditReport) -> str:
    rows = [[f.kind, f.tenant_id, f.source, f.chunk_id] for f in report.findings]
    counts = {"items": report.items, "unexplained": report.unexplained, "counts": report.counts}
    return json.dumps({**counts, "findings": rows})


def _text(report: AuditReport, *, mend: bool) -> str:
    lines = [
        f"{f.kind:<13}{printable(f'{f.tenant_id}  {f.source}  {f.chunk_id}')}"
        for f in report.findings[:MAX_LINES]
    ]
    if len(report.findings) > MAX_LINES:
        lines.append(f"... and {len(report.findings) - MAX_LINES} more (--json lists all)")
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(report.counts.items()))
    lines.append(f"{report.items} items looked at: {counts or 'no differences'}")
    if report.unexplained:
        lines.append(
            f"{report.unexplained} items have messages that are hidden until a record says why they left, or when they came"
        )
    if report.findings and mend:
        lines.append("Notices sent. Run the audit again once the queue is empty.")
    return "\n".join(lines)
