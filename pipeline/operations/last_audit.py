"""What the last audit found, kept as numbers for whoever shows it, such as the demo's page."""

import json
from pathlib import Path

from pipeline.operations.audit import AuditReport


def keep(report: AuditReport, path: Path, now: float) -> None:
    """Write what ``report`` counts; a half-written file is never seen.

    Args:
        now: when the audit ended, in epoch seconds.
    """
    counts = {"items": report.items, "unexplained": report.unexplained, "counts": report.counts}
    new = path.with_name(f"{path.name}.new")
    new.write_text(json.dumps({"at": now, **counts}))
    new.replace(path)
