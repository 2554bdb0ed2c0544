"""The command ``vector-memory search``: the query function's search, from a terminal."""

import json

from pipeline import bootstrap
from pipeline.operations.outcome import Outcome
from pipeline.operations.text import printable
from pipeline.search.ranking import Ranked
from pipeline.search.requests import read_search
from pipeline.search.trace import explained
from pipeline.stores.pgvector.store import PgVectorStore


def run_search(  # noqa: PLR0913  # the command's own options
    tenant_id: str,
    user_id: str | None,
    query: str,
    top_k: int,
    *,
    explain: bool,
    now: str | None = None,
    min_confidence: float | None = None,
) -> Outcome:
    """Search one user's memory; say besides how it was searched and why, if asked to.

    Args:
        now: a time with its zone, as an explanation gives it to ask the same again.

    Raises:
        InvalidRequestError: it is no such time, or the level is not from 0 to 1.
    """
    owner = user_id or tenant_id
    given = {"query": query, "now": now, "min_confidence": min_confidence}
    wanted = read_search(given).wanted
    found = bootstrap.recall().search(tenant_id, owner, query, top_k, wanted=wanted)
    lines = [
        printable(
            f"{one.score:.3f}  {one.hit.metadata.get('key', one.hit.id)}{_before(one)}  {one.hit.content}"
        )
        for one in found.passages
    ]
    notes = []
    if explain:
        store = bootstrap.store()
        notes += [str(store.explain(tenant_id, owner))] if isinstance(store, PgVectorStore) else []
        notes.append(json.dumps(explained(found.trace), ensure_ascii=False, indent=1))
    return Outcome("\n".join(lines) or "nothing found", notes)


def _before(one: Ranked) -> str:
    return "  (said before the newer one)" if one.superseded_by else ""
