"""Rows about the handlers as they run in Lambda, with an instant embedder; nothing else is taken out."""

import io
import json
import logging
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import psycopg

from lab.bench.data import SPACE, TENANT, InstantEmbedder, World
from lab.bench.database import Database
from lab.bench.rows import Row, interleaved_ms, percentile, times_ms
from pipeline import bootstrap
from pipeline.container import Container
from pipeline.handlers import ingest, query
from pipeline.ingest.notices import Notice
from pipeline.ingest.reconcile import Reconciler
from pipeline.lexical.terms import terms
from pipeline.search.memory_search import AROUND, CANDIDATES, WHOLE
from pipeline.settings import EmbeddingSettings, Settings
from pipeline.source.documents import EntryHasher, ItemKey
from pipeline.source.layouts import Item, Layouts
from pipeline.stores.pgvector import search_sql, sparse_terms, wire_format
from pipeline.stores.search_requests import SEEDS, SearchRequest
from pipeline.stores.usage import Meter

USERS, ITEMS_AN_EVENT = 50, 10
MANY_ROWS, MANY_USERS = 300_000, 300
WORDS_A_MESSAGE, MESSAGES_AN_ITEM = 30, 40
LAYOUTS = Layouts(Settings().attribute_names, EntryHasher(b"a key of the bench's own"))
CONTEXT: Any = SimpleNamespace(
    function_name="bench",
    memory_limit_in_mb=1,
    invoked_function_arn="arn",
    aws_request_id="1",
    get_remaining_time_in_millis=lambda: 300_000,
)


class Table:
    """The chat app's table, in memory."""

    def __init__(self, items: Mapping[ItemKey, Item]) -> None:
        self._items = items

    def get(self, key: ItemKey) -> Item | None:
        """Return an item at once."""
        return self._items.get(key)


@contextmanager
def wired(
    conninfo: str, embedder: InstantEmbedder, items: Mapping[ItemKey, Item] | None = None
) -> Iterator[None]:
    """Wire the handlers as in Lambda, but for the embedder, the table and the log."""
    container = container_of(conninfo, embedder, items)
    with quiet(), serving(container):
        yield


def container_of(
    conninfo: str, embedder: InstantEmbedder, items: Mapping[ItemKey, Item] | None = None
) -> Container:
    """Return what the handlers are wired with."""
    settings = Settings(
        database_url=conninfo,
        queue_url="https://queue",
        embedding=EmbeddingSettings("offline", SPACE.model, SPACE.dimensions),
    )
    container = Container(settings)
    container.embedder = embedder
    container.reconciler = _reconciler(container, Table(items or {}))
    return container


@contextmanager
def serving(container: Container) -> Iterator[None]:
    """Let the handlers take this container."""
    with patch.object(bootstrap, "container", lambda: container):
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Let the handlers print nothing: metrics are lines, which Lambda takes as quickly."""
    level = logging.getLogger("query").level
    for logger in (query.logger, ingest.logger):
        logger.setLevel("ERROR")
    with redirect_stdout(io.StringIO()):
        yield
    for logger in (query.logger, ingest.logger):
        logger.setLevel(level)


def _reconciler(container: Container, table: Table) -> Reconciler:
    parts = LAYOUTS, table, container.chunker, container.embedder, container.store, time.sleep
    return Reconciler(*parts, Meter(container.usage_ledger))


def ingest_rate(database: Database, world: World, chunks: int, users: int = USERS, tenants: int = 1) -> float:
    """Return chunks a second through the ingest handler, sessions of ``users`` coming in for the first time."""
    return rate_of(database, world, _items(world, chunks, users, tenants))


def rate_of(database: Database, world: World, items: Mapping[ItemKey, Item]) -> float:
    """Return chunks a second of ``items``, ten notices an event."""
    events = _events(list(items))
    started = 0.0
    with wired(database.login("memory_ingest"), InstantEmbedder(world), items):
        for number, event in enumerate(events):
            if number == 1:  # the first one imports and connects
                started, before = time.perf_counter(), _held(database)
            answer = ingest.handler(event, CONTEXT)
            if answer["batchItemFailures"]:
                raise RuntimeError("the ingest handler failed a message")
        seconds = time.perf_counter() - started
    return (_held(database) - before) / seconds


def _held(database: Database) -> int:
    return int(str(database.execute("SELECT count(*) FROM memories")[0][0]))


def _items(world: World, chunks: int, users: int, tenants: int) -> dict[ItemKey, Item]:
    """Return sessions of as many messages as chunks are wanted: an answer as long as its question is a chunk itself."""
    count = max(2 * ITEMS_AN_EVENT, chunks // MESSAGES_AN_ITEM)
    return dict(_item(world, number, users, tenants) for number in range(count))


def _item(world: World, number: int, users: int, tenants: int) -> tuple[ItemKey, Item]:
    said = [
        {
            "role": ("user", "assistant")[turn % 2],
            "content": world.text(WORDS_A_MESSAGE),
            "timestamp": f"2026-11-22T{turn // 60:02}:{turn % 60:02}:00Z",
        }
        for turn in range(MESSAGES_AN_ITEM)
    ]
    tenant = TENANT if tenants == 1 else f"tenant-{number % tenants}"
    return session(number, tenant, f"user-{number % users}", said)


def session(number: int, tenant: str, user: str, said: Sequence[Mapping[str, str]]) -> tuple[ItemKey, Item]:
    """Return a session of these messages, and its key."""
    item = {
        "tenant_id": {"S": tenant},
        "session_key": {"S": f"chat:{number}"},
        "user_id": {"S": user},
        "messages": {"S": json.dumps(said)},
    }
    address = LAYOUTS.address("sessions", item)
    if address is None:
        raise RuntimeError("a session is one")
    return address.key, item


def _events(keys: Sequence[ItemKey]) -> list[dict[str, Any]]:
    return [
        queue_event(keys[start : start + ITEMS_AN_EVENT]) for start in range(0, len(keys), ITEMS_AN_EVENT)
    ]


def queue_event(keys: Sequence[ItemKey]) -> dict[str, Any]:
    """Return the queue's event of a notice for each item."""
    records = []
    for number, key in enumerate(keys):
        address = LAYOUTS.address(key.table, key.to_dynamodb())
        if address is None:
            raise RuntimeError("a session's key is one")
        notice = Notice(address, position=f"label/{1:040}", first_sent_at=time.time())
        records.append(
            {
                "messageId": str(number),
                "receiptHandle": str(number),
                "attributes": {"ApproximateReceiveCount": "1"},
                "body": notice.encode(),
                "eventSource": "aws:sqs",
            }
        )
    return {"Records": records}


@dataclass(frozen=True, slots=True)
class QueryTimes:
    """How long questions took, in milliseconds.

    Args:
        handler: the whole query function, each time.
        in_turns: its median, taken in turns with the next two.
        prepared: prepared SQL for the same candidates.
        vectors: the store's own search of the closest five by vectors alone, as the peers search.
    """

    handler: Sequence[float]
    in_turns: float
    prepared: float
    vectors: float

    @property
    def p50(self) -> float:
        """The handler's median."""
        return percentile(self.handler, 50)


def query_times(database: Database, world: World, repeats: int, users: int = USERS) -> QueryTimes:
    """Ask the query handler, and beside it what it stands on."""
    embedder = InstantEmbedder(world)
    conninfo, rows_a_user = database.login("memory_query"), _held(database) // users
    questions = [(f"user-{number % users}", world.text(8)) for number in range(repeats)]
    with wired(conninfo, embedder), psycopg.connect(conninfo, autocommit=True) as connection:
        times = _Prepared(connection, embedder, "whole" if rows_a_user <= WHOLE else "exact")

        def answer(number: int) -> None:
            user, text = questions[number]
            body = {"query": text, "top_k": TOP_K, "min_confidence": 0}  # nobody said what is asked
            found = query.handler({"tenant_id": TENANT, "user_id": user, "body": body}, CONTEXT)
            if found["statusCode"] != OK or len(json.loads(found["body"])["results"]) != TOP_K:
                raise RuntimeError("the query handler did not answer")

        def prepared(number: int) -> None:
            times.search(*questions[number])

        def vectors(number: int) -> None:
            user, text = questions[number]
            [vector] = embedder.embed([text])
            if (
                len(bootstrap.container().store.search(SearchRequest(TENANT, user, vector, TOP_K)).hits)
                != TOP_K
            ):
                raise RuntimeError("the store did not answer")

        works = [answer, prepared, vectors]
        for number in range(WARM_UP):
            for work in works:
                work(number)
        medians = interleaved_ms(works, repeats, time.perf_counter)
        return QueryTimes(times_ms(answer, repeats, time.perf_counter), *medians)


OK, TOP_K, WARM_UP = 200, 5, 8


class _Prepared:
    """What one would write by hand: the strategy's statement prepared, the tenant set once a session."""

    def __init__(
        self, connection: "psycopg.Connection[Any]", embedder: InstantEmbedder, way: search_sql.QueryPlan
    ) -> None:
        self._connection, self._embedder = connection, embedder
        statement = search_sql.statement(way, filtered=False)
        for name, kind in search_sql.PARAMETERS.items():
            statement = statement.replace(name, f"%({name})b::{kind}")
        self._statement: Any = statement  # psycopg wants a literal
        connection.execute("SELECT set_config('app.tenant_id', 'bench', false)")
        for name, value in {**search_sql.PLANNING, **search_sql.PLANNING_OF[way]}.items():
            connection.execute("SELECT set_config(%s, %s, false)", [name, value])

    def search(self, user: str, text: str) -> list[Any]:
        """Answer a question as the store does for a user of few rows."""
        [vector] = self._embedder.embed([text])
        parameters = {
            "p_tenant_id": TENANT,
            "p_user_id": user,
            "p_vector": wire_format.Binary(wire_format.vector(vector)),
            "p_top_k": CANDIDATES,
            "p_seeds": SEEDS,
            "p_around": AROUND,
            "p_words": wire_format.Binary(wire_format.sparse(sparse_terms.question(terms(text)))),
        }
        return self._connection.execute(self._statement, parameters, prepare=True, binary=True).fetchall()


def handler_rows(
    databases: Sequence[Database], world: World, *, chunks: int, repeats: int, upsert: float
) -> tuple[list[Row], Mapping[int, float], QueryTimes]:
    """Measure the handlers on tables of 50 users; return the rows, chunks a second by tenants, and the questions' times."""
    rate = statistics.median(ingest_rate(database, world, chunks) for database in databases)
    many_tenants = statistics.median(
        ingest_rate(database, world, chunks, tenants=USERS) for database in databases[1:]
    )
    databases[0].settle()
    times = query_times(databases[0], world, repeats)
    rows = [
        Row(
            "ingest handler / store upsert, chunks/s",
            rate / upsert,
            least=0.5,
            detail=f"{rate:.0f} and {upsert:.0f} chunks/s",
        ),
        Row(
            f"ingest handler, {USERS} tenants / one tenant, chunks/s",
            many_tenants / rate,
            least=0.5,
            detail=f"{many_tenants:.0f} and {rate:.0f} chunks/s",
        ),
        Row("query handler, p50 ms", times.p50, detail=f"p95 {percentile(times.handler, 95):.2f}"),
        Row(
            "query handler p50 / prepared SQL for the same candidates",
            times.in_turns / times.prepared,
            most=1.5,
            detail=f"{times.in_turns:.2f} and {times.prepared:.2f} ms",
        ),
    ]
    return rows, {1: rate, USERS: many_tenants}, times


def ask_many_users(database: Database, world: World, repeats: int) -> QueryTimes:
    """Ask over 300,000 rows of 300 users, which ingest brought in."""
    ingest_rate(database, world, MANY_ROWS, MANY_USERS)
    database.settle()
    return query_times(database, world, repeats, MANY_USERS)
