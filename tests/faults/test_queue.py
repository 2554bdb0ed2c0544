"""The simulated queue keeps SQS's documented promises, and no more."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab.fault_profile import ScriptedFaults
from lab.queue import Message, Queue, QueueClient, as_event
from lab.scheduler import FaultAction, Scheduler

SOURCE = random.Random(1)  # a simulation


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def dead(clock: Clock) -> Queue:
    return Queue("dead", clock, max_receives=0)


@pytest.fixture
def queue(clock: Clock, dead: Queue) -> Queue:
    return Queue("notices", clock, visibility_seconds=360, max_receives=5, dead_letters=dead)


def bodies(messages: list[Message]) -> list[str]:
    return sorted(message.body for message in messages)


def test_a_received_message_is_hidden_until_its_visibility_expires(queue: Queue, clock: Clock) -> None:
    queue.send("a")
    [first] = queue.receive(10, SOURCE)
    clock.now = 359
    assert queue.receive(10, SOURCE) == []
    clock.now = 360
    [again] = queue.receive(10, SOURCE)
    assert again is first
    assert again.received == 2


def test_a_deleted_message_is_gone_unless_it_has_a_ghost(queue: Queue) -> None:
    message = queue.send("a")
    message.ghosts = 1
    queue.receive(10, SOURCE)
    queue.delete(message)
    assert queue.receive(10, SOURCE) == [message]
    queue.delete(message)
    assert queue.messages == []


def test_a_delayed_message_comes_late(queue: Queue, clock: Clock) -> None:
    queue.send("late", delay_seconds=30)
    assert queue.receive(10, SOURCE) == []
    assert queue.next_at() == 30
    clock.now = 30
    assert bodies(queue.receive(10, SOURCE)) == ["late"]


def test_order_is_not_kept(queue: Queue) -> None:
    for body in "abcdefgh":
        queue.send(body)
    assert "".join(message.body for message in queue.receive(8, SOURCE)) != "abcdefgh"


def test_the_sixth_receive_goes_to_the_dead_letters(queue: Queue, dead: Queue, clock: Clock) -> None:
    queue.send("poison", {"cause": "x"})
    for _ in range(5):
        assert len(queue.receive(10, SOURCE)) == 1
        clock.now += 360
    assert queue.receive(10, SOURCE) == []
    assert bodies(dead.messages) == ["poison"]
    assert queue.messages == []


def test_the_event_is_lambdas(queue: Queue) -> None:
    queue.send("body")
    [record] = as_event(queue.receive(10, SOURCE))["Records"]
    assert record["messageId"] == "msg-1"
    assert record["body"] == "body"
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["eventSource"] == "aws:sqs"


def call(scheduler: Scheduler, work: Any) -> Any:
    task = scheduler.start("caller", None, work)
    while not task.done:
        scheduler.resume(task)
    if task.fault:
        raise task.fault
    return task.answer


def entries(*ids: str, **fields: Any) -> list[dict[str, Any]]:
    return [{"Id": id_, "MessageBody": id_, **fields} for id_ in ids]


def client_with(queue: Queue, fault_action: FaultAction) -> tuple[Scheduler, QueueClient]:
    scheduler = Scheduler(ScriptedFaults({1: fault_action}))
    return scheduler, QueueClient({"notices": queue}, scheduler)


def test_a_batch_may_be_taken_in_part(queue: Queue) -> None:
    scheduler, client = client_with(queue, FaultAction.FAIL_IN_PART)
    answer = call(
        scheduler, lambda: client.send_message_batch(QueueUrl="notices", Entries=entries("a", "b", "c"))
    )
    taken, failed = ({entry["Id"] for entry in answer[key]} for key in ("Successful", "Failed"))
    assert len(failed) == 1
    assert taken | failed == {"a", "b", "c"}
    assert set(bodies(queue.messages)) == taken


@pytest.mark.parametrize(
    ("fault_action", "arrived"), [(FaultAction.FAIL_BEFORE, 0), (FaultAction.FAIL_AFTER, 2)]
)
def test_a_refused_batch_may_have_arrived_all_the_same(
    queue: Queue, fault_action: FaultAction, arrived: int
) -> None:
    scheduler, client = client_with(queue, fault_action)
    with pytest.raises(ClientError):
        call(scheduler, lambda: client.send_message_batch(QueueUrl="notices", Entries=entries("a", "b")))
    assert len(queue.messages) == arrived


def refused() -> Iterator[list[dict[str, Any]]]:
    yield []
    yield entries(*map(str, range(11)))
    yield entries("a", "a")
    yield entries("a", DelaySeconds=901)
    yield [{"Id": "a", "MessageBody": "x" * 1_048_577}]


@pytest.mark.parametrize("batch", list(refused()), ids=["none", "eleven", "twins", "late", "large"])
def test_the_queue_refuses_as_sqs_does(queue: Queue, batch: list[dict[str, Any]]) -> None:
    scheduler, client = client_with(queue, FaultAction.GO)
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        call(scheduler, lambda: client.send_message_batch(QueueUrl="notices", Entries=batch))
    assert queue.messages == []
