from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import pytest

from pipeline.errors import (
    ConflictError,
    EmbeddingRejectedError,
    EmbeddingUnavailableError,
    MalformedItemError,
    SourceUnavailableError,
    StoreUnavailableError,
    VectorMemoryError,
)
from pipeline.ingest.chunking import Chunker
from pipeline.ingest.notices import Notice
from pipeline.ingest.reconcile import PAUSES_SECONDS, Reconciler
from pipeline.ingest.work import Report
from pipeline.lexical.terms import terms
from pipeline.source.layouts import Layouts
from pipeline.source.transitions import Transition
from pipeline.stores.chunks import StoredText
from pipeline.stores.index_state import IndexState, PlannedWrite
from pipeline.stores.memory import InMemoryStore
from pipeline.stores.search_requests import Hit, SearchRequest

Build = Callable[..., Any]
VECTOR = [1.0] * 8


def forget(at: str, *names: str) -> Transition:
    """A change that took these texts away for good, or all that is not in the item any more."""
    return Transition(at, None, "modified", "edited", everything=not names, gone=dict.fromkeys(names, (1, 0)))


def capped(at: str, *names: str) -> Transition:
    return Transition(at, None, "modified", "capped", gone=dict.fromkeys(names, (1, 0)))


def expired(at: str, *names: str) -> Transition:
    return Transition(at, None, "expired", "expired", gone=dict.fromkeys(names, (1, 0)))


class WatchedStore:
    """A store that counts, and fails or meets another worker where it is told to."""

    def __init__(self, store: InMemoryStore) -> None:
        self.store = store
        self.space = store.space
        self.reads = 0
        self.applied: list[PlannedWrite] = []
        self.error: Exception | None = None
        self.refuses: str | None = None
        self.conflicts: list[Sequence[str]] = []
        self.unseen = 0

    def read(self, tenant_id: str, named: Mapping[str, AbstractSet[str]]) -> Mapping[str, IndexState]:
        self.reads += 1
        if self.error:
            raise self.error
        return self.store.read(tenant_id, named)

    def apply(self, tenant_id: str, writes: Sequence[PlannedWrite]) -> frozenset[str]:
        if self.refuses in {write.source for write in writes}:
            raise VectorMemoryError("Postgres refused a statement: DataError 22021")
        lost = frozenset(self.conflicts.pop(0) if self.conflicts else ())
        applied = [write for write in writes if write.source not in lost]
        self.applied += applied
        return self.store.apply(tenant_id, applied) | lost

    def texts(self, tenant_id: str, source: str, ids: Sequence[str]) -> Mapping[str, StoredText]:
        """Return what is stored; the first ``unseen`` times a write of it is seen by halves."""
        self.unseen -= 1
        return {} if self.unseen >= 0 else self.store.texts(tenant_id, source, ids)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


class ReconcilerHarness:
    """A reconciler and all that it works with."""

    def __init__(self, reconciler: Reconciler, store: WatchedStore, item: Build, notice: Build) -> None:
        self.reconciler = reconciler
        self.store = store
        self.table: Any = reconciler.source
        self.embedder: Any = reconciler.embedder
        self.item = item
        self.notice = notice

    def run(self, *notices: Notice) -> Report:
        return self.reconciler.run({notice.address.key.source: notice for notice in notices})

    def hits(self, words: str) -> Sequence[Hit]:
        return self.store.search(SearchRequest("acme", "acme", VECTOR, 9, terms(words))).hits  # type: ignore[no-any-return]

    def state(self, key: str = "chat:1", *names: str) -> IndexState:
        source = self.notice(key).address.key.source
        return self.store.read("acme", {source: frozenset(names)})[source]

    def states(self, key: str = "chat:1") -> list[str]:
        """Return the state of every row of an item's ledger, sorted."""
        source = self.notice(key).address.key.source
        kept = self.store.detail("acme", {source: None})[source].kept
        return sorted(row.state for row in {*self.state(key).messages, *kept})

    def texts(self, tenant_id: str = "acme") -> list[str]:
        found = self.store.search(SearchRequest(tenant_id, tenant_id, VECTOR, 100)).hits
        return sorted(hit.content for hit in found)


@pytest.fixture
def reconciler(
    layouts: Layouts, table: Any, chunker: Chunker, embedder: Any, store: InMemoryStore
) -> Reconciler:
    return Reconciler(layouts, table, chunker, embedder, WatchedStore(store), lambda _: None)


@pytest.fixture
def harness(reconciler: Reconciler, session_item: Build, notice_of: Build) -> ReconcilerHarness:
    assert isinstance(reconciler.store, WatchedStore)
    return ReconcilerHarness(reconciler, reconciler.store, session_item, notice_of)


def failure(report: Report, notice: Notice) -> VectorMemoryError | None:
    return report.failures.get(notice.address.key.source)


def test_a_saved_message_is_found(harness: ReconcilerHarness) -> None:
    harness.table.put(harness.item(("user", "the crate ships on Friday")))
    report = harness.run(harness.notice("chat:1", "1", saved_at=1_700_000_000.0))
    assert harness.texts() == ["user: the crate ships on Friday"]
    assert (len(report.sources), report.reads, report.chunks_embedded, report.failures) == (1, 1, 1, {})
    assert report.sources == report.applied == report.indexed
    [change] = harness.store.applied
    assert change.saved_at
    assert change.saved_at.isoformat() == "2023-11-14T22:13:20+00:00"


def test_the_same_again_embeds_nothing(harness: ReconcilerHarness) -> None:
    harness.table.put(harness.item(("user", "one"), ("assistant", "two")))
    harness.run(harness.notice("chat:1", "1"))
    requests = harness.embedder.usage.requests
    later = harness.run(harness.notice("chat:1", "2"))
    unplaced = harness.run(harness.notice("chat:1"))
    assert harness.embedder.usage.requests == requests
    assert (later.chunks_kept, unplaced.chunks_kept) == (2, 2)


def test_a_notice_the_ledger_reflects_is_skipped_unread(harness: ReconcilerHarness) -> None:
    harness.table.put(harness.item(("user", "one")))
    harness.run(harness.notice("chat:1", "2"))
    report = harness.run(harness.notice("chat:1", "1"))
    assert (len(report.skipped), report.reads, report.applied) == (1, 0, set())
    assert len(harness.table.reads) == 1
    assert len(harness.store.applied) == 1


def test_every_reconcile_moves_the_ledger_even_with_nothing_to_write(harness: ReconcilerHarness) -> None:
    absent = harness.notice("chat:1", "1")
    harness.run(absent)
    harness.run(harness.notice("chat:1", "2"))
    held = harness.state()
    assert (held.facts.position, held.facts.present) == ("2", False)
    assert [(one.facts.present, one.upserts) for one in harness.store.applied] == [(False, [])] * 2
    first, second = (one.expected_revision for one in harness.store.applied)
    assert first < second == held.revision - 1


def test_new_text_of_all_items_is_embedded_in_one_call_each_text_once(harness: ReconcilerHarness) -> None:
    for tenant_id in ("acme", "bravo"):
        harness.table.put(harness.item(("user", "the same words"), tenant_id=tenant_id))
    harness.table.put(harness.item(("user", "other words"), key="chat:2"))
    report = harness.run(harness.notice(), harness.notice(tenant_id="bravo"), harness.notice("chat:2"))
    assert [sorted(call) for call in harness.embedder.calls] == [
        ["user: other words", "user: the same words"]
    ]
    assert report.chunks_embedded == 2
    assert harness.texts("acme") == ["user: other words", "user: the same words"]
    assert harness.texts("bravo") == ["user: the same words"]


def test_a_conflict_starts_the_item_again_and_leaves_its_neighbour(harness: ReconcilerHarness) -> None:
    one, two = harness.notice("chat:1", "1"), harness.notice("chat:2", "1")
    harness.table.put(harness.item(("user", "one")))
    harness.table.put(harness.item(("user", "two"), key="chat:2"))
    harness.store.conflicts = [[one.address.key.source]]
    report = harness.run(one, two)
    assert (report.conflicts, report.failures) == (1, {})
    assert harness.table.reads.count(one.address.key.source) == 2
    assert harness.table.reads.count(two.address.key.source) == 1
    assert harness.texts() == ["user: one", "user: two"]


def test_another_workers_commit_between_read_and_apply_is_seen(harness: ReconcilerHarness) -> None:
    notice = harness.notice("chat:1", "1")
    harness.table.put(harness.item(("user", "old")))

    def other_worker() -> None:
        harness.table.on_read = None
        harness.table.put(harness.item(("user", "new")))
        harness.run(harness.notice("chat:1", "2", forget("2")))

    harness.table.on_read = other_worker
    report = harness.run(notice)
    assert report.failures == {}
    assert report.conflicts + len(report.skipped) == 2  # conflict first, then the ledger already reflects it
    assert harness.texts() == ["user: new"]


def test_a_ledger_that_never_stands_still_is_a_conflict_to_retried(harness: ReconcilerHarness) -> None:
    notice = harness.notice("chat:1", "1")
    harness.table.put(harness.item(("user", "one")))
    harness.store.conflicts = [[notice.address.key.source]] * (len(PAUSES_SECONDS) + 1)
    report = harness.run(notice)
    assert isinstance(failure(report, notice), ConflictError)
    assert len(harness.table.reads) == len(PAUSES_SECONDS) + 1


def test_a_malformed_item_fails_alone_and_obeys_its_transitions(harness: ReconcilerHarness) -> None:
    bad, good = harness.notice("chat:1", "1"), harness.notice("chat:2", "1")
    harness.table.put(harness.item(("user", "to be forgotten")))
    harness.run(bad)
    harness.table.put({**harness.item(), "messages": {"S": "[broken"}})
    harness.table.put(harness.item(("user", "good"), key="chat:2"))
    deleted = Transition("2", None, "deleted", "deleted", everything=True)
    report = harness.run(harness.notice("chat:1", "2", deleted), good)
    assert isinstance(failure(report, bad), MalformedItemError)
    assert failure(report, good) is None
    assert harness.texts() == ["user: good"]
    assert report.chunks_deleted == 1


def test_a_text_the_provider_refuses_fails_its_own_item_only(harness: ReconcilerHarness) -> None:
    notices = [harness.notice(f"chat:{number}", "1") for number in range(3)]
    for number, text in enumerate(["first", "poison", "third"]):
        harness.table.put(harness.item(("user", text), key=f"chat:{number}"))
    harness.embedder.refuses, harness.embedder.refused = (
        "poison",
        EmbeddingRejectedError("the provider refused the input (400)"),
    )
    report = harness.run(*notices)
    assert [type(failure(report, notice)) for notice in notices] == [
        type(None),
        EmbeddingRejectedError,
        type(None),
    ]
    assert harness.texts() == ["user: first", "user: poison", "user: third"]  # one by its words only
    [refused] = [hit for hit in harness.hits("poison") if "poison" in hit.content]
    assert (refused.similarity, refused.lexical > 0, refused.metadata["embedded"]) == (0.0, True, False)
    assert report.chunks_embedded == 2


def test_a_refused_text_is_not_asked_for_again(harness: ReconcilerHarness) -> None:
    harness.table.put(harness.item(("user", "poison")))
    harness.embedder.refuses, harness.embedder.refused = "poison", EmbeddingRejectedError("refused")
    harness.run(harness.notice("chat:1", "1"))
    requests = harness.embedder.usage.requests
    assert harness.run(harness.notice("chat:1", "2")).failures == {}
    assert not harness.state().pending
    assert harness.embedder.usage.requests == requests


def test_a_refused_text_does_not_stop_what_needs_no_embedding(harness: ReconcilerHarness) -> None:
    harness.table.put(harness.item(("user", "to be deleted")))
    harness.run(harness.notice("chat:1", "1"))
    del harness.table.items[harness.notice("chat:1").address.key.source]
    harness.table.put(harness.item(("user", "poison"), key="chat:2"))
    harness.embedder.refuses, harness.embedder.refused = "poison", EmbeddingRejectedError("refused")
    report = harness.run(harness.notice("chat:1", "2", forget("2")), harness.notice("chat:2", "1"))
    assert list(report.failures) == [harness.notice("chat:2").address.key.source]
    assert harness.texts() == ["user: poison"]


def test_a_store_that_is_down_is_asked_once(harness: ReconcilerHarness) -> None:
    harness.store.error = StoreUnavailableError("away")
    notices = [harness.notice(tenant_id=tenant_id) for tenant_id in ("acme", "bravo", "carol")]
    report = harness.run(*notices)
    assert all(isinstance(failure(report, notice), StoreUnavailableError) for notice in notices)
    assert (harness.store.reads, harness.table.reads, harness.embedder.usage.requests) == (1, [], 0)


@pytest.mark.parametrize(
    "error",
    [EmbeddingUnavailableError("down"), RuntimeError("canary: a bug in a client")],
    ids=["down", "bug"],
)
def test_while_nothing_can_be_embedded_forgetting_goes_on(
    harness: ReconcilerHarness, error: Exception
) -> None:
    harness.table.put(harness.item(("user", "to be deleted")))
    harness.run(harness.notice("chat:1", "1"))
    del harness.table.items[harness.notice("chat:1").address.key.source]
    harness.table.put(harness.item(("user", "new"), key="chat:2"))
    harness.embedder.error = error
    needy = harness.notice("chat:2", "1")
    report = harness.run(harness.notice("chat:1", "2", forget("2")), needy)
    assert list(report.failures) == [needy.address.key.source]
    assert isinstance(failure(report, needy), EmbeddingUnavailableError) == isinstance(
        error, EmbeddingUnavailableError
    )
    assert "canary" not in str(failure(report, needy))
    assert harness.texts() == ["user: new"]  # by its words


def test_an_item_that_cannot_be_read_fails_alone(harness: ReconcilerHarness) -> None:
    away, good = harness.notice("chat:1", "1"), harness.notice("chat:2", "1")
    harness.table.errors[away.address.key.source] = SourceUnavailableError("throttled")
    harness.table.put(harness.item(("user", "good"), key="chat:2"))
    report = harness.run(away, good)
    assert isinstance(failure(report, away), SourceUnavailableError)
    assert harness.texts() == ["user: good"]


def test_a_bug_met_by_one_item_harms_no_other_and_quotes_nothing(harness: ReconcilerHarness) -> None:
    odd, good = harness.notice("chat:1", "1"), harness.notice("chat:2", "1")
    harness.table.errors[odd.address.key.source] = ValueError("canary")
    harness.table.put(harness.item(("user", "good"), key="chat:2"))
    report = harness.run(odd, good)
    error = failure(report, odd)
    assert error
    assert error.cause == "internal"
    assert "canary" not in str(error)
    assert harness.texts() == ["user: good"]


def test_an_item_that_the_store_refuses_harms_no_other(harness: ReconcilerHarness) -> None:
    notices = [harness.notice(f"chat:{number}", "1") for number in range(3)]
    for number in range(3):
        harness.table.put(harness.item(("user", f"number {number}"), key=f"chat:{number}"))
    harness.store.refuses = notices[1].address.key.source
    report = harness.run(*notices)
    assert list(report.failures) == [notices[1].address.key.source]
    assert harness.texts() == ["user: number 0", "user: number 2"]


def test_a_failure_that_a_second_try_mends_is_none(harness: ReconcilerHarness) -> None:
    notice = harness.notice("chat:1", "1")
    harness.table.put({**harness.item(), "messages": {"S": "[broken"}})
    harness.store.conflicts = [[notice.address.key.source]]
    harness.table.on_read = lambda: (
        harness.table.put(harness.item(("user", "mended"))) if len(harness.table.reads) == 2 else None
    )
    assert harness.run(notice).failures == {}
    assert harness.texts() == ["user: mended"]


def test_the_kept_message_of_an_exchange_outlives_the_forgotten_one(harness: ReconcilerHarness) -> None:
    """The question fell off the front; the answer, in the same chunk, was edited: one stays, the other goes."""
    answer = "answer " * 30
    harness.table.put(harness.item(("user", "question"), ("assistant", answer), ("user", "later")))
    harness.run(harness.notice("chat:1", "1"))
    assert any("question" in text and "answer" in text for text in harness.texts())
    document = harness.reconciler.layouts.parse("sessions", next(iter(harness.table.items.values())))
    assert document
    harness.table.put(harness.item(("user", "later")))
    said, replied, _ = (entry.id for entry in document.entries)
    harness.run(harness.notice("chat:1", "3", forget("2", replied), capped("3", said)))
    assert harness.texts() == ["user: later", "user: question"]
    assert harness.states() == ["kept", "live"]

    embedded = len(harness.embedder.calls)
    harness.run(harness.notice("chat:1", "4"))
    assert harness.texts() == ["user: later", "user: question"]
    assert len(harness.embedder.calls) == embedded
    harness.run(harness.notice("chat:1", "5", forget("2", said)))  # older than the cap
    assert harness.texts() == ["user: later", "user: question"]
    harness.run(harness.notice("chat:1", "6", forget("6", said)))
    assert harness.texts() == ["user: later"]


@pytest.mark.parametrize("unseen", [1, len(PAUSES_SECONDS) + 1])
def test_a_chunk_written_anew_from_its_text_waits_until_the_text_is_seen(
    harness: ReconcilerHarness, unseen: int
) -> None:
    """A store's transaction may be seen by halves: the ledger's row, and not yet the text that stays of an exchange."""
    question, answer = exchange(harness)
    harness.table.put(harness.item())
    harness.store.unseen = unseen
    told = harness.notice("chat:1", "3", forget("2", answer), capped("3", question))
    report = harness.run(told)
    busy = unseen > len(PAUSES_SECONDS)
    assert isinstance(failure(report, told), ConflictError) is busy
    assert report.conflicts == unseen
    harness.run(told)
    assert harness.texts() == ["user: question"]


def test_of_an_exchange_that_left_unexplained_nothing_is_found_and_evidence_brings_it_back_unembedded(
    harness: ReconcilerHarness,
) -> None:
    said, replied = exchange(harness)
    harness.table.put(harness.item())
    harness.run(harness.notice("chat:1"))  # a look; the record is late
    assert (harness.texts(), harness.states()) == ([], ["unexplained", "unexplained"])
    calls = len(harness.embedder.calls)
    harness.run(harness.notice("chat:1", "2", capped("2", said, replied)))
    assert (len(harness.texts()), harness.states()) == (1, ["kept", "kept"])
    assert len(harness.embedder.calls) == calls


def test_a_change_of_user_moves_what_is_there_and_embeds_nothing(harness: ReconcilerHarness) -> None:
    harness.table.put(harness.item(("user", "one"), user_id="mika"))
    harness.run(harness.notice("chat:1", "1"))
    calls = len(harness.embedder.calls)
    harness.table.put(harness.item(("user", "one"), user_id="ken"))
    harness.run(harness.notice("chat:1", "2"))
    found = {
        user: harness.store.search(SearchRequest("acme", user, VECTOR, 9)).hits for user in ("mika", "ken")
    }
    assert {user: len(hits) for user, hits in found.items()} == {"mika": 0, "ken": 1}
    assert len(harness.embedder.calls) == calls


def test_while_the_embedding_api_is_down_forgotten_text_goes_and_new_text_is_found_by_its_words(
    harness: ReconcilerHarness,
) -> None:
    harness.table.put(harness.item(("user", "SECRET"), ("user", "stays")))
    harness.run(harness.notice("chat:1", "1"))
    document = harness.reconciler.layouts.parse("sessions", next(iter(harness.table.items.values())))
    assert document
    harness.table.put(harness.item(("user", "new"), ("user", "stays")))
    notice = harness.notice("chat:1", "2", forget("2", document.entries[0].id))
    harness.embedder.error = EmbeddingUnavailableError("down")
    for _ in range(2):  # again and again, and nothing else comes of it
        assert isinstance(harness.run(notice).failures[notice.address.key.source], EmbeddingUnavailableError)
        assert harness.texts() == ["user: new", "user: stays"]
        assert harness.state().pending
    harness.embedder.error = None
    assert harness.run(notice.without_transitions()).chunks_embedded == 1
    assert harness.texts() == ["user: new", "user: stays"]


def test_a_conflict_while_the_embedding_api_is_down_starts_over_and_forgets(
    harness: ReconcilerHarness,
) -> None:
    harness.table.put(harness.item(("user", "SECRET")))
    harness.run(harness.notice("chat:1", "1"))
    harness.table.put(harness.item(("user", "new")))
    notice = harness.notice("chat:1", "2", forget("2"))
    harness.embedder.error = EmbeddingUnavailableError("down")
    harness.store.conflicts = [[notice.address.key.source]]
    report = harness.run(notice)
    assert isinstance(report.failures[notice.address.key.source], EmbeddingUnavailableError)
    assert (report.reads, report.conflicts) == (2, 1)
    assert report.applied == report.failures.keys()
    assert harness.texts() == ["user: new"]


def exchange(harness: ReconcilerHarness) -> tuple[str, str]:
    """Index an exchange of one chunk; return the ids of its question and its answer."""
    harness.table.put(harness.item(("user", "question"), ("assistant", "answer " * 30)))
    harness.run(harness.notice("chat:1", "1"))
    assert len(harness.texts()) == 1
    document = harness.reconciler.layouts.parse("sessions", next(iter(harness.table.items.values())))
    assert document
    question, answer = document.entries
    return question.id, answer.id


def test_the_rest_of_an_exchange_is_found_by_its_words_until_it_is_embedded(
    harness: ReconcilerHarness,
) -> None:
    """What the item still has, too: it may expire before anything can be embedded again."""
    question, answer = exchange(harness)
    harness.table.put(harness.item(("user", "question")))
    removal = harness.notice("chat:1", "2", forget("2", answer))
    harness.embedder.error = EmbeddingUnavailableError("down")
    for _ in range(2):
        assert isinstance(failure(harness.run(removal), removal), EmbeddingUnavailableError)
        assert harness.texts() == ["user: question"]
    [hit] = harness.store.search(SearchRequest("acme", "acme", [0.0] * 7 + [1.0], 5, terms("question"))).hits
    assert (hit.lexical > 0, hit.similarity) == (True, 0.0)
    del harness.table.items[removal.address.key.source]
    expiry = harness.notice("chat:1", "3", expired("3", question))
    assert failure(harness.run(expiry), expiry)
    assert harness.texts() == ["user: question"]

    harness.embedder.error = None
    assert harness.run(expiry.without_transitions()).chunks_embedded == 1
    assert harness.texts() == ["user: question"]
    assert len(harness.run(expiry).skipped) == 1
    [held] = harness.store.detail("acme", {expiry.address.key.source: None})[expiry.address.key.source].chunks
    assert (held.fingerprint != "", held.status, held.user_id) == (True, "kept", "acme")


def test_a_notice_that_adds_nothing_embeds_what_waits(harness: ReconcilerHarness) -> None:
    question, answer = exchange(harness)
    del harness.table.items[harness.notice("chat:1").address.key.source]
    harness.run(harness.notice("chat:1", "3", expired("3", question)))
    late = harness.notice("chat:1", "2", forget("2", answer))
    harness.embedder.error = EmbeddingUnavailableError("down")
    assert failure(harness.run(late), late)
    assert harness.texts() == ["user: question"]
    harness.embedder.error = None
    assert harness.run(late).chunks_embedded == 1
    assert len(harness.run(late).skipped) == 1
    harness.run(harness.notice("chat:1", "4", forget("4", question)))
    assert harness.texts() == []


def test_a_refused_text_takes_nothing_along_that_stays(harness: ReconcilerHarness) -> None:
    question, answer = exchange(harness)
    harness.table.put(harness.item(("user", "poison")))
    notice = harness.notice("chat:1", "3", forget("2", answer), capped("3", question))
    harness.embedder.refuses, harness.embedder.refused = "poison", EmbeddingRejectedError("refused")
    assert isinstance(failure(harness.run(notice), notice), EmbeddingRejectedError)
    assert harness.texts() == ["user: poison", "user: question"]


def test_the_kept_message_of_an_exchange_stays_while_the_embedding_api_is_down(
    harness: ReconcilerHarness,
) -> None:
    """What is left of a chunk is held by nothing else."""
    harness.table.put(harness.item(("user", "question"), ("assistant", "answer " * 30), ("user", "later")))
    harness.run(harness.notice("chat:1", "1"))
    document = harness.reconciler.layouts.parse("sessions", next(iter(harness.table.items.values())))
    assert document
    harness.table.put(harness.item(("user", "later")))
    said, replied, _ = (entry.id for entry in document.entries)
    notice = harness.notice("chat:1", "3", forget("2", replied), capped("3", said))
    harness.embedder.error = EmbeddingUnavailableError("down")
    assert harness.run(notice).failures
    assert harness.texts() == ["user: later", "user: question"]
    harness.embedder.error = None
    assert harness.run(notice).failures == {}
    assert harness.texts() == ["user: later", "user: question"]


def test_the_ledger_knows_which_version_the_index_reflects(harness: ReconcilerHarness) -> None:
    def until() -> str | None:
        time = harness.store.indexed_until("acme", "mika", "chat:1")
        return time and time.isoformat()

    first = harness.item(("user", "one"), user_id="mika", updated_at="2026-11-22T10:00:00.5Z")
    harness.table.put(first)
    harness.run(harness.notice("chat:1", "1", saved_at=1_700_000_000.0))
    assert until() == "2026-11-22T10:00:00.500000+00:00"
    harness.table.put({**first, "messages": {"S": "{"}, "updated_at": {"S": "2026-11-22T11:00:00Z"}})
    harness.run(harness.notice("chat:1", "2", saved_at=1_800_000_000.0))
    assert until() == "2026-11-22T10:00:00.500000+00:00"


def test_a_text_that_is_refused_does_not_count_as_indexed(harness: ReconcilerHarness) -> None:
    harness.embedder.refuses, harness.embedder.refused = "bad", EmbeddingRejectedError("too long")
    harness.table.put(harness.item(("user", "bad"), updated_at="2026-11-22T10:00:00Z"))
    harness.run(harness.notice("chat:1", "1"))
    assert harness.store.applied
    assert harness.store.indexed_until("acme", "acme", "chat:1") is None


def test_the_ledger_is_read_before_the_item(
    layouts: Layouts, chunker: Chunker, embedder: Any, store: InMemoryStore, notice_of: Callable[..., Notice]
) -> None:
    """Else a change between the two reads would be taken for one that the item had shown."""
    order: list[str] = []

    class Explained(InMemoryStore):
        def read(self, tenant_id: str, named: Any) -> Any:
            order.append("ledger")
            return super().read(tenant_id, named)

    class Source:
        def get(self, key: Any) -> Any:  # noqa: ARG002
            order.append("item")

    notice = notice_of("chat:1", "p1")
    Reconciler(layouts, Source(), chunker, embedder, Explained(store.space), lambda _: None).run(
        {notice.address.key.source: notice}
    )
    assert order == ["ledger", "item"]
