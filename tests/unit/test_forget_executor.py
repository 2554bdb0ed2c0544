"""Carrying out a request to forget: marked, then every item that it may cover reconciled under the marker."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.errors import (
    BusyError,
    EmbeddingUnavailableError,
    QueueUnavailableError,
    RetryableError,
    SourceUnavailableError,
)
from pipeline.ingest.forget_executor import ITEMS_AT_ONCE, ForgetExecutor
from pipeline.ingest.notices import Notice
from pipeline.ingest.reconcile import Reconciler
from pipeline.source.transitions import Transition, TransitionReader
from pipeline.stores.forget_requests import ForgetRequest
from pipeline.stores.search_requests import SearchRequest

START = 1_000_000.0


class Queue:
    """Takes notices, or refuses them."""

    def __init__(self) -> None:
        self.sent: list[Notice] = []
        self.away = False

    def send(self, notices: Sequence[Notice]) -> frozenset[str]:
        if self.away:
            return frozenset(notice.address.key.source for notice in notices)
        self.sent += notices
        return frozenset()


class World:
    """Sessions of one tenant that are ingested as they are saved, on a clock of their own."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        names = ("layouts", "table", "chunker", "embedder", "store", "session_item", "notice_of")
        got: Any = [request.getfixturevalue(name) for name in names]
        self.layouts, self.table, self.chunker, self.embedder, self.store, self.item, self.notice = got
        self.time, self.number, self.queue = START, 0, Queue()
        queue: Any = self.queue
        self.worker = Reconciler(
            self.layouts, self.table, self.chunker, self.embedder, self.store, lambda _: None, now=self.now
        )
        self.forgetter = ForgetExecutor(self.store, self.worker, self.layouts, queue)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time, UTC)

    def save(self, key: str, *texts: str, user: str = "mika", ingest: bool = True) -> Notice:
        """Save a session of these messages, ``a:`` before a reply; return the notice of it."""
        self.time, self.number = self.time + 60.0, self.number + 1
        address = self.notice(key).address
        old = self.table.items.get(address.key.source)
        said = [("assistant", text[2:]) if text.startswith("a:") else ("user", text) for text in texts]
        new = self.item(*said, key=key, user_id=user)
        self.table.put(new)
        images = [self.layouts.parse("sessions", image) if image else None for image in (old, new)]
        position = str(self.number).zfill(4)
        transition = TransitionReader("keep", "keep").rewrite(
            *images, inserted=old is None, at=float(int(self.time)), position=position
        )
        owners = [document and self.layouts.owner("acme", document.user_id) for document in images]
        told = replace(transition, owner_before=owners[0], owner_after=owners[1])
        notice = self.notice(key, position, told)
        if ingest:
            self.run(notice)
        return notice  # type: ignore[no-any-return]

    def run(self, notice: Notice) -> None:
        self.time += 1.0
        assert not self.worker.run({notice.address.key.source: notice}).failures

    def request(self, user: str | None = "mika", session: str | None = None, id_: str = "r") -> ForgetRequest:
        """Return a request that is made now."""
        self.time += 60.0
        until = datetime.fromtimestamp(int(self.time) + 1, UTC)
        self.time += 2.0
        return ForgetRequest(id_, "acme", until, user, session)

    def forget(self, *whom: str | None, **more: Any) -> int:
        return self.forgetter.carry_out(self.request(*whom, **more)).deleted

    def found(self, user: str = "mika") -> list[str]:
        hits = self.store.search(SearchRequest("acme", user, [1.0] * 8, 100)).hits
        return sorted(hit.content.partition(": ")[2] for hit in hits)

    @property
    def stored(self) -> str:
        """Every text that the index holds, whoever it belongs to."""
        return "\n".join(row.chunk.text for row in self.store._rows.values())


@pytest.fixture
def world(request: pytest.FixtureRequest) -> World:
    return World(request)


def test_a_users_request_erases_all_of_the_users_items_and_nobody_elses(world: World) -> None:
    world.save("chat:1", "one", "two")
    world.save("chat:2", "three")
    world.save("chat:3", "of ken", user="ken")
    assert world.forget("mika") == 3
    assert (world.found(), world.found("ken")) == ([], ["of ken"])
    assert "one" not in world.stored


def test_a_sessions_request_erases_that_session_whoever_owns_it(world: World) -> None:
    world.save("chat:1", "one")
    world.save("chat:2", "two")
    assert world.forget(None, "chat:1") == 1
    assert world.found() == ["two"]


def test_a_users_request_about_one_session_leaves_the_same_session_of_another_alone(world: World) -> None:
    world.save("chat:1", "one", user="ken")
    assert world.forget("mika", "chat:1") == 0
    assert world.found("ken") == ["one"]


def test_a_forgotten_message_stays_forgotten_however_often_its_item_is_reconciled(world: World) -> None:
    notice = world.save("chat:1", "one")
    world.forget("mika")
    world.run(replace(notice, force_read=True))
    world.save("chat:1", "one", "two")
    assert world.found() == ["two"]


def test_a_request_that_is_carried_out_late_touches_nothing_that_was_saved_at_t_or_later(
    world: World,
) -> None:
    world.save("chat:1", "before")
    late = world.request("mika")
    world.time = late.asked_at.timestamp() - 60.0  # so that the next save is at T itself
    world.save("chat:1", "before", "after")
    world.time += 86_400.0
    assert world.forgetter.carry_out(late).deleted == 1
    assert world.found() == ["after"]


def test_a_kept_message_is_erased_by_a_forget_request(world: World) -> None:
    world.save("chat:1", "one", "two")
    world.save("chat:1", "two")
    assert world.found() == ["one", "two"]
    assert world.forget("mika") == 2
    assert (world.found(), world.stored) == ([], "")


def test_a_message_saved_before_t_and_met_after_it_is_never_found(world: World) -> None:
    world.save("chat:1", "one")
    late = world.save("chat:1", "one", "SECRET", ingest=False)
    world.forget("mika")
    world.run(late)
    assert (world.found(), "SECRET" in world.stored) == ([], False)


def test_a_former_owners_request_finds_the_item_and_erases_what_it_was_at_t(world: World) -> None:
    world.save("chat:1", "one")
    request = world.request("mika")
    world.time += 3_600.0
    world.save("chat:1", "one", "of ken", user="ken")
    assert world.forgetter.carry_out(request).deleted == 1
    assert world.found("ken") == ["of ken"]


def test_a_request_that_comes_twice_is_carried_out_once_and_gets_its_first_answer(world: World) -> None:
    world.save("chat:1", "one")
    request = world.request("mika")
    first = world.forgetter.carry_out(request)
    epoch = world.store.read("acme", {"x": frozenset()})["x"].epoch
    assert world.forgetter.carry_out(request) == first
    assert world.store.read("acme", {"x": frozenset()})["x"].epoch == epoch


def test_more_items_than_are_taken_at_once_are_all_erased(world: World) -> None:
    for number in range(ITEMS_AT_ONCE + 3):
        world.save(f"chat:{number}", f"text {number}")
    assert world.forget("mika") == ITEMS_AT_ONCE + 3
    assert world.found() == []


@pytest.mark.parametrize("error", [SourceUnavailableError("throttled"), ValueError("a bug")])
def test_an_item_that_cannot_be_read_now_keeps_the_request_open_until_it_is_erased(
    world: World, error: Exception
) -> None:
    notice = world.save("chat:1", "one")
    request = world.request("mika")
    world.table.errors[notice.address.key.source] = error
    expected: type[RetryableError] = type(error) if isinstance(error, RetryableError) else BusyError
    with pytest.raises(expected):
        world.forgetter.carry_out(request)
    assert world.store.forgotten("acme", "r") is None
    world.table.errors.clear()
    assert world.forgetter.carry_out(request).deleted == 1
    assert world.found() == []


def test_an_item_that_cannot_be_understood_is_erased_all_the_same(world: World) -> None:
    notice = world.save("chat:1", "one")
    source = notice.address.key.source
    world.table.items[source] = {**world.table.items[source], "messages": {"S": "[broken"}}
    assert world.forget("mika") == 1
    assert (world.found(), world.stored) == ([], "")


def exchange(world: World) -> ForgetRequest:
    """Save a message before T and one after it that share a chunk; return the request."""
    world.save("chat:1", "SECRET")
    request = world.request("mika")
    world.save("chat:1", "SECRET", "a:" + "later " * 20)
    assert len(world.store._rows) == 1
    return request


def test_while_the_embedding_api_is_away_forgetting_is_done_and_the_rest_is_embedded_later(
    world: World,
) -> None:
    request = exchange(world)
    world.embedder.error = EmbeddingUnavailableError("down")
    assert world.forgetter.carry_out(request).deleted == 1
    assert "SECRET" not in world.stored
    [text] = world.found()
    assert text.startswith("later")
    [notice] = world.queue.sent
    source = notice.address.key.source
    assert world.store.read("acme", {source: frozenset()})[source].pending
    world.embedder.error = None
    world.run(notice)
    assert not world.store.read("acme", {source: frozenset()})[source].pending


def test_if_the_queue_does_not_take_what_is_left_the_request_comes_again(world: World) -> None:
    request = exchange(world)
    world.embedder.error, world.queue.away = EmbeddingUnavailableError("down"), True
    with pytest.raises(QueueUnavailableError):
        world.forgetter.carry_out(request)
    assert (world.store.forgotten("acme", "r"), "SECRET" in world.stored) == (None, False)
    world.queue.away = False
    world.forgetter.carry_out(request)
    assert world.store.forgotten("acme", "r")
    assert len(world.queue.sent) == 1


@pytest.mark.parametrize(
    ("log", "summary"),
    [("memory:daily:2026-11-21", "memory:summary:2026-11-21"), ("DAILY#2026-11-21", "SUMMARY#2026-11-21")],
)
@pytest.mark.parametrize("user", ["mika", None])
def test_the_summary_of_a_day_goes_with_its_log(
    world: World, monkeypatch: pytest.MonkeyPatch, log: str, summary: str, user: str | None
) -> None:
    marked: list[tuple[str | None, str | None]] = []
    mark: Callable[[ForgetRequest], int] = world.store.mark

    def watched(request: ForgetRequest) -> int:
        marked.append((request.user_id, request.session_key))
        return mark(request)

    monkeypatch.setattr(world.store, "mark", watched)
    world.forget(user, log)
    assert {(user, log), (user, summary)} <= set(marked)


def test_the_marker_stands_before_anything_is_erased(world: World) -> None:
    """A worker that read before it conflicts, starts over, and sees it."""
    notice = world.save("chat:1", "one")
    notice = replace(notice, force_read=True)
    world.table.on_read = lambda: _once(world)
    world.run(notice)
    assert world.found() == []


def _once(world: World) -> None:
    world.table.on_read = None
    world.forget("mika")


def test_a_transition_of_the_past_brings_nothing_back(world: World) -> None:
    world.save("chat:1", "one", "two")
    capped: Notice = world.save("chat:1", "two", ingest=False)
    world.forget("mika")
    world.run(capped)
    assert isinstance(capped.transitions[0], Transition)
    assert (world.found(), world.stored) == ([], "")
