"""What the search statement answers, an array a column → hits. Pure."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.stores.hit_columns import HitColumns
from pipeline.stores.pgvector.sparse_terms import QueryTerms
from pipeline.stores.pgvector.wire_format import sparse_values


def found_columns(query_terms: Iterable[str], columns: Sequence[Any]) -> HitColumns:
    """Return the hits of one answer.

    Args:
        query_terms: that were asked for.
        columns: those of :data:`pipeline.stores.pgvector.write_sql.SEARCH`: arrays, but for the metadata, which are one
            JSON text. A hit's words are its vectors as they are sent, or ``None`` where it has none of ``query_terms``.
    """
    ids, contents, similarities, created_ats, metadatas, lexicals, words, tokens = columns
    wanted = QueryTerms(query_terms)
    counts = [wanted.counts(values) for values in sparse_values(words, wanted.coordinates)]
    return HitColumns(
        ids, contents, similarities, created_ats, json.loads(metadatas), lexicals, counts, tokens
    )
