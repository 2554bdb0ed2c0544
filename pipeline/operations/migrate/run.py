"""The command ``vector-memory migrate``."""

import json

from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.operations.terminal.outcome import Outcome
from pipeline.stores.pgvector.migrations import due_privileges, migrate, plan


def run_migrate(
    conninfo: str, space: EmbeddingSpace, *, dry_run: bool, graph: bool, as_json: bool = False
) -> Outcome:
    """Bring the schema and its privileges up to date as its owner, or only say what that would apply.

    Says which grants it took away, and what an operator should run.
    """
    if dry_run:
        due = [
            *(f"apply {name}" for name in plan(conninfo)),
            *(f"run {one}" for one in due_privileges(conninfo)),
        ]
        text = "\n".join(f"would {one}" for one in due) or "the schema is up to date"
        return Outcome(json.dumps({"would": due}) if as_json else text)
    notes: list[str] = []
    applied = migrate(conninfo, space, graph=graph, tell=notes.append)
    done = [f"applied {name}" for name in applied] or ["the schema is up to date"]
    return Outcome(json.dumps({"applied": list(applied)}) if as_json else "\n".join(done), notes)
