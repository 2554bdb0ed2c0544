"""How one user's memories are searched: the strategies, and the function that chooses among their statements. Pure.

- ``exact`` compares the question with every vector of the user.
- ``bq`` compares one bit a dimension, in an index that holds nothing else, then exactly the nearest of those and all
  that may still be as close as the best found: few where something is close, many where the question is off topic.
- ``hnsw`` asks the graph index over all users' vectors, which an operator must have made.

Each reads the words of the user's rows from an index as well, and answers with the union of both lists. ``auto`` takes
``exact`` for few rows and ``bq`` for many; where there are fewer still than the request wants whole, all come.

The statements live in a function of the database, which plans them once a connection, without a prepared statement that
a pooler would lose; and one call says the tenant and asks, in one round trip.
"""

from dataclasses import dataclass

from pipeline.stores.pgvector.search_sql import (
    PARAMETERS,
    PLANNING,
    PLANNING_OF,
    QUERY_PLANS,
    QueryPlan,
    statement,
)

EXACT_ROWS = 2_000
"""Up to so many rows a user, comparing whole vectors is as quick as comparing bits first. Measured with 100 candidates,
exact / bq, two rounds: .87 and .92 at 1,600 rows, .97 and 1.00 at 2,000, 1.10 at 3,000, 1.5 and 1.9 at 10,000. It stays a
constant: docs/benchmarks.md says why."""

FIRST, FACTOR = 200, 4
"""Of the nearest by bits, at least so many, and so many times the hits wanted, are compared exactly whatever comes."""

_FUNCTIONS = """
CREATE OR REPLACE FUNCTION memory_strategy(p_tenant_id text, p_user_id text, p_strategy text)
RETURNS TABLE (strategy text, counted bigint) LANGUAGE plpgsql STABLE
{planning} AS $$
BEGIN
    IF p_strategy <> 'auto' THEN
        RETURN QUERY SELECT p_strategy, NULL::bigint;
    ELSE
        RETURN QUERY
        SELECT CASE WHEN count(*) > {exact_rows} THEN 'bq' ELSE 'exact' END, count(*)
        FROM (SELECT FROM memories m WHERE m.tenant_id = p_tenant_id AND m.user_id = p_user_id
              LIMIT {exact_rows} + 1) AS mine;
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION memory_search({parameters})
RETURNS TABLE (id uuid, content text, similarity float8, created_at timestamptz, metadata jsonb, lexical float8,
               tokens integer, words bytea)
LANGUAGE plpgsql
{planning} AS $$
#variable_conflict use_column
DECLARE
    v_strategy text;
    v_way text;
BEGIN
    IF p_user_id = '' THEN -- withheld rows are nobody's
        RETURN;
    END IF;
    PERFORM set_config('app.tenant_id', p_tenant_id, true);
    SELECT s.strategy, CASE WHEN s.counted <= p_whole THEN 'whole' ELSE s.strategy END INTO v_strategy, v_way
    FROM memory_strategy(p_tenant_id, p_user_id, p_strategy) s;
    PERFORM set_config('app.search_strategy', v_strategy, true);
{branches}
    ELSE
        RAISE EXCEPTION 'there is no such strategy' USING ERRCODE = 'invalid_parameter_value';
    END IF;
END
$$;
"""


def functions() -> str:
    """Return the SQL that makes the functions; ``${dimensions}`` is still to be filled in."""
    branches = "\n    ELSIF ".join(
        _branch(plan, filtered=filtered) for plan in QUERY_PLANS for filtered in (False, True)
    )
    return _FUNCTIONS.format(
        parameters=", ".join(f"{name} {kind}" for name, kind in PARAMETERS.items()),
        planning="\n".join(f"SET {name} = '{value}'" for name, value in PLANNING.items()),
        exact_rows=EXACT_ROWS,
        branches=f"    IF {branches}",
    )


def _branch(plan: QueryPlan, *, filtered: bool) -> str:
    settings = ", ".join(
        f"set_config('{name}', '{value}', true)" for name, value in PLANNING_OF.get(plan, {}).items()
    )
    before = f"\n        PERFORM {settings};" if settings else ""
    condition = f"v_way = '{plan}' AND p_filtered = {str(filtered).lower()} THEN"
    return f"{condition}{before}\n        RETURN QUERY {statement(plan, filtered=filtered).strip()};"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Which strategy answers, and why.

    Args:
        counted: the user's rows as far as they were counted, which stops past :data:`EXACT_ROWS`; ``None`` if the
            settings chose.
    """

    strategy: str
    counted: int | None

    def __str__(self) -> str:
        """Say it in a sentence."""
        if self.counted is None:
            return f"{self.strategy}: SEARCH_STRATEGY says so"
        many = self.counted > EXACT_ROWS
        rows = f"more than {EXACT_ROWS}" if many else str(self.counted)
        return f"{self.strategy}: this user has {rows} rows, and auto takes exact up to {EXACT_ROWS}"


def near(top_k: int) -> int:
    """Return how many of the nearest by bits, or by the graph, are compared exactly whatever comes."""
    return max(FIRST, FACTOR * top_k)
