"""The statements that search one user's memories, whole and with parameters only. Pure."""

from collections.abc import Mapping
from typing import Literal

from pipeline.settings import Strategy
from pipeline.stores.pgvector.sparse_terms import WORD_DIMENSIONS

LISTED = 2_500
"""So many of the nearest by bits are kept in order; what is further off is measured once more where it may matter. A
longer list takes longer to sort (top 10 of 10,000 rows: 7.2 ms with 2,000, 7.9 with 3,000), a shorter one is more often
too short (of 50,000 rows, 2,500 of them about the same: 50 and 28 ms)."""

MANY = 0.3
"""Share of a user's rows from which reading them one by one by their ids takes longer than reading all in a row: 6.3 and
1.9 microseconds each."""

SURE, SPREADS = 10, 2.5
"""Bits of two vectors at an angle t differ in a share t/pi on average, as if each bit were a random cut between them
(Charikar 2002, "Similarity estimation techniques from rounding algorithms", section 3), with a binomial spread. Rows
further off than what the 10th best found would have, plus 2.5 spreads, are not compared. Measured: 2,760 real messages
at 256 dimensions, 150 questions: all of the exact top 10 (2 spreads: .997, 1.5: .987), reading 14% of the rows."""

_FILTERS = """
            AND (p_kinds = '{}' OR m.metadata->>'kind' = ANY(p_kinds))
            AND (p_roles = '{}' OR m.metadata->'roles' ?| p_roles)
            AND (p_keys = '{}' OR m.metadata->>'key' = ANY(p_keys))
            AND COALESCE(m.metadata->>'key' <> ALL(p_excluded_keys), true)
            AND m.created_at >= COALESCE(p_since, '-infinity') AND m.created_at < COALESCE(p_until, 'infinity')"""

_MINE = "m.tenant_id = p_tenant_id AND m.user_id = p_user_id"

# Rows come best first and are looked at until enough are kept; OFFSET 0 keeps the planner from turning that round.
_KEPT = f"""
        CROSS JOIN LATERAL (
            SELECT FROM memories m WHERE m.tenant_id = p_tenant_id AND m.id = best.id{_FILTERS} OFFSET 0
        ) kept"""

# Adding zero keeps a graph index out where the answer must be exact.
_DISTANCE = "(m.embedding <=> p_vector) + 0"

# The chat app's own rows may hold vectors of length zero, which are at no distance from anything.
_SIMILARITY = "COALESCE(NULLIF(1 - (m.embedding <=> p_vector), 'NaN'), 0)"

_CLOSEST_OF_ALL = f"""
    SELECT m.id FROM memories m
    WHERE {_MINE}{{filters}}
    ORDER BY {_DISTANCE}, m.id LIMIT p_top_k"""  # noqa: S608  # constants

_CLOSEST_OF_GRAPH = f"""
    SELECT m.id
    FROM (
        SELECT best.id FROM (
            SELECT m.id FROM memories m
            WHERE {_MINE}
            ORDER BY m.embedding <=> p_vector{{limit}}
        ) best{{kept}}
        LIMIT p_near
    ) near JOIN memories m ON m.tenant_id = p_tenant_id AND m.id = near.id
    ORDER BY {_DISTANCE}, m.id LIMIT p_top_k"""  # noqa: S608  # constants

# The question's bits stand in a subquery, or they would be taken anew for every row.
_HAMMING = "m.bits <~> (SELECT binary_quantize(p_vector)::bit(${dimensions}))"

# Whether what may be as close goes further than the list.
_BEYOND = "(SELECT bound > listed FROM reach)"

_BY_BITS = f"""listed AS MATERIALIZED (
    SELECT m.id, {{hamming}} AS hamming FROM memories m
    WHERE {_MINE}{{listed}}
), first AS MATERIALIZED (
    SELECT best.id, best.hamming, kept.distance
    FROM (SELECT id, hamming FROM listed ORDER BY hamming{{limit}}) best
    CROSS JOIN LATERAL (
        SELECT {_DISTANCE} AS distance FROM memories m
        WHERE m.tenant_id = p_tenant_id AND m.id = best.id{{filters}} OFFSET 0
    ) kept
    LIMIT p_near
), worst AS (
    SELECT acos(GREATEST(-1, LEAST(1, 1 - distance))) / pi() AS share
    FROM first ORDER BY distance OFFSET LEAST(p_top_k, {SURE}) - 1 LIMIT 1
), reach AS MATERIALIZED (
    SELECT ${{{{dimensions}}}} * share + {SPREADS} * sqrt(${{{{dimensions}}}} * share * (1 - share)) AS bound,
           (SELECT max(hamming) FROM first) AS first, (SELECT max(hamming) FROM listed) AS listed
    FROM worst
), further AS MATERIALIZED (
    SELECT m.id FROM memories m
    WHERE {_MINE} AND {_BEYOND} AND {{hamming}} BETWEEN (SELECT listed FROM reach) AND (SELECT bound FROM reach)
), many AS MATERIALIZED (
    SELECT (SELECT count(*) FROM further) > {MANY} * count(*) AS many FROM memories m WHERE {_MINE} AND {_BEYOND}
), """  # noqa: S608  # constants

_CLOSEST_OF_LISTED = f"""
    SELECT id FROM (
        SELECT id, distance FROM first{{unless_many}}
        UNION
        SELECT m.id, {_DISTANCE} FROM listed JOIN memories m ON m.tenant_id = p_tenant_id AND m.id = listed.id
        WHERE listed.hamming BETWEEN (SELECT first FROM reach) AND (SELECT bound FROM reach){{filters}}{{further}}
    ) compared
    ORDER BY distance, id LIMIT p_top_k"""  # noqa: S608  # constants

# What may be as close and is further off by bits than the list goes: few rows are read by their ids, many in a row.
_FURTHER = f"""
          AND NOT (SELECT many FROM many)
        UNION
        SELECT m.id, {_DISTANCE} FROM further JOIN memories m ON m.tenant_id = p_tenant_id AND m.id = further.id
        WHERE NOT (SELECT many FROM many)
        UNION ALL
        SELECT m.id, {_DISTANCE} FROM memories m WHERE {_MINE} AND (SELECT many FROM many)"""  # noqa: S608  # constants
_UNLESS_MANY = " WHERE NOT (SELECT many FROM many)"
_LISTED = f" ORDER BY hamming LIMIT {LISTED}"

_SCORES = """
        SELECT id, words, words <#> p_words AS score FROM memory_words
        WHERE tenant_id = p_tenant_id AND user_id = p_user_id AND p_words IS NOT NULL"""

_LEXICAL_CANDIDATES = """
    SELECT best.id FROM (
        SELECT id, score FROM ({scores}
        ) own
        ORDER BY score, id{limit}
    ) best{kept}
    WHERE best.score < 0 LIMIT p_top_k"""

# What is told of words: how well they fit, and what of them is in a memory's parts, as sparsevec sends it.
_FITTING = """
            COALESCE(-sum(score), 0) AS lexical,
            string_agg(sparsevec_send(words), '') FILTER (WHERE score < 0) AS words"""

# Where all of a user's few rows are scored anyway, the scores are kept for those that are told.
_SCORED = f"""scored AS MATERIALIZED ({_SCORES}
), """
_TOLD_OF_SCORED = f"""
        SELECT id,{_FITTING}
        FROM (SELECT id FROM chosen UNION SELECT id FROM neighbours) listed LEFT JOIN scored USING (id)
        GROUP BY id OFFSET 0"""  # noqa: S608  # constants
_TOLD = f"""
        SELECT id, lexical, words
        FROM (SELECT id FROM chosen UNION SELECT id FROM neighbours) listed CROSS JOIN LATERAL (
            SELECT{_FITTING}
            FROM (SELECT w.words, w.words <#> p_words AS score FROM memory_words w
                  WHERE w.tenant_id = p_tenant_id AND w.id = listed.id AND p_words IS NOT NULL) parts
        ) fitting OFFSET 0"""  # noqa: S608  # constants

# A list that was not filled holds all of the user's rows that there are: there is nothing else. The graph's
# may have stopped before.
_NOT_ALL = " AND (SELECT count(*) FROM closest) = p_top_k"

# What was ordered and limited is numbered as it comes. An item tells its chunks by time, then by place.
_SEARCH = """
WITH {before}closest AS MATERIALIZED (
    SELECT id, row_number() OVER () AS rank FROM ({closest}
    ) ordered
), lexical_candidates AS MATERIALIZED (
    SELECT id, row_number() OVER () AS rank FROM ({lexical_candidates}
    ) ordered
), chosen AS (
    SELECT id, rank FROM closest UNION ALL SELECT id, rank FROM lexical_candidates
), seeds AS (
    SELECT DISTINCT m.id, m.source, m.created_at, (m.metadata->>'place')::int8 AS place
    FROM chosen CROSS JOIN LATERAL (
        SELECT * FROM memories m WHERE m.tenant_id = p_tenant_id AND m.id = chosen.id OFFSET 0
    ) m
    WHERE chosen.rank <= p_seeds AND p_around > 0 AND m.source IS NOT NULL{not_all}
), neighbours AS (
    SELECT near.id FROM seeds CROSS JOIN LATERAL (
        (SELECT m.id FROM memories m
         WHERE m.tenant_id = p_tenant_id AND m.source = seeds.source AND m.created_at <= seeds.created_at
         ORDER BY m.created_at DESC, abs((m.metadata->>'place')::int8 - seeds.place) LIMIT p_around + 1)
        UNION ALL
        (SELECT m.id FROM memories m
         WHERE m.tenant_id = p_tenant_id AND m.source = seeds.source AND m.created_at >= seeds.created_at
         ORDER BY m.created_at, abs((m.metadata->>'place')::int8 - seeds.place) LIMIT p_around + 1)
    ) near
)
SELECT m.id, m.content, {similarity}, m.created_at, m.metadata, told.lexical, m.tokens, told.words
FROM ({told}
) told CROSS JOIN LATERAL (
    SELECT * FROM memories m WHERE m.tenant_id = p_tenant_id AND m.id = told.id OFFSET 0
) m
WHERE m.user_id = p_user_id{filters}
ORDER BY 3 DESC, m.id
"""

# All of a memory so small that choosing would take longer than telling.
_WHOLE = f"""
WITH mine AS MATERIALIZED (
    SELECT m.id, m.content, {_SIMILARITY} AS similarity, m.created_at, m.metadata, m.tokens FROM memories m
    WHERE {_MINE}{{filters}}
), {_SCORED}fitting AS MATERIALIZED (
    SELECT id,{_FITTING}
    FROM scored GROUP BY id
)
SELECT id, content, similarity, created_at, metadata, COALESCE(lexical, 0), tokens, words
FROM mine LEFT JOIN fitting USING (id)
ORDER BY similarity DESC, id
"""  # noqa: S608  # constants

PARAMETERS = {
    "p_tenant_id": "text",
    "p_user_id": "text",
    "p_vector": "vector",
    "p_top_k": "integer",
    "p_near": "integer",
    "p_seeds": "integer",
    "p_around": "integer",
    "p_whole": "integer",
    "p_words": f"sparsevec({WORD_DIMENSIONS})",
    "p_strategy": "text",
    "p_filtered": "boolean",
    "p_kinds": "text[]",
    "p_roles": "text[]",
    "p_keys": "text[]",
    "p_excluded_keys": "text[]",
    "p_since": "timestamptz",
    "p_until": "timestamptz",
}

PLANNING = {
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "work_mem": "16MB",
}
"""One plan for everybody: the planner cannot know whose rows will be asked for, and must not change its mind."""

QueryPlan = Strategy | Literal["whole"]
QUERY_PLANS: tuple[QueryPlan, ...] = ("whole", "exact", "bq", "hnsw")

PLANNING_OF: Mapping[QueryPlan, Mapping[str, str]] = {
    "whole": {"enable_hashjoin": "on"},
    "exact": {"enable_hashjoin": "on"},
    "hnsw": {"enable_sort": "off", "hnsw.iterative_scan": "relaxed_order"},
}
"""What one statement is planned with besides. Lists made on the way are joined by hashes. The graph index answers in
order, so that sorting is what the planner must not prefer; what the scan first gives may all be other users' rows, so it
must go on."""


def statement(plan: QueryPlan, *, filtered: bool) -> str:
    """Return the statement of a strategy; its parameters are those of :data:`PARAMETERS` by name."""
    filters, kept = (_FILTERS, _KEPT) if filtered else ("", "")
    if plan == "whole":
        return _WHOLE.format(filters=filters)
    near, wanted = ("", "") if filtered else (" LIMIT p_near", " LIMIT p_top_k")
    closest = {"exact": _CLOSEST_OF_ALL, "bq": _CLOSEST_OF_LISTED, "hnsw": _CLOSEST_OF_GRAPH}[plan]
    listed, further, unless_many = ("", "", "") if filtered else (_LISTED, _FURTHER, _UNLESS_MANY)
    bits = _BY_BITS.format(filters=filters, limit=near, listed=listed, hamming=_HAMMING)
    before = {"exact": _SCORED, "bq": bits, "hnsw": ""}[plan]
    all_scored = plan == "exact"
    scores = " SELECT * FROM scored" if all_scored else _SCORES
    return _SEARCH.format(
        before=before,
        closest=closest.format(
            filters=filters, kept=kept, limit=near, further=further, unless_many=unless_many
        ),
        lexical_candidates=_LEXICAL_CANDIDATES.format(scores=scores, kept=kept, limit=wanted),
        not_all="" if plan == "hnsw" else _NOT_ALL,
        told=_TOLD_OF_SCORED if all_scored else _TOLD,
        similarity=_SIMILARITY,
        filters=filters,
    )
