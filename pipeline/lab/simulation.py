"""One run: a history, the streams, the queue and the workers, driven in virtual time until everything is at rest."""

import json
import random
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.handlers import ingest, stream
from pipeline.ingest.notices import Notice, encode
from pipeline.lab.histories import KEY_NAMES, MEMORY, SESSIONS, History, Write, writes
from pipeline.lab.index import Database
from pipeline.lab.oracle import ItemId, Judgement, Oracle
from pipeline.lab.queue import Message, Queue, QueueClient, as_event
from pipeline.lab.scheduler import Crashed, Scheduler, Task
from pipeline.lab.stream_mapping import Limits, Reader, StreamMapping
from pipeline.lab.table import Table
from pipeline.lab.weather import RandomFaults
from pipeline.lab.workers import DEAD_LETTER_QUEUE_URL, QUEUE_URL, Worker, World, lab_settings
from pipeline.settings import DEFAULT_ATTRIBUTE_NAMES
from pipeline.source.documents import EntryHasher
from pipeline.source.layouts import Layouts

MAX_STEPS = 20_000
_LAYOUTS = Layouts(DEFAULT_ATTRIBUTE_NAMES, EntryHasher(b""))
SHELTER_AT_RECEIVES = 3
"""A message received so often meets no more faults: bad luck alone must not bury it."""


@dataclass(slots=True)
class Outcome:
    """What came of a run.

    Args:
        stuck: it never came to rest.
    """

    judgement: Judgement
    unplanned_dlq: list[str]
    counts: Counter[str]
    trace: list[str] = field(repr=False)
    effects: int = 0
    stuck: bool = False

    def findings(self) -> dict[str, list[str]]:
        """Return everything that is wrong."""
        found = self.judgement.findings()
        if self.unplanned_dlq:
            found["unplanned_dlq"] = self.unplanned_dlq
        if self.stuck:
            found["stuck"] = ["the run never came to rest"]
        return found


@dataclass(frozen=True, slots=True)
class Shape:
    """How much runs at once.

    Args:
        workers: ingest invocations at a time.
        max_batch: most stream records and queue messages an invocation gets; each draws its own size.
        late: streams begin after the last write, and ingest when they have been read.
    """

    workers: int = 3
    max_batch: int = 10
    late: bool = False


class Simulation:
    """See the module.

    Args:
        lend: gives the worker of a name, with a connection that outlives the run.
        source: decides who runs next, and every other detail.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # everything a run hangs on
        self,
        history: History,
        database: Database,
        lend: Callable[[str], Worker],
        faults: RandomFaults,
        source: random.Random,
        shape: Shape,
        oracle: Oracle,
    ) -> None:
        self._database, self._lend, self._faults, self._random = database, lend, faults, source
        self._shape, self._oracle = shape, oracle
        self.scheduler = Scheduler(faults)
        self._dead = Queue(DEAD_LETTER_QUEUE_URL, self._now, max_receives=0)
        self.queue = Queue(QUEUE_URL, self._now, dead_letters=self._dead)
        self.tables = {name: self._table(name) for name in (SESSIONS, MEMORY)}
        self._mappings = [
            StreamMapping(table, Limits(backoff_seconds=0.5), self._now) for table in self.tables.values()
        ]
        self._world = World(
            self.scheduler,
            lab_settings(history.on_clear, history.on_expiry),
            self.tables,
            QueueClient({QUEUE_URL: self.queue, DEAD_LETTER_QUEUE_URL: self._dead}, self.scheduler),
            self._hear,
            source,
        )
        self._writes = deque(writes(history))
        self._write_at = self._next_write_at()
        self._places = sorted({(place.table, place.tenant, place.key) for place in history.places})
        self._entered: set[str] = set()
        self._finish: dict[Task, Callable[[Task], None]] = {}
        self._holding: dict[Task, list[Message]] = {}

    def run(self) -> Outcome:
        """Run to rest, then judge."""
        stuck = False
        try:
            stuck = not self._until_rest()
        finally:
            self.scheduler.abandon()
        dead = [message.body for message in self._dead.messages]
        discarded = [json.dumps(lost) for mapping in self._mappings for lost in mapping.discarded]
        counts = self._world.counts
        judgement = self._oracle.judge(self._database.rows())
        return Outcome(
            judgement, dead + discarded, counts, self.scheduler.trace, self.scheduler.effects, stuck
        )

    def _until_rest(self) -> bool:
        for _ in range(MAX_STEPS):
            moves = self._moves()
            if moves:
                self._random.choice(moves)()
            elif not self._advance():
                return True
        return False

    def _moves(self) -> list[Callable[[], None]]:
        """Return everything that can happen now."""
        now = self._now()
        moves: list[Callable[[], None]] = [
            lambda task=task: self._resume(task)  # type: ignore[misc]  # mypy cannot type a default
            for task in self.scheduler.tasks
            if task.wake_at <= now
        ]
        if self._writes and self._write_at <= now:
            moves.append(self._write)
        for mapping in () if self._shape.late and self._writes else self._mappings:
            moves += [
                lambda mapping=mapping, reader=reader: self._deliver(mapping, reader)  # type: ignore[misc]  # the same
                for reader in mapping.ready()
            ]
        if self._may_poll() and self.queue.visible():
            moves.append(self._poll)
        return moves

    def _may_poll(self) -> bool:
        waits = self._shape.late and (self._writes or any(mapping.busy for mapping in self._mappings))
        return len(self._holding) < self._shape.workers and not waits

    def _advance(self) -> bool:
        """Move the clock to the next thing that can happen; tell whether there is one."""
        moments: list[float | None] = [task.wake_at for task in self.scheduler.tasks]
        moments += [mapping.next_at() for mapping in self._mappings]
        if self._writes:
            moments.append(self._write_at)
        if self._may_poll():
            moments.append(self.queue.next_at())
        known = [moment for moment in moments if moment is not None]
        if not known:
            return False
        self.scheduler.now = max(self.scheduler.now, min(known))
        return True

    def _write(self) -> None:
        self._may_audit()
        write = self._writes.popleft()
        self._write_at = self._next_write_at()
        self._put(write)
        if not self._writes:
            self._faults_may_clear()
        self._look_for_rest()

    def _put(self, write: Write) -> None:
        table, gap = self.tables[write.place.table], self._random.choice((1, 1, 7, 10**6))
        key = {name: value for name, value in write.place.item({}).items() if name in KEY_NAMES}
        if self._faults.happens(self._faults.weather.split):
            table.split(table.shard_of(key))
        if write.item is not None:
            table.put(write.item, gap)
        else:
            (table.expire if write.cause == "expire" else table.delete)(key, gap)
        self._oracle.wrote((table.name, write.place.tenant, write.place.key), write.item, write.cause)
        self.scheduler.note(f"app {write.cause} {write.place.tenant}/{write.place.key} {_short(write.item)}")

    def _faults_may_clear(self) -> None:
        """After the last write the weather clears one time in four; else it clears by the shelter of each message."""
        if self._random.random() < 0.25:  # noqa: PLR2004
            self._faults.clear()

    def _deliver(self, mapping: StreamMapping, reader: Reader) -> None:
        batch = mapping.take(reader, self._random.randint(1, self._shape.max_batch))
        if batch is None:
            return
        name = f"stream:{mapping.table.name}:{reader.shard.id}"
        event = {"Records": list(batch.records)}
        sheltered = batch.attempts >= mapping.limits.retry_attempts // 2
        task = self._invoke(name, stream.handler, event, sheltered=sheltered)
        self._finish[task] = lambda done: self._delivered(mapping, reader, done)

    def _delivered(self, mapping: StreamMapping, reader: Reader, task: Task) -> None:
        mapping.settle(reader, task.answer, failed=task.fault is not None)
        if self._faults.happens(self._faults.weather.rewind):
            mapping.rewind(reader, self._random.randint(1, 12))
            self.scheduler.note(f"{task.name} is rewound")

    def _poll(self) -> None:
        messages = self.queue.receive(self._random.randint(1, self._shape.max_batch), self._random)
        if not messages:
            return
        for message in messages:
            self._disturb(message)
        busy = {task.name for task in self._holding}
        name = next(name for name in (f"ingest:{n}" for n in range(self._shape.workers)) if name not in busy)
        sheltered = any(message.received >= SHELTER_AT_RECEIVES for message in messages)
        task = self._invoke(name, ingest.handler, as_event(messages), sheltered=sheltered)
        self._holding[task] = messages
        self._finish[task] = lambda done: self._ingested(messages, done)

    def _disturb(self, message: Message) -> None:
        """Let the queue show a message that is held, or bring it back after its deletion."""
        if message.received < SHELTER_AT_RECEIVES and self._faults.happens(self._faults.weather.duplicate):
            if self._random.random() < 0.5:  # noqa: PLR2004
                message.visible_at = self._now()
            elif not message.ghosts:
                message.ghosts = 1

    def _ingested(self, messages: Sequence[Message], task: Task) -> None:
        failed = {failure["itemIdentifier"] for failure in (task.answer or {}).get("batchItemFailures", [])}
        if task.fault is None:
            for message in messages:
                if message.id not in failed:
                    self.queue.delete(message)

    def _invoke(self, name: str, handler: Callable[[Any, Any], Any], event: Any, *, sheltered: bool) -> Task:  # noqa: ANN401  # Lambda's free-form JSON
        worker = self._lend(name)
        if name not in self._entered:
            self._entered.add(name)
            worker.enter(self._world)
        self.scheduler.note(f"{name} begins with {len(event['Records'])}")
        self._world.counts["invocations"] += 1
        return self.scheduler.start(name, worker, lambda: worker.invoke(handler, event), sheltered=sheltered)

    def _hear(self, text: str) -> None:
        self._world.counts["embedded_again"] += self._database.holds(text)

    def _resume(self, task: Task) -> None:
        self.scheduler.resume(task)
        if not task.done:
            return
        if isinstance(task.fault, Crashed):
            task.worker.crash()
            self._world.counts["crashes"] += 1
        elif task.fault is not None:
            self.scheduler.note(f"{task.name} raised {task.fault!r}")
        self._finish.pop(task)(task)
        self._holding.pop(task, None)
        self._may_audit()
        self._look_for_rest()

    def _may_audit(self) -> None:
        if self._faults.happens(self._faults.weather.audit):
            table, tenant, key = self._random.choice(self._places)
            address = _LAYOUTS.address(table, dict(zip(KEY_NAMES, ({"S": tenant}, {"S": key}), strict=True)))
            if address is not None:
                self.scheduler.note(f"audit of {tenant}/{key}")
                self.queue.send(encode(Notice(address, first_sent_at=self._now())))

    def _look_for_rest(self) -> None:
        """Tell the oracle of every item that no notice is under way for."""
        busy = set(self._under_way())
        for place in self._places:
            if place not in busy:
                self._oracle.rests(place)

    def _under_way(self) -> Iterator[ItemId]:
        for mapping in self._mappings:
            for record in mapping.outstanding():
                yield (mapping.table.name, *_key(record["dynamodb"]["Keys"]))
        held: Iterable[Message] = (message for messages in self._holding.values() for message in messages)
        for message in (*self.queue.messages, *held):
            yield _named(message.body)

    def _next_write_at(self) -> float:
        return self.scheduler.now + (self._writes[0].gap_seconds if self._writes else 0.0)

    def _table(self, name: str) -> Table:
        digits = self._random.randint(20, 39)
        first = 10**digits - self._random.choice((1, 3, 10**6, 10 ** (digits - 1)))
        return Table(name, KEY_NAMES, self._now, first)

    def _now(self) -> float:
        return self.scheduler.now


def _key(key: Any) -> tuple[str, str]:  # noqa: ANN401  # DynamoDB's JSON
    return key[KEY_NAMES[0]]["S"], key[KEY_NAMES[1]]["S"]


def _named(body: str) -> ItemId:
    """Return the item a queue message names; the notice's form is what its own docstring says."""
    notice = json.loads(body)
    return (str(notice["table"]), *_key(notice["key"]))


def _short(item: Any) -> str:  # noqa: ANN401  # DynamoDB's JSON
    if item is None:
        return "gone"
    text = item.get("messages", item.get("content"))["S"]
    return " ".join(re.findall(r"\bm\d+x\b", text))
