"""The command ``vector-memory search``: the query function's search, from a terminal."""

import argparse
import json
from typing import Any

from pipeline.operations.stack.container import container_of
from pipeline.operations.terminal.outcome import Outcome
from pipeline.operations.terminal.text import printable
from pipeline.search.found_passages import FoundPassages
from pipeline.search.ranking import Ranked
from pipeline.search.requests import read_search
from pipeline.search.trace import explained
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.protocol import Store


def run_search(options: argparse.Namespace) -> Outcome:
    """Search one user's memory; say besides how it was searched and why, if asked to.

    Raises:
        InvalidRequestError: ``--now`` is no time with its zone, or the level is not from 0 to 1.
    """
    container = container_of(options.stack)
    owner = options.user or options.tenant
    given = {"query": options.query, "now": options.now, "min_confidence": options.min_confidence}
    wanted = read_search(given).wanted
    found = container.memory_search.search(options.tenant, owner, options.query, options.top_k, wanted=wanted)
    why = _why(container.store, found, options.tenant, owner) if options.explain else {}
    if options.json:
        rows = [_row(one) for one in found.passages]
        told = {"results": rows, "confidence": round(found.confidence, 4), **why}
        return Outcome(json.dumps(told, ensure_ascii=False))
    notes = [
        part if isinstance(part, str) else json.dumps(part, ensure_ascii=False, indent=1)
        for part in why.values()
    ]
    return Outcome("\n".join(map(_line, found.passages)) or "nothing found", notes)


def _why(store: Store, found: FoundPassages, tenant_id: str, owner: str) -> dict[str, Any]:
    plan = {"plan": str(store.explain(tenant_id, owner))} if isinstance(store, PgVectorStore) else {}
    return {**plan, "explanation": explained(found.trace)}


def _line(one: Ranked) -> str:
    before = "  (said before the newer one)" if one.superseded_by else ""
    return printable(f"{one.score:.3f}  {one.hit.metadata.get('key', one.hit.id)}{before}  {one.hit.content}")


def _row(one: Ranked) -> dict[str, Any]:
    return {
        "id": one.hit.id,
        "key": one.hit.metadata.get("key"),
        "content": one.hit.content,
        "similarity": round(one.hit.similarity, 4),
        "score": round(one.score, 4),
        "superseded_by": one.superseded_by,
    }
