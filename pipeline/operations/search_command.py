"""The command ``vector-memory search``: the query function's search, from a terminal."""

import json

from pipeline import bootstrap
from pipeline.operations.outcome import Outcome
from pipeline.operations.text import printable
from pipeline.search.trace import explained
from pipeline.stores.pgvector.store import PgVectorStore


def run_search(tenant_id: str, user_id: str | None, query: str, top_k: int, *, explain: bool) -> Outcome:
    """Search one user's memory; say besides how it was searched and why, if asked to."""
    owner = user_id or tenant_id
    found = bootstrap.recall().search(tenant_id, owner, query, top_k)
    lines = [
        printable(f"{one.score:.3f}  {one.hit.metadata.get('key', one.hit.id)}  {one.hit.content}")
        for one in found.passages
    ]
    notes = []
    if explain:
        store = bootstrap.store()
        notes += [str(store.explain(tenant_id, owner))] if isinstance(store, PgVectorStore) else []
        notes.append(json.dumps(explained(found.trace, found.passages), ensure_ascii=False, indent=1))
    return Outcome("\n".join(lines) or "nothing found", notes)
