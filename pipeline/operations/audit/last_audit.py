"""What the last audit found, kept as numbers for whoever shows it, such as the demo's page."""

import json
from pathlib import Path

from pipeline.operations.audit.audit import AuditReport


def keep(report: AuditReport, path: Path, now: float) -> list[str]:
    """Write what ``report`` counts; a half-written file is never seen.

    Args:
        now: when the audit ended, in epoch seconds.

    Returns:
        what to tell if the file cannot be written; the audit itself is none the worse for it.
    """
    counts = {"items": report.items, "unexplained": report.unexplained, "counts": report.counts}
    new = path.with_name(f"{path.name}.new")
    try:
        new.write_text(json.dumps({"at": now, **counts}))
        new.replace(path)
    except OSError as error:
        return [f"what it counted is not kept in AUDIT_FILE: {error.strerror}"]
    return []
