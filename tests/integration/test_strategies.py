"""The plans of the search, read under the query role; and that the strategies agree."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, get_args
from uuid import UUID

import numpy as np
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from support.chunks import planned
from support.counting_proxy import CountingProxy
from support.words import SPACE

from pipeline.embedding.vectors import EmbeddingSpace, float32
from pipeline.lexical.terms import terms
from pipeline.settings import Strategy
from pipeline.stores.chunks import Chunk
from pipeline.stores.pgvector import search_sql, strategies
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.migrations import migrate
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.search_requests import Filters, SearchRequest

pytestmark = pytest.mark.integration
Database = Callable[..., str]
TIME = datetime(2026, 11, 22, tzinfo=UTC)
MANY = strategies.EXACT_ROWS + 100
WORDS = ("tea", "ships", "friday", "kyoto", "rain", "train", "budget", "garden")
UNLIKE = EmbeddingSpace("unlike", 256)
KINDS: list[Strategy] = ["exact", "bq", "hnsw"]
VALUES: dict[str, Any] = {
    "p_tenant_id": "acme",
    "p_user_id": "mika",
    "p_top_k": 10,
    "p_near": 100,
    "p_seeds": 24,
    "p_around": 2,
    "p_whole": 0,
    "p_words": "{1:1,7:1}/1000000000",
    "p_vector": str([1.0] + [0.5] * 15),
    "p_strategy": "auto",
    "p_filtered": False,
    "p_kinds": [],
    "p_roles": [],
    "p_keys": [],
    "p_excluded_keys": ["chat:9"],
    "p_since": None,
    "p_until": None,
}


def chunk(number: int, user: str) -> Chunk:
    text = f"{WORDS[number % 8]} {WORDS[number % 5]} m{number}"
    metadata = {"key": f"chat:{number % 7}", "kind": "session", "roles": ["user"]}
    return Chunk(str(UUID(int=number)), user, text, ("m",), "f", TIME, metadata)


@pytest.fixture
def filled(database: Database) -> Database:
    migrate(database(), SPACE, graph=True)
    store, draws = PgVectorStore(Connector(lambda: conninfo), SPACE), np.random.default_rng(4)
    conninfo = database("memory_ingest")
    for start, (user, count) in enumerate((("mika", MANY), ("ken", 20), ("aoi", 1500))):
        vectors = draws.standard_normal((count, SPACE.dimensions)).tolist()
        upserts = [(chunk(start * 10_000 + n, user), float32(vector)) for n, vector in enumerate(vectors)]
        store.apply("acme", [planned(user, upserts=upserts)])
    with psycopg.connect(database(), autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE memories")
        owner.execute("VACUUM ANALYZE memory_words")
    return database


def plan_of(
    connection: "psycopg.Connection[Any]", way: search_sql.QueryPlan, *, filtered: bool
) -> dict[str, Any]:
    """Return the plan as the function makes it: its parameters unknown, its settings made."""
    text = search_sql.statement(way, filtered=filtered).replace("${dimensions}", "16")
    for number, name in enumerate(search_sql.PARAMETERS, 1):
        text = re.sub(rf"\b{name}\b", f"${number}", text)
    kinds = ", ".join(search_sql.PARAMETERS.values())
    for name, value in {**search_sql.PLANNING, **search_sql.PLANNING_OF.get(way, {})}.items():
        connection.execute(f"SET {name} = '{value}'")
    connection.execute("SELECT set_config('app.tenant_id', 'acme', false)")
    connection.execute(f"PREPARE asked ({kinds}) AS {text}")
    literals = psycopg.sql.SQL(", ").join(psycopg.sql.Literal(VALUES[name]) for name in search_sql.PARAMETERS)
    found = connection.execute(
        psycopg.sql.SQL("EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE asked ({})").format(literals)
    ).fetchone()
    assert found
    plan: dict[str, Any] = (found[0] if isinstance(found[0], list) else json.loads(found[0]))[0]["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def scans(plan: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (n["Node Type"], n.get("Index Name", n["Relation Name"])) for n in nodes(plan) if "Relation Name" in n
    }


OWN_WORDS = ("Index Only Scan", "memory_words_by_user")
BY_ID = {("Index Scan", name) for name in ("memories_pkey", "memories_in_order")}
WORDS_BY_ID = ("Index Scan", "memory_words_pkey")
BEYOND = {("Index Scan", "memories_by_user")}  # where so many rows may be close that all are compared
EXPECTED: dict[str, set[tuple[str, str]]] = {
    "whole": {("Index Scan", "memories_by_user"), OWN_WORDS},
    "exact": {("Index Scan", "memories_by_user"), OWN_WORDS, *BY_ID},
    "bq": {("Index Only Scan", "memories_by_user"), OWN_WORDS, WORDS_BY_ID, *BY_ID},
    "hnsw": {("Index Scan", "memories_by_graph"), OWN_WORDS, WORDS_BY_ID, *BY_ID},
}


@pytest.mark.parametrize("filtered", [False, True])
@pytest.mark.parametrize("way", search_sql.QUERY_PLANS)
def test_the_query_role_gets_the_intended_plan(
    filled: Database, way: search_sql.QueryPlan, *, filtered: bool
) -> None:
    with psycopg.connect(filled("memory_query"), autocommit=True) as connection:
        plan = plan_of(connection, way, filtered=filtered)
    assert scans(plan) == EXPECTED[way] | (BEYOND if way == "bq" and not filtered else set())
    fetched = [n["Heap Fetches"] for n in nodes(plan) if "Heap Fetches" in n]
    assert fetched
    assert set(fetched) == {0}


def test_the_function_plans_once_for_everybody(filled: Database) -> None:
    with psycopg.connect(filled()) as owner:
        found = owner.execute(
            "SELECT proconfig FROM pg_proc WHERE proname IN ('memory_search', 'memory_strategy')"
        ).fetchall()
    assert len(found) == 2
    assert all(f"{name}={value}" in set_ for (set_,) in found for name, value in search_sql.PLANNING.items())


def test_an_answer_does_not_change_as_the_connection_gets_older(filled: Database) -> None:
    conninfo = filled("memory_query")
    store = PgVectorStore(Connector(lambda: conninfo), SPACE)
    request = SearchRequest("acme", "aoi", float32([1.0] * 16), 10, terms("tea in kyoto"))
    assert len({tuple(hit.id for hit in store.search(request).hits) for _ in range(12)}) == 1


FILTERS = [
    Filters(),
    Filters(keys=frozenset({"chat:3"})),
    Filters(excluded_keys=frozenset({"chat:1", "chat:2"})),
]


@pytest.mark.parametrize("strategy", ["bq", "hnsw", "auto"])
def test_every_strategy_finds_what_comparing_everything_finds(filled: Database, strategy: Strategy) -> None:
    conninfo = filled("memory_query")
    exact, other = (PgVectorStore(Connector(lambda: conninfo), SPACE, kind) for kind in ("exact", strategy))
    draws = np.random.default_rng(5)
    wanted = found = 0
    for number in range(30):
        vector = float32(draws.standard_normal(16).tolist())
        request = SearchRequest("acme", "aoi", vector, 10, terms("garden m21"), FILTERS[number % 3])
        best = [hit.id for hit in exact.search(request).hits][:10]
        got = {hit.id for hit in other.search(request).hits}
        wanted += len(best)
        found += len(got & set(best))
    least = 0.85 if strategy == "hnsw" else 0.97  # of 16 bits a spread says little
    assert found >= least * wanted


@pytest.mark.parametrize("database", [UNLIKE], indirect=True)
@pytest.mark.parametrize("alike", [0, 1300, 2500], ids=["nothing close", "some", "many"])
def test_bits_lose_nothing_however_many_rows_are_as_close_as_each_other(
    database: Database, alike: int
) -> None:
    """The nearest 200 by bits hold about half of the closest ten of rows as unlike each other as can be."""
    draws = np.random.default_rng(6)
    conninfo = database("memory_ingest")
    exact, bits = (PgVectorStore(Connector(lambda: conninfo), UNLIKE, kind) for kind in ("exact", "bq"))
    topic = draws.standard_normal(UNLIKE.dimensions)
    rows = draws.standard_normal((5000, UNLIKE.dimensions)) + (np.arange(5000) < alike)[:, None] * topic
    upserts = [(chunk(n, "mika"), float32(vector)) for n, vector in enumerate(rows.tolist())]
    exact.apply("acme", [planned("s", upserts=upserts)])
    found = 0
    for vector in (draws.standard_normal((20, UNLIKE.dimensions)) + topic).tolist():
        request = SearchRequest("acme", "mika", float32(vector), 10)
        best, got = ({hit.id for hit in store.search(request).hits} for store in (exact, bits))
        found += len(got & best)
    assert found >= 0.99 * 200


@pytest.mark.parametrize("filters", FILTERS)
def test_a_small_memory_comes_whole_with_the_same_scores(filled: Database, filters: Filters) -> None:
    conninfo = filled("memory_query")
    auto, exact = (PgVectorStore(Connector(lambda: conninfo), SPACE, kind) for kind in ("auto", "exact"))
    request = SearchRequest(
        "acme", "ken", float32([1.0] * 16), 20, terms("garden tea m20003"), filters, whole=20
    )
    chosen, whole = exact.search(request), auto.search(request)
    assert whole == chosen
    assert len(whole.hits) == sum(filters.admit({"key": f"chat:{(10_000 + n) % 7}"}, TIME) for n in range(20))
    assert auto.search(replace(request, whole=19, top_k=1)) == exact.search(replace(request, top_k=1))
    assert whole.strategy == "exact"


def test_the_store_counts_what_it_was_asked_for(filled: Database) -> None:
    conninfo = filled("memory_query")
    for strategy, user in (("auto", "ken"), ("exact", "ken"), ("bq", "mika"), ("hnsw", "mika")):
        store = PgVectorStore(Connector(lambda: conninfo), SPACE, strategy)  # type: ignore[arg-type]
        asked = terms("garden tea")
        hits = store.search(SearchRequest("acme", user, float32([1.0] * 16), 20, asked, whole=100)).hits
        assert {len(hit.counts or ()) for hit in hits} >= {0, 1}
        for hit in hits:
            found = Counter(terms(hit.content))
            assert hit.counts == {term: found[term] for term in asked if found[term]}


def test_auto_compares_all_of_few_rows_and_bits_of_many(filled: Database) -> None:
    conninfo = filled("memory_query")
    store = PgVectorStore(Connector(lambda: conninfo), SPACE)
    few, many, nobody = (store.explain("acme", user) for user in ("ken", "mika", "nobody"))
    assert (few.strategy, few.counted) == ("exact", 20)
    assert (many.strategy, many.counted) == ("bq", strategies.EXACT_ROWS + 1)
    assert (nobody.strategy, nobody.counted) == ("exact", 0)
    assert "20 rows" in str(few)
    assert "more than" in str(many)
    chosen = PgVectorStore(Connector(lambda: conninfo), SPACE, "bq").explain("acme", "ken")
    assert "SEARCH_STRATEGY" in str(chosen)


def test_the_answer_says_which_strategy_it_took_in_the_same_round_trip(filled: Database) -> None:
    server = conninfo_to_dict(filled("memory_query"))
    proxy = CountingProxy(int(str(server["port"])))
    store = PgVectorStore(Connector(lambda: make_conninfo("", **{**server, "port": proxy.port})), SPACE)
    vector = float32([1.0] + [0.0] * 15)
    first = store.search(SearchRequest("acme", "ken", vector, 5))  # it looks where the space lies
    before = proxy.round_trips
    others = [store.search(SearchRequest("acme", user, vector, 5)) for user in ("mika", "mika", "nobody")]
    assert [found.strategy for found in (first, *others)] == ["exact", "bq", "bq", "auto"]
    assert proxy.round_trips - before == 3
    proxy.close()


@pytest.mark.parametrize("strategy", KINDS)
def test_a_strategy_that_was_set_is_told_whatever_is_found(filled: Database, strategy: Strategy) -> None:
    conninfo = filled("memory_query")
    store = PgVectorStore(Connector(lambda: conninfo), SPACE, strategy)
    for user in ("ken", "mika", "nobody"):
        assert store.search(SearchRequest("acme", user, float32([1.0] + [0.0] * 15), 5)).strategy == strategy


def test_every_strategy_is_one_the_settings_know() -> None:
    assert {*KINDS, "auto"} == set(get_args(Strategy))


def test_words_go_with_their_memory(filled: Database) -> None:
    with psycopg.connect(filled(), autocommit=True) as owner:
        assert owner.execute("DELETE FROM memories WHERE user_id = 'mika'").rowcount == MANY
        left = owner.execute(
            "SELECT count(*) FROM memory_words w WHERE NOT EXISTS (SELECT FROM memories m WHERE m.id = w.id)"
        ).fetchone()
        assert left == (0,)
        assert owner.execute("SELECT count(*) FROM memory_words").fetchone() != (0,)


def test_a_memory_of_very_many_words_is_found_by_each(database: Database) -> None:
    conninfo = database("memory_ingest")
    store = PgVectorStore(Connector(lambda: conninfo), SPACE)
    user, said = "u" * 1000, [f"word{n}" for n in range(3000)]
    long = Chunk(str(UUID(int=1)), user, " ".join(said), ("m",), "f", TIME, {"key": "k"})
    other = Chunk(str(UUID(int=2)), user, "quiet", ("m",), "f", TIME, {"key": "k"})
    vectors = [float32([1.0] + [0.0] * 15), float32([0.0, 1.0] + [0.0] * 14)]
    tenant = "t" * 1000
    store.apply(tenant, [planned("s", upserts=list(zip((long, other), vectors, strict=True)))])
    for word in said[::500]:
        hits = store.search(SearchRequest(tenant, user, vectors[1], 1, terms(word))).hits
        assert {hit.id for hit in hits if hit.lexical > 0} == {long.id}
