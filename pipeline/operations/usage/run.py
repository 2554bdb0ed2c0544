"""The command ``vector-memory usage``: what each tenant had embedded, and how much it may."""

import argparse
import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from pipeline.errors import SettingsError
from pipeline.operations.stack.container import container_of
from pipeline.operations.terminal.outcome import Outcome
from pipeline.operations.terminal.text import aligned, printable


def run_usage(options: argparse.Namespace) -> Outcome:
    """Set a cap, or report.

    Raises:
        SettingsError: a cap without a tenant, or a negative one.
    """
    book = container_of(options.stack).backend.usage_book()
    if options.cap is not None or options.no_cap:
        if not options.tenant or (options.cap or 0) < 0:
            raise SettingsError("a cap needs --tenant, and is a number of tokens from 0")
        book.cap(options.tenant, options.cap)
        if options.json:
            return Outcome(json.dumps({"tenant_id": options.tenant, "cap": options.cap}))
        return Outcome(
            f"cap of {printable(options.tenant)}: {options.cap if options.cap is not None else 'none of its own'}"
        )
    since = datetime.now(UTC).date() - timedelta(days=options.days - 1)
    rows = book.report(since, options.tenant)
    if options.json:
        return Outcome(json.dumps([asdict(row) | {"day": row.day.isoformat()} for row in rows]))
    header = ("day", "tenant", "model", "tokens", "dollars")
    lines = [
        (row.day.isoformat(), printable(row.tenant_id), row.model, f"{row.tokens:,}", f"{row.dollars:.6f}")
        for row in rows
    ]
    total = sum(row.tokens for row in rows), sum(row.dollars for row in rows)
    return Outcome(aligned(header, [*lines, ("total", "", "", f"{total[0]:,}", f"{total[1]:.6f}")]))
