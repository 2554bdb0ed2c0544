"""The laboratory's histories on the stores that keep their ledger in DynamoDB, and its DynamoDB beside a real one's answers."""

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from support.chunks import (
    ITEM,
    OTHER,
    axis,
    chunk,
    found,
    held,
    held_ids,
    key_of,
    mid,
    put,
    request,
    row,
    uid,
)
from support.histories import SEED, SEEDS_THAT_FAILED, TROUBLEMAKERS
from support.local_aws import Tables

from lab.dynamodb import MemoryDynamoDb
from lab.faults import report
from lab.laboratory import Laboratory, history_of
from lab.ledger_index import LedgerIndex
from lab.workers import installed
from pipeline.local.aws import LocalAws
from pipeline.stores.chunks import ChunkMove

HISTORIES = int(os.environ.get("FAULT_HISTORIES", "100"))
REAL_HISTORIES = max(20, HISTORIES // 10)
"""On a real OpenSearch, where each takes a second or more."""
NAMED: dict[str, Any] = {"key": key_of("chat:1"), "name": "chat:1"}


@pytest.fixture(params=["dynamodb", "opensearch"])
def other(request: pytest.FixtureRequest) -> Iterator[Laboratory]:
    made = Laboratory(LedgerIndex(request.param))
    with installed():
        yield made
    made.close()


def test_many_histories_end_as_they_must_in_searches_and_physically(
    other: Laboratory, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\nFAULT_HISTORIES={HISTORIES} FAULT_SEED={SEED}")  # shown also when all is well
    counts: Counter[str] = Counter()
    for number in range(HISTORIES):
        seed = f"{SEED}.{number}"
        outcome = other.run(history_of(seed), seed)
        assert not outcome.findings(), report(seed, history_of(seed), outcome)
        counts.update(outcome.counts)
    print(dict(counts))
    assert min(counts[name] for name in ("embedding_calls", "reads", "conflicts", "crashes", "skipped")) > 0


def test_histories_on_a_real_opensearch(opensearch_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\nFAULT_HISTORIES={HISTORIES} FAULT_SEED={SEED}")
    lab = Laboratory(LedgerIndex("opensearch", opensearch_url))
    with installed():
        for number in range(REAL_HISTORIES):
            seed = f"{SEED}.{number}"
            outcome = lab.run(history_of(seed), seed)
            assert not outcome.findings(), report(seed, history_of(seed), outcome)
    lab.close()


@pytest.mark.parametrize("seed", SEEDS_THAT_FAILED)
def test_a_history_that_failed_once_passes_now(other: Laboratory, seed: str) -> None:
    outcome = other.run(history_of(seed), seed)
    assert not outcome.findings(), report(seed, history_of(seed), outcome)


@pytest.mark.parametrize("seed", range(3))
def test_known_troublemakers(other: Laboratory, seed: int) -> None:
    for name, history in TROUBLEMAKERS.items():
        outcome = other.run(history, f"{name} {seed}")
        assert not outcome.findings(), report(seed, history, outcome)


@pytest.mark.parametrize("number", range(2))
def test_the_same_seed_gives_the_same_trace(other: Laboratory, number: int) -> None:
    traces = [other.run(history_of(f"same {number}"), f"same {number}").trace for _ in range(2)]
    assert traces[0] == traces[1]


class Both:
    """Asks two clients the same, and wants the same answer."""

    def __init__(self, real: Any, other: Any) -> None:
        self._real, self._other = real, other

    def create_table(self, **request: Any) -> Any:
        return self._real.create_table(**request)

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            answers = [self._ask(client, name, request) for client in (self._real, self._other)]
            assert answers[0][1:] == answers[1][1:], (name, request)
            answer = answers[0][0]
            if isinstance(answer, ClientError):
                raise answer
            return answer

        return call

    def _ask(self, client: Any, name: str, request: Any) -> tuple[Any, Any]:
        try:
            answer = _answer(client, name, request)
        except ClientError as error:
            reasons = [reason["Code"] for reason in error.response.get("CancellationReasons", ())]
            return error, (error.response["Error"]["Code"], reasons)
        if "Responses" in answer:
            [(_, rows)] = answer["Responses"].items()
            return answer, sorted(map(repr, map(sorted, (row.items() for row in rows))))
        rows = [answer["Item"]] if "Item" in answer else answer.get("Items", [])
        return answer, sorted(map(repr, map(sorted, (row.items() for row in rows))))


def _answer(client: Any, name: str, request: Any) -> Any:
    """Return the whole answer, asking again for keys that were left over: each service may leave others."""
    answer = getattr(client, name)(**request) or {}
    if not answer.get("UnprocessedKeys"):
        return answer
    rest = _answer(client, name, {**request, "RequestItems": answer["UnprocessedKeys"]})
    both = {table: [*rows, *rest["Responses"][table]] for table, rows in answer["Responses"].items()}
    return {**answer, "Responses": both, "UnprocessedKeys": {}}


def test_the_dynamodb_in_memory_answers_as_another_does(local_aws: LocalAws) -> None:
    tables = Tables(Both(local_aws.client("dynamodb"), MemoryDynamoDb(page=10**6)), max_ops=20)
    store, rival = tables.store(), tables.store()
    messages = [row(number) for number in range(1, 4)]
    put(store, *((chunk(number), axis(number % 16)) for number in range(1, 4)), messages=messages, **NAMED)
    revision = held(rival).revision
    put(
        store,
        (chunk(2, user_id="ken"), axis(0)),
        messages=[row(3, "kept", reason="capped")],
        purged=[mid(1)],
        moves={uid(3): ChunkMove("mika", "kept")},
        deletes=[uid(1)],
        **NAMED,
    )
    leased = store.lease("acme", {ITEM: revision + 1, OTHER: 0}, 60)
    assert rival.lease("acme", leased, 60) == {}
    store.release("acme", leased)
    put(store, *((chunk(number), axis(1)) for number in range(10, 13)), source=OTHER)
    asked = request(user_id="mika")
    assert store.mark(asked) == rival.mark(asked) == 0
    assert list(rival.items_of(asked)) == [key_of("chat:1")]
    assert store.finish(asked, 2) == rival.finish(asked, 3)
    assert [row.id for row in held(rival, ITEM, "acme", "n3").messages] == [mid(2), mid(3)]
    assert held_ids(rival) == [uid(2), uid(3)]
    assert found(rival, axis(0), user="ken") == [uid(2)]
