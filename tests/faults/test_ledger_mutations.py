"""The laboratory's other stores are themselves tested: each way to break them must be caught by its histories."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from support.histories import TROUBLEMAKERS

from lab.laboratory import Laboratory, history_of
from lab.ledger_index import LedgerIndex
from lab.workers import installed
from pipeline.stores.backend import Swept
from pipeline.stores.dynamodb.vector_table import VectorTable
from pipeline.stores.ledger import item_reader
from pipeline.stores.ledger.forget_requests import ForgetRequests
from pipeline.stores.ledger.item_reader import ItemReader
from pipeline.stores.ledger.records import LedgerRecord
from pipeline.stores.ledger.transactions import Transactions
from pipeline.stores.opensearch import sweep
from pipeline.stores.opensearch.store import OpenSearchStore

MOST_HISTORIES = 1_000
KNOWN = tuple(TROUBLEMAKERS.values())
BOTH, DYNAMODB, OPENSEARCH = ("dynamodb", "opensearch"), ("dynamodb",), ("opensearch",)
Patch = pytest.MonkeyPatch


def unconditional(op: Mapping[str, Any], *values: str) -> dict[str, Any]:
    """Return the member of a transaction with a condition that always holds."""
    kept = {
        name: value for name, value in op.get("ExpressionAttributeValues", {}).items() if name not in values
    }
    always = "attribute_exists(pk) OR attribute_not_exists(pk)"
    return {**op, "ConditionExpression": always, **({"ExpressionAttributeValues": kept} if kept else {})}


def no_revision_check(patch: Patch) -> None:
    move, known = Transactions._move, ItemReader.known

    def moved(self: Transactions, *given: Any, **options: Any) -> Any:
        return {"Update": unconditional(move(self, *given, **options)["Update"], ":expected")}

    def as_expected(self: ItemReader, tenant_id: str, write: Any) -> Any:
        ledger, records = known(self, tenant_id, write)
        return dataclasses.replace(ledger, revision=write.expected_revision), records

    patch.setattr(Transactions, "_move", moved)
    patch.setattr(ItemReader, "known", as_expected)


def no_epoch_check(patch: Patch) -> None:
    check = Transactions._check_epoch

    def checked(self: Transactions) -> Any:
        only = dict(unconditional(check(self)["ConditionCheck"], ":epoch"))
        only.pop("ExpressionAttributeValues", None)
        return {"ConditionCheck": only}

    patch.setattr(Transactions, "_check_epoch", checked)


def a_marker_is_set_and_nothing_deleted(patch: Patch) -> None:
    patch.setattr(ForgetRequests, "_sources_of", lambda *_: set())


def a_request_sets_no_marker(patch: Patch) -> None:
    patch.setattr(ForgetRequests, "mark", lambda *_: None)


def records_that_do_not_add_up_are_taken(patch: Patch) -> None:
    patch.setattr(item_reader, "adds_up", lambda *_: True)
    patch.setattr(LedgerRecord, "fits", lambda *_: True)


def a_change_ends_after_its_first_transaction(patch: Patch) -> None:
    cut = Transactions.cut
    patch.setattr(Transactions, "cut", lambda self, mutations: cut(self, mutations)[:1])


def the_users_vectors_stay_when_their_chunk_goes(patch: Patch) -> None:
    real = VectorTable.operations

    def operations(*given: Any) -> Any:
        return [[op for op in ops if "Delete" not in op] for ops in real(*given)]

    patch.setattr(VectorTable, "operations", operations)


def readers_do_not_ask_the_ledger(patch: Patch) -> None:
    class Anything:
        status = "live"
        embedded = True

    patch.setattr(OpenSearchStore, "_listed", lambda *given: [(one, Anything()) for one in given[-1]])


def a_sweep_deletes_nothing(patch: Patch) -> None:
    patch.setattr(sweep.Sweep, "run", lambda *_: Swept(0, finished=True))


def a_sweep_spares_nothing(patch: Patch) -> None:
    patch.setattr(sweep, "strays_of", lambda page, _: [one.document_id for one in page])


MUTATIONS: Mapping[Callable[[Patch], None], tuple[str, ...]] = {
    no_revision_check: BOTH,
    no_epoch_check: BOTH,
    a_marker_is_set_and_nothing_deleted: BOTH,
    a_request_sets_no_marker: BOTH,
    records_that_do_not_add_up_are_taken: BOTH,
    a_change_ends_after_its_first_transaction: BOTH,
    the_users_vectors_stay_when_their_chunk_goes: DYNAMODB,
    readers_do_not_ask_the_ledger: OPENSEARCH,
    a_sweep_deletes_nothing: OPENSEARCH,
    a_sweep_spares_nothing: OPENSEARCH,
}


@pytest.fixture
def other(request: pytest.FixtureRequest) -> Iterator[Laboratory]:
    made = Laboratory(LedgerIndex(request.param))
    with installed():
        yield made
    made.close()


def tries() -> Iterator[tuple[Any, str]]:
    for number in range(MOST_HISTORIES):
        known = number % 3 == 2
        yield (
            (KNOWN[number // 3 % len(KNOWN)] if known else history_of(f"mutation {number}")),
            f"mutation {number}",
        )


@pytest.mark.parametrize(
    ("other", "mutation"),
    [(store, mutation) for mutation, stores in MUTATIONS.items() for store in stores],
    indirect=["other"],
    ids=lambda given: getattr(given, "__name__", given),
)
def test_a_broken_store_is_caught(
    other: Laboratory, monkeypatch: Patch, mutation: Callable[[Patch], None]
) -> None:
    mutation(monkeypatch)
    for number, (history, seed) in enumerate(tries(), start=1):
        found = sorted(other.run(history, seed).findings())
        if found:
            print(f"{mutation.__name__}: caught by history {number}: {found}")
            return
    pytest.fail(f"{mutation.__name__} was not caught by any history")
