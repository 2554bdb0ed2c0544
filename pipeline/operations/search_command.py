"""The command ``vector-memory search``: the query function's search, from a terminal."""

from pipeline import bootstrap
from pipeline.operations.outcome import Outcome
from pipeline.operations.text import printable
from pipeline.stores.pgvector.store import PgVectorStore


def run_search(tenant_id: str, user_id: str | None, query: str, top_k: int, *, explain: bool) -> Outcome:
    """Search one user's memory; say besides how it was searched and why, if asked to."""
    owner = user_id or tenant_id
    found = bootstrap.recall().search(tenant_id, owner, query, top_k)
    lines = [
        printable(f"{one.score:.3f}  {one.hit.metadata.get('key', one.hit.id)}  {one.hit.content}")
        for one in found
    ]
    notes = []
    store = bootstrap.store()
    if explain and isinstance(store, PgVectorStore):
        notes.append(str(store.explain(tenant_id, owner)))
        notes += [
            f"{one.hit.id}: similarity {one.hit.similarity:.3f}, words {one.hit.lexical:.3f}; "
            f"scaled {one.vector:.3f} and {one.lexical:.3f}"
            for one in found
        ]
    return Outcome("\n".join(lines) or "nothing found", notes)
