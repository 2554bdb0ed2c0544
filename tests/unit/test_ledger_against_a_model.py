"""The ledger in DynamoDB beside the store in memory: the same writes, deaths and half-seen transactions, the same answers."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from support.chunks import TIME, axis, chunk, key_of, mid, planned, request, row, uid
from support.words import SPACE

from lab.dynamodb import MemoryDynamoDb
from pipeline.lexical.terms import terms
from pipeline.stores.chunks import ChunkMove
from pipeline.stores.dynamodb.store import DynamoDbStore
from pipeline.stores.index_state import IndexState, PlannedWrite
from pipeline.stores.ledger.client import Client
from pipeline.stores.ledger.ledger import Ledger, Runtime
from pipeline.stores.ledger.records import chunk_record, message_row
from pipeline.stores.ledger.transactions import MAX_OPS
from pipeline.stores.memory import InMemoryStore
from pipeline.stores.message_rows import ItemEvent, ItemFacts
from pipeline.stores.protocol import Store
from pipeline.stores.search_requests import Filters, SearchRequest

SOURCES = ["item 1", "item 2"]
USERS = ["mika", "ken"]
IDS = range(1, 9)
NAMES = [f"n{number % 3}" for number in range(10)]
WRITES = 12


class Killed(BaseException):
    """The worker's process ends here."""


class Deadly:
    """Ends the worker before one of the next transactions, now and then."""

    def __init__(self, real: Any, dice: random.Random, chance: float) -> None:
        self._real, self._dice, self._chance = real, dice, chance
        self.largest, self.deaths = 0, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def transact_write_items(self, **asked: Any) -> Any:
        self.largest = max(self.largest, len(asked["TransactItems"]))
        if self._dice.random() < self._chance:
            self.deaths += 1
            raise Killed
        return self._real.transact_write_items(**asked)


def some(dice: random.Random, chance: float) -> Iterator[int]:
    return (number for number in IDS if dice.random() < chance)


def a_write(dice: random.Random, source: str) -> Callable[[IndexState], PlannedWrite]:
    """Anything that may be written of an item, whatever is held."""
    user = dice.choice(USERS)
    statuses = ("live", "mixed", "kept")
    numbers = {"a": 0, "b": 100}["a" if source == SOURCES[0] else "b"]
    upserts: list[Any] = []
    for number in some(dice, 0.25):
        owner, status = dice.choice([*USERS, ""]), dice.choice(statuses)
        waits = dice.random() < 0.2
        one = replace(
            chunk(numbers + number, f"w{number} tea", owner, "" if waits else "f"),
            members=tuple(mid(member) for member in some(dice, 0.4)),
            status=status,  # type: ignore[arg-type]  # one of them
            metadata={"key": source, "kind": "session", **({"embedded": False} if waits else {})},
        )
        upserts.append((one, None if waits else axis(number)))
    moves = {
        uid(numbers + number): ChunkMove(dice.choice([*USERS, ""]), dice.choice(statuses))  # type: ignore[arg-type]  # the same
        for number in some(dice, 0.3)
    }
    states = ("live", "kept", "unexplained", "erased")
    rows = [
        row(number, dice.choice(states), NAMES[number], user_id=dice.choice(USERS))  # type: ignore[arg-type]  # the same
        for number in some(dice, 0.4)
    ]
    changed = {one.id for one in rows}
    facts = ItemFacts(
        f"p{dice.randrange(9)}",
        dice.random(),
        dice.random() < 0.8,
        user_id=user,
        events=tuple(ItemEvent("owner", f"p{one}", None, f"h{one}", None) for one in some(dice, 0.1)),
        hidden_since=dice.choice([None, 1.0, 5.0]),
    )
    return lambda state: planned(
        source,
        state,
        facts=facts,
        upserts=upserts,
        moves={id_: move for id_, move in moves.items() if id_ not in {one.id for one, _ in upserts}},
        deletes=[
            id_
            for id_ in (uid(numbers + number) for number in (2, 5))
            if id_ not in moves and id_ not in {one.id for one, _ in upserts}
        ],
        messages=rows,
        purged=[mid(number) for number in (3, 6) if mid(number) not in changed],
        key=key_of(source),
        name=source,
    )


def held(store: Store, source: str) -> list[Any]:
    """What whoever plans is told of an item, in no order, answer by answer."""
    state = store.read("acme", {source: {"n1"}})[source]
    details = [store.detail("acme", {source: names})[source] for names in ({"n1"}, set[str](), None)]
    return [
        (state.facts, set(state.messages), state.pending, state.in_progress),
        *((set(detail.kept), set(detail.chunks)) for detail in details),
    ]


def told(store: Store) -> Any:
    """All that a store tells besides, in no order."""
    requests = [
        request(user_id="mika"),
        request(session_key="item 1"),
        request(user_id="ken", session_key="item 2"),
    ]
    ids = [uid(number) for number in (*IDS, *range(101, 109))]
    return (
        [set(store.items_of(one)) for one in requests],
        set(store.items_of(request(user_id="nobody"), "h3")),
        [set(store.overdue(before, 10)) for before in (0.5, 1.0, 9.0)],
        [store.texts("acme", source, ids) for source in SOURCES],
        [_shown(store, user) for user in USERS],
    )


def pointers(tables: MemoryDynamoDb) -> tuple[set[Any], set[Any]]:
    """Return the records that only point at others, as they are and as they ought to be."""
    records = tables.tables["ledger"]
    there = {place for place in records if place[1].startswith(("holder#", "named#"))}
    due = set()
    for (pk, sk), item in records.items():
        if sk.startswith("closed#"):
            due |= {(pk, f"holder#{id_}#{chunk_record(item).id}") for id_ in chunk_record(item).members}
        if sk.startswith("kept#"):
            due.add((pk, f"named#{message_row(item).name}#{message_row(item).id}"))
    return there, due


def _shown(store: Store, user: str) -> Any:
    asked = SearchRequest("acme", user, axis(1), 50, terms("tea"))
    hits = {(hit.id, round(hit.similarity, 6)) for hit in store.search(asked).hits}
    return hits, {(one.id, one.retained, one.content) for one in store.passages("acme", user, Filters(), 50)}


def write_until_done(store: DynamoDbStore, made: Callable[[IndexState], PlannedWrite], source: str) -> None:
    """As a queue does it: whoever dies is followed by another."""
    for _ in range(200):
        try:
            state = store.read("acme", {source: set()})[source]
            store.detail("acme", {source: None})  # a planner names nothing that it has not seen
            if not store.apply("acme", [made(state)]):
                return
        except Killed:
            continue
    pytest.fail("it never came to an end")


def opened(client: Any, max_ops: int) -> DynamoDbStore:
    """A store whose pauses last until everything that was committed is visible."""
    tokens = count()
    runtime = Runtime(lambda _: client.settle(), lambda: TIME, lambda: f"token {next(tokens)}")
    calls = Client(client, runtime.sleep, lambda: 0.5)
    ledger = Ledger(calls, "ledger", SPACE, runtime, max_ops)
    return DynamoDbStore(calls, "vectors", ledger, SPACE, runtime, map)


@pytest.mark.parametrize("seed", range(25))
def test_it_tells_what_the_store_in_memory_tells(seed: int) -> None:
    dice = random.Random(seed)
    tables = MemoryDynamoDb(lambda _: dice.random() < 0.2)
    deadly = Deadly(tables, dice, seed % 3 * 0.1)
    max_ops = dice.choice([14, 100])
    store, model = opened(deadly, max_ops), InMemoryStore(SPACE)
    for _ in range(WRITES):
        source = dice.choice(SOURCES)
        write, before = a_write(dice, source), held(model, source)
        assert model.apply("acme", [write(model.read("acme", {source: set()})[source])]) == frozenset()
        write_until_done(store, write, source)
        if dice.random() < 0.5 and max_ops == MAX_OPS:
            answers = zip(held(store, source), before, held(model, source), strict=True)
            assert all(now in (old, new) for now, old, new in answers)  # never one half of each
        if dice.random() < 0.5:
            tables.settle()
            assert held(store, source) == held(model, source)
            assert told(store) == told(model)
    assert deadly.largest <= 100
    there, due = pointers(tables)
    assert there >= due
    assert deadly.deaths or there == due
