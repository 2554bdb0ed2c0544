"""One run: a history, the streams, the queue and the workers, driven in virtual time until everything is at rest."""

import itertools
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from lab.fault_profile import RandomFaults
from lab.histories import KEY_NAMES, MEMORY, SESSIONS, History
from lab.index import Database
from lab.ledger_index import LedgerIndex
from lab.operators import carry_out, look_after
from lab.oracle import ItemId, Judgement, Oracle, Row
from lab.queue import Message, Queue, QueueClient, as_event
from lab.scheduler import Crashed, Scheduler, Task
from lab.stream_mapping import Limits, Reader, StreamMapping
from lab.table import Table
from lab.workers import DEAD_LETTER_QUEUE_URL, QUEUE_URL, Worker, World, lab_settings
from lab.workload import Forgetting, Workload, Write
from pipeline.errors import EmbeddingRejectedError, MalformedItemError
from pipeline.handlers import ingest, stream
from pipeline.ingest.forget_messages import next_second
from pipeline.ingest.notices import Notice
from pipeline.settings import DEFAULT_ATTRIBUTE_NAMES
from pipeline.source.documents import EntryHasher
from pipeline.source.layouts import Layouts
from pipeline.stores.forget_requests import ForgetRequest

MAX_STEPS = 20_000
AFTERMATH = 0.25
"""How many runs are looked after when they are over."""

TICK_SECONDS = 0.002
"""What passes between two deeds at least."""
LATE_SECONDS = (0.0, 0.0, 0.0, 30.0, 3_000.0, 20_000.0)
"""After how long a request to forget is carried out."""
REPEATED = 0.2
"""How many requests to forget are carried out twice."""
_LOST = {"INSERT": "inserted", "MODIFY": "modified", "REMOVE": "removed"}

_LAYOUTS = Layouts(DEFAULT_ATTRIBUTE_NAMES, EntryHasher(b""))
EXEMPT_AT_RECEIVES = 3
"""A message received so often meets no more faults: bad luck alone must not dead-letter it."""


@dataclass(slots=True)
class Outcome:
    """What came of a run.

    Args:
        stuck: it never came to rest.
        unrest: what came of audit, redrive and replay, when nothing should.
    """

    judgement: Judgement
    unplanned_dlq: list[str]
    counts: Counter[str]
    trace: list[str] = field(repr=False)
    effects: int = 0
    stuck: bool = False
    unrest: list[str] = field(default_factory=list)

    def findings(self) -> dict[str, list[str]]:
        """Return everything that is wrong."""
        found = self.judgement.findings()
        if self.unplanned_dlq:
            found["unplanned_dlq"] = self.unplanned_dlq
        if self.unrest:
            found["unrest"] = self.unrest
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
        looked_after: operators look after it when it is over; left out, chance decides.
    """

    workers: int = 3
    max_batch: int = 10
    late: bool = False
    looked_after: bool | None = None


class Simulation:
    """See the module.

    Args:
        lend: gives the worker of a name, with a connection that outlives the run.
        source: decides who runs next, and every other detail.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # everything a run hangs on
        self,
        history: History,
        database: Database | LedgerIndex,
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
        self._client = QueueClient({QUEUE_URL: self.queue, DEAD_LETTER_QUEUE_URL: self._dead}, self.scheduler)
        self._world = World(
            self.scheduler,
            lab_settings(history.on_clear, history.on_expiry),
            self.tables,
            self._client,
            self._hear,
            source,
        )
        self._play = Workload(history, self._wall_clock)
        self._act_at = self.scheduler.now + self._play.gap_seconds
        self._places = sorted({(place.table, place.tenant, place.key) for place in history.places})
        self._entered: set[str] = set()
        self._unrest: list[str] = []
        self._forget_requests: dict[Task, ForgetRequest] = {}
        self._requests: list[ForgetRequest] = []
        self._owners: dict[ItemId, Any] = {}
        self._loss, self._lossy = history.loss, False
        self._spoilt: set[ItemId] = set()
        self._finish: dict[Task, Callable[[Task], None]] = {}
        self._holding: dict[Task, list[Message]] = {}

    def run(self) -> Outcome:
        """Run to rest, then judge; perhaps have everything done once more, and judge again."""
        judgement = Judgement()
        try:
            stuck = not self._until_rest() or (self._lossy and not self._mended())
            if not stuck:
                judgement = self._judged()
            chance = self._random.random() < AFTERMATH
            if not stuck and (chance if self._shape.looked_after is None else self._shape.looked_after):
                stuck, judgement = self._aftermath(judgement)
        finally:
            self.scheduler.abandon()
        dead = [message.body for message in self._dead.messages if not self._planned(message)]
        discarded = [json.dumps(lost) for mapping in self._mappings for lost in mapping.discarded]
        told = {_named(message.body) for message in self._dead.messages}
        if not self._lossy:  # whoever never heard of it cannot tell
            silent = self._oracle.unreadable() - told
            judgement.missing += [f"a dead letter about {place}" for place in sorted(silent)]
        return Outcome(
            judgement,
            dead + discarded,
            self._world.counts,
            self.scheduler.trace,
            self.scheduler.effects,
            stuck,
            self._unrest,
        )

    def _judged(self) -> Judgement:
        judgement = self._oracle.judge(self._database.rows())
        judgement.stale += self._database.waiting()
        return judgement

    def _mended(self) -> bool:
        """Have an audit find what was lost, and mended; tell whether all came to rest."""
        self.scheduler.note("everything is at rest; an audit looks for what was lost")
        self._look_after()
        rested = self._until_rest()
        self._unrest.clear()  # that it found something is what it is for
        return rested

    def _aftermath(self, before: Judgement) -> tuple[bool, Judgement]:
        """Have everything looked after, and all that was ever done for it done again; nothing may change.

        Returns:
            whether it is stuck, and what was found at last.
        """
        found, embedded = self._found(), self._world.counts["embedded_texts"]
        self.scheduler.note("everything is at rest; operators look after it, and everything is done again")
        for mapping in self._mappings:
            mapping.replay()
        for body in self._random.sample(list(self.queue.sent), len(self.queue.sent)):
            self.queue.send(body)
        for request in self._requests:
            self._carry_out(request)
        self._look_after()
        rested = self._until_rest()
        if self._world.counts["embedded_texts"] > embedded:
            self._unrest.append("something was embedded again")
        if self._found() != found:
            self._unrest.append("what is found is not what was found before")
        after = self._judged()
        return not rested, before if before.findings() else after

    def _found(self) -> list[Row]:
        return [row for row in self._database.rows() if row.user]

    def _look_after(self) -> None:
        def done(task: Task) -> None:
            if isinstance(task.fault, Crashed):
                self._look_after()
            else:
                self._unrest += task.answer if task.fault is None else [repr(task.fault)]

        task = self._start(
            self._idle_operator(),
            lambda: look_after(self.tables, self._database.inventory, self._client),
            fault_exempt=True,
        )
        self._finish[task] = done

    def _planned(self, letter: Message) -> bool:
        """Tell whether a dead letter is what must come of an item that could not be read."""
        cause = letter.attributes.get("cause", {}).get("StringValue")
        if cause == EmbeddingRejectedError.cause:
            return self._world.counts["refused"] > 0
        return cause == MalformedItemError.cause and _named(letter.body) in self._spoilt

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
        if not self._play.over and self._act_at <= now:
            moves.append(self._act)
        for mapping in () if self._shape.late and not self._play.over else self._mappings:
            moves += [
                lambda mapping=mapping, reader=reader: self._deliver(mapping, reader)  # type: ignore[misc]  # the same
                for reader in mapping.ready()
            ]
        if self._may_poll() and self.queue.visible():
            moves.append(self._poll)
        return moves

    def _may_poll(self) -> bool:
        waits = self._shape.late and (not self._play.over or any(mapping.busy for mapping in self._mappings))
        return len(self._holding) < self._shape.workers and not waits

    def _advance(self) -> bool:
        """Move the clock to the next thing that can happen; tell whether there is one."""
        moments: list[float | None] = [task.wake_at for task in self.scheduler.tasks]
        moments += [mapping.next_at() for mapping in self._mappings]
        if not self._play.over:
            moments.append(self._act_at)
        if self._may_poll():
            moments.append(self.queue.next_at())
        known = [moment for moment in moments if moment is not None]
        if not known:
            return False
        self.scheduler.now = max(self.scheduler.now, min(known))
        return True

    def _act(self) -> None:
        self._may_audit()
        self.scheduler.now += TICK_SECONDS
        match self._play.next():
            case Write() as write:
                self._put(write)
            case Forgetting() as forgetting:
                self._forget(forgetting)
        self._act_at = self.scheduler.now + self._play.gap_seconds
        if self._play.over:
            self._faults_may_clear()
        self._look_for_rest()

    def _put(self, write: Write) -> None:
        table, gap = self.tables[write.place.table], self._random.choice((1, 1, 7, 10**6))
        key = {name: value for name, value in write.place.item({}).items() if name in KEY_NAMES}
        if self._faults.happens(self._faults.profile.remake):
            table.remake_stream()
        while self._faults.happens(self._faults.profile.split):
            table.split(table.shard_of(key))
        table.losing, table.lost = self._random.random() < self._loss, None
        if write.item is not None:
            table.put(write.item, gap)
        else:
            (table.expire if write.cause == "expire" else table.delete)(key, gap)
        place = (table.name, write.place.tenant, write.place.key)
        self._oracle.wrote(place, write.item, write.cause)
        self._spoilt |= self._oracle.unreadable()
        lost = self._note_loss(table, place, write)
        self.scheduler.note(
            f"app {write.cause} {write.place.tenant}/{write.place.key} {_short(write.item)}{lost}"
        )
        self._owners[place] = (write.item or {}).get("user_id", self._owners.get(place))

    def _note_loss(self, table: Table, place: ItemId, write: Write) -> str:
        if not table.lost:
            return ""
        self._lossy = True
        self._oracle.lost(place, _LOST[table.lost])
        if table.lost == "MODIFY" and (write.item or {}).get("user_id") != self._owners.get(place):
            self._oracle.lost(place, "owner")
        return " !! its record is lost"

    def _forget(self, forget_message: Forgetting) -> None:
        """Have somebody ask, as by ``vector-memory forget``; it is answered when T has come."""
        until, wait = next_second(self._wall_clock())
        request = ForgetRequest(
            f"forget-{len(self.scheduler.trace)}",
            forget_message.place.tenant,
            until,
            forget_message.user,
            forget_message.key,
        )
        self.scheduler.note(f"forget request {request.scope} {request.tenant_id}/{request.subject}")
        self._oracle.asked((request.tenant_id, request.user_id, request.session_key))
        self.scheduler.now += wait + TICK_SECONDS
        self._requests.append(request)
        self._carry_out(request, after=self._random.choice(LATE_SECONDS))
        if self._random.random() < REPEATED:
            self._carry_out(request, after=self._random.choice(LATE_SECONDS))

    def _carry_out(self, request: ForgetRequest, tries: int = 0, after: float = 0.0) -> None:
        """Do it, again until it says that it is done."""

        def done(task: Task) -> None:
            del self._forget_requests[task]
            if task.fault is not None:
                self._carry_out(request, tries + 1)

        def work() -> None:
            self.scheduler.pause(after)
            carry_out(request)

        task = self._start(self._idle_operator(), work, fault_exempt=tries > 1)
        self._finish[task], self._forget_requests[task] = done, request

    def _idle_operator(self) -> str:
        """Return who is free: two at once would share one connection."""
        busy = {task.name for task in self.scheduler.tasks}
        return next(name for name in (f"operator:{n}" for n in itertools.count()) if name not in busy)

    def _faults_may_clear(self) -> None:
        """After the last write the faults cease one time in four; else they cease message by message."""
        if self._random.random() < 0.25:
            self._faults.clear()

    def _deliver(self, mapping: StreamMapping, reader: Reader) -> None:
        batch = mapping.take(reader, self._random.randint(1, self._shape.max_batch))
        if batch is None:
            return
        name = f"stream:{mapping.table.name}:{reader.shard.id}"
        event = {"Records": list(batch.records)}
        fault_exempt = batch.attempts >= mapping.limits.retry_attempts // 2
        task = self._invoke(name, stream.handler, event, fault_exempt=fault_exempt)
        self._finish[task] = lambda done: self._delivered(mapping, reader, done)

    def _delivered(self, mapping: StreamMapping, reader: Reader, task: Task) -> None:
        mapping.settle(reader, task.answer, failed=task.fault is not None)
        if self._faults.happens(self._faults.profile.rewind):
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
        fault_exempt = any(message.received >= EXEMPT_AT_RECEIVES for message in messages)
        task = self._invoke(name, ingest.handler, as_event(messages), fault_exempt=fault_exempt)
        self._holding[task] = messages
        self._finish[task] = lambda done: self._ingested(messages, done)

    def _disturb(self, message: Message) -> None:
        """Let the queue show a message that is held, or bring it back after its deletion."""
        if message.received < EXEMPT_AT_RECEIVES and self._faults.happens(self._faults.profile.duplicate):
            if self._random.random() < 0.5:
                message.visible_at = self._now()
            elif not message.ghosts:
                message.ghosts = 1

    def _ingested(self, messages: Sequence[Message], task: Task) -> None:
        failed = {failure["itemIdentifier"] for failure in (task.answer or {}).get("batchItemFailures", [])}
        if task.fault is None:
            for message in messages:
                if message.id not in failed:
                    self.queue.delete(message)

    def _invoke(
        self, name: str, handler: Callable[[Any, Any], Any], event: Any, *, fault_exempt: bool
    ) -> Task:  # Lambda's free-form JSON
        self.scheduler.note(f"{name} begins with {len(event['Records'])}")
        self._world.counts["invocations"] += 1
        context = SimpleNamespace(
            function_name="lab", aws_request_id="lab", get_remaining_time_in_millis=lambda: 60_000
        )
        return self._start(name, lambda: handler(event, context), fault_exempt=fault_exempt)

    def _start(self, name: str, work: Callable[[], Any], *, fault_exempt: bool) -> Task:
        worker = self._lend(name)
        if name not in self._entered:
            self._entered.add(name)
            worker.enter(self._world)
        return self.scheduler.start(name, worker, lambda: worker.run(work), fault_exempt=fault_exempt)

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
        if self._faults.happens(self._faults.profile.audit):
            table, tenant, key = self._random.choice(self._places)
            address = _LAYOUTS.address(table, dict(zip(KEY_NAMES, ({"S": tenant}, {"S": key}), strict=True)))
            if address is not None:
                self.scheduler.note(f"audit of {tenant}/{key}")
                self.queue.send(Notice(address, first_sent_at=self._now()).encode())

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
        tenants = {forget_message.tenant_id for forget_message in self._forget_requests.values()}
        yield from (place for place in self._places if place[1] in tenants)
        held: Iterable[Message] = (message for messages in self._holding.values() for message in messages)
        for message in (*self.queue.messages, *held):
            yield _named(message.body)

    def _table(self, name: str) -> Table:
        digits = self._random.randint(20, 39)
        first = 10**digits - self._random.choice((1, 3, 10**6, 10 ** (digits - 1)))
        return Table(name, KEY_NAMES, self._wall_clock, first)

    def _now(self) -> float:
        return self.scheduler.now

    def _wall_clock(self) -> float:
        return self.scheduler.wall_clock


def _key(key: Any) -> tuple[str, str]:  # DynamoDB's JSON
    return key[KEY_NAMES[0]]["S"], key[KEY_NAMES[1]]["S"]


def _named(body: str) -> ItemId:
    """Return the item a queue message names; the notice's form is what its own docstring says."""
    notice = json.loads(body)
    return (str(notice["table"]), *_key(notice["key"]))


def _short(item: Any) -> str:  # DynamoDB's JSON
    if item is None:
        return "gone"
    text = item.get("messages", item.get("content", {"S": ""}))["S"]
    return " ".join(re.findall(r"\bm\d+x\b", text))
