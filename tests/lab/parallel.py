"""Several real processes on one Postgres, killed and cut off at random moments; the oracle judges what is left.

The tables, the stream and the queue live in this process, and the others reach them by a socket. Each of those is a Lambda
environment with the product's own handlers, store and connection. Time is real. Nothing here is repeatable but the histories:
what is asserted holds whatever happens when.
"""

import itertools
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import Any

import psycopg

from lab.histories import KEY_NAMES, MEMORY, SESSIONS, History
from lab.index import Database
from lab.laboratory import history_of
from lab.oracle import Judgement, Oracle, Row
from lab.parallel_worker import run_worker
from lab.queue import Queue
from lab.stream_mapping import Limits, Reader, StreamMapping
from lab.table import Item, Table
from lab.workers import DEAD_LETTER_QUEUE_URL, QUEUE_URL
from lab.workload import Forgetting, Workload, Write
from pipeline.ingest.forget_messages import ForgetMessage, next_second
from pipeline.stores.forget_requests import ForgetRequest

INGEST_WORKERS = 3
VISIBILITY_SECONDS = 3.0
BATCH = 10
AT_ONCE = 40
"""Histories that are played at the same time."""
MOST_WAITING = 500
"""Messages in the queue; while there are more, nothing new is saved."""
QUIET_SECONDS = 1.0
PATIENCE_SECONDS = 300.0
"""After so long without a message or a record that is done with, the run is stuck."""
TROUBLE_SECONDS = 30.0
"""So long after the last history there is trouble; after that the processes work in peace."""
PROGRESS_SECONDS = 20.0
TROUBLE_EVERY_DONE = 15
"""Messages and batches of records that are done with between two troubles."""
MISHAPS = frozenset({"kills", "cuts", "deaths"})
"""What is brought about, and is nothing wrong."""
_EXPOSED = ("get", "next_records", "settle", "receive", "delete", "send", "hide", "raised")


class Services:
    """Tables, streams and queues, as the other processes reach them."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.tables = {name: Table(name, KEY_NAMES, time.time, 10**20) for name in (SESSIONS, MEMORY)}
        limits = Limits(retry_attempts=10**6, backoff_seconds=0.05, record_age_seconds=10**9)
        self.mappings = [StreamMapping(table, limits, time.time) for table in self.tables.values()]
        self.dead = Queue(DEAD_LETTER_QUEUE_URL, time.time, max_receives=0)
        self.queue = Queue(QUEUE_URL, time.time, VISIBILITY_SECONDS, max_receives=0)
        self.flying: dict[int, tuple[StreamMapping, Reader]] = {}
        self._random = random.Random(0)  # a simulation
        self._numbers = itertools.count()
        self.done = 0
        self.errors: Counter[str] = Counter()

    def get(self, table: str, key: Item) -> Item | None:
        """Return an item."""
        with self.lock:
            return self.tables[table].get(key)

    def next_records(self) -> tuple[int, Sequence[Mapping[str, Any]]] | None:
        """Return the next batch of a stream, and its number."""
        with self.lock:
            for mapping in self.mappings:
                for reader in mapping.ready():
                    if batch := mapping.take(reader, BATCH):
                        number = next(self._numbers)
                        self.flying[number] = mapping, reader
                        return number, batch.records
        return None

    def settle(self, number: int, answer: Any, *, failed: bool) -> None:  # whatever it answered
        """Take the stream handler's answer."""
        with self.lock:
            if number in self.flying:
                self.done += 1
                mapping, reader = self.flying.pop(number)
                mapping.settle(reader, answer, failed=failed)

    def receive(self) -> list[tuple[str, str, int]]:
        """Return id, body and receives of messages, and hide them."""
        with self.lock:
            taken = self.queue.receive(self._random.randint(1, BATCH), self._random)
            return [(message.id, message.body, message.received) for message in taken]

    def delete(self, ids: Sequence[str]) -> None:
        """Delete messages."""
        with self.lock:
            self.done += len(ids)
            self.queue.messages = [message for message in self.queue.messages if message.id not in ids]

    def send(self, url: str, body: str, delay_seconds: float) -> None:
        """Take a message."""
        with self.lock:
            (self.queue if url == QUEUE_URL else self.dead).send(body, {}, delay_seconds)

    def hide(self, handle: str, seconds: float) -> None:
        """Hide a received message for so long; one that was received again since is another's."""
        with self.lock:
            self.queue.hide(handle, seconds)

    def raised(self, error: str) -> None:
        """Note what a handler raised; none should, whatever befalls it."""
        with self.lock:
            self.errors[error] += 1

    def lose_flying(self) -> None:
        """Deliver once more what a stream process held when it was killed."""
        for number in list(self.flying):
            self.settle(number, None, failed=True)

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        with self.lock:
            return bool(self.queue.messages or self.flying) or any(one.busy for one in self.mappings)

    @property
    def waiting(self) -> tuple[int, int]:
        """How many messages are in the queue, and how many batches of records are with a process."""
        with self.lock:
            return len(self.queue.messages), len(self.flying)


class ServiceManager(BaseManager):
    """Serves :class:`Services` on a socket."""


class WorkerPool:
    """The processes, and what befalls them."""

    def __init__(
        self, conninfo: str, owner: str, address: str, services: Services, trouble_every: float
    ) -> None:
        self._given = conninfo, address
        self._trouble_every, self._last = trouble_every, (0, time.time())
        self._owner = psycopg.connect(owner, autocommit=True)
        self._services = services
        self._context = get_context("forkserver")
        self._context.set_forkserver_preload(["lab.parallel_worker"])
        kinds = ["stream", *["ingest"] * INGEST_WORKERS]
        self._processes: list[tuple[str, ForkServerProcess]] = [(kind, self._start(kind)) for kind in kinds]
        self._random = random.Random()  # a simulation
        self.counts: Counter[str] = Counter(kills=0, cuts=0)

    def trouble(self) -> None:
        """Kill a process or cut a connection, if the last time is long enough ago, and enough was done since.

        The slower the machine, the more time for that: else nothing would ever end between two kills.
        """
        done, now = self._services.done, time.time()
        if done - self._last[0] < TROUBLE_EVERY_DONE or now - self._last[1] < self._trouble_every:
            return
        self._last = done, now
        if self._random.random() < 0.5:
            self._kill(self._random.randrange(len(self._processes)))
        else:
            query = "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity WHERE usename = 'lab_worker' ORDER BY random() LIMIT 1) w"
            [(cut,)] = self._owner.execute(query).fetchall()
            self.counts["cuts"] += cut

    def replace_dead(self) -> None:
        """Start again what has ended by itself."""
        for index, (_, process) in enumerate(self._processes):
            if not process.is_alive():
                self.counts["deaths"] += 1
                self._kill(index)

    def close(self) -> None:
        """End all."""
        for _, process in self._processes:
            process.kill()
            process.join()
        self._owner.close()

    def _kill(self, index: int) -> None:
        kind, process = self._processes[index]
        if process.is_alive() and process.pid:
            os.kill(process.pid, signal.SIGKILL)
            self.counts["kills"] += 1
        process.join()
        if kind == "stream":
            self._services.lose_flying()
        self._processes[index] = kind, self._start(kind)

    def _start(self, kind: str) -> ForkServerProcess:
        process = self._context.Process(target=run_worker, args=(kind, *self._given), daemon=True)
        process.start()
        return process


class WorkloadRunner:
    """Plays histories, several at a time, and tells the oracle."""

    def __init__(self, services: Services, histories: Sequence[History]) -> None:
        self._services = services
        self.oracle = Oracle("keep", "keep")
        self._waiting = [Workload(history, time.time) for history in histories]
        self._playing: list[Workload] = []
        self._until: dict[int, float] = {}
        self._ids = itertools.count()
        self._random = random.Random(1)  # a simulation
        self.requests: list[str] = []

    @property
    def over(self) -> bool:
        """Whether nothing more is done."""
        return not self._waiting and not self._playing

    @property
    def left(self) -> int:
        """How many histories are not over."""
        return len(self._waiting) + len(self._playing)

    def act(self) -> None:
        """Do one thing somewhere."""
        while self._waiting and len(self._playing) < AT_ONCE:
            self._playing.append(self._waiting.pop())
        ready = [play for play in self._playing if self._until.get(id(play), 0.0) <= time.time()]
        if not ready:
            return
        play = self._random.choice(ready)
        match play.next():
            case Write() as write:
                self._write(write)
            case Forgetting() as forgetting:
                self._until[id(play)] = self._forget(forgetting)
        if play.over:
            self._playing.remove(play)

    def _write(self, write: Write) -> None:
        place = (write.place.table, write.place.tenant, write.place.key)
        key = {name: value for name, value in write.place.item({}).items() if name in KEY_NAMES}
        with self._services.lock:
            table = self._services.tables[place[0]]
            if write.item is not None:
                table.put(write.item)
            else:
                (table.expire if write.cause == "expire" else table.delete)(key)
            self.oracle.wrote(place, write.item, write.cause)

    def _forget(self, forget_message: Forgetting) -> float:
        """Ask to forget; return when it is answered."""
        now = time.time()
        until, wait = next_second(now)
        request = ForgetRequest(
            f"{next(self._ids)}", forget_message.place.tenant, until, forget_message.user, forget_message.key
        )
        self.oracle.asked((request.tenant_id, request.user_id, request.session_key))
        body = ForgetMessage(request, first_sent_at=now).encode()
        self._services.send(QUEUE_URL, body, self._random.choice((0, 1, 3)))
        return now + wait + 0.01


def run_parallel(conninfo: str, count: int, seed: int, trouble_every: float = 0.4) -> dict[str, int]:
    """Play ``count`` histories; return what was wrong, by kind, and how often processes were killed and connections cut."""
    database, services = Database(conninfo, virtual_time=False), Services()
    database.clear()
    histories = [_apart(history_of(f"parallel {seed}.{number}"), number) for number in range(count)]
    runner = WorkloadRunner(services, histories)
    address = str(
        Path(tempfile.mkdtemp()) / "services"
    )  # the socket goes when the process ends, so the folder stays
    _serve(services, address)
    pool = WorkerPool(database.conninfo, conninfo, address, services, trouble_every)
    try:
        return _run(database, services, runner, pool)
    finally:
        pool.close()
        database.close()


def _run(database: Database, services: Services, runner: WorkloadRunner, pool: WorkerPool) -> dict[str, int]:
    told = time.time()
    while not runner.over:
        if services.waiting[0] < MOST_WAITING:
            runner.act()
        time.sleep(0.002)
        pool.trouble()
        pool.replace_dead()
        told = _tell(told, services, pool, f"{runner.left} histories left")
    stuck = not _drain(services, pool)
    first, before = _judged(database, runner), _visible(database)
    for mapping in services.mappings:
        mapping.replay()
    for body in random.sample(list(services.queue.sent), len(services.queue.sent)):
        services.send(QUEUE_URL, body, 0)
    stuck |= not _drain(services, pool)
    last = _judged(database, runner)
    changed = set(before) ^ set(_visible(database))
    wrong = Counter({name: len(found) for name, found in (first.findings() or last.findings()).items()})
    for row in sorted(changed, key=repr):
        sys.stderr.write(f"changed by the redrive: {row}\n")
    for error, count in services.errors.items():
        sys.stderr.write(f"raised {count} times: {error}\n")
    others = {"changed_by_redrive": len(changed), "stuck": int(stuck), "raised": services.errors.total()}
    return {**_all_kinds(wrong), **others, **pool.counts}


def _drain(services: Services, pool: WorkerPool) -> bool:
    """Wait until nothing is under way; there is trouble for a while longer. Tell whether it came to that."""
    started = quiet = moved = told = time.time()
    done = services.done
    while time.time() - quiet < QUIET_SECONDS:
        time.sleep(0.05)
        now = time.time()
        quiet = now if services.busy else quiet
        if now - started < TROUBLE_SECONDS:
            pool.trouble()
        pool.replace_dead()
        moved, done = (now, services.done) if services.done != done else (moved, done)
        if now - moved > PATIENCE_SECONDS:
            return False
        told = _tell(told, services, pool, "no more histories")
    return True


def _tell(told: float, services: Services, pool: WorkerPool, where: str) -> float:
    """Say now and then how far it is; return when it was said last."""
    if time.time() - told < PROGRESS_SECONDS:
        return told
    messages, batches = services.waiting
    sys.stderr.write(f"{where}; {messages} messages and {batches} batches under way; {dict(pool.counts)}\n")
    return time.time()


def _judged(database: Database, runner: WorkloadRunner) -> Judgement:
    judgement = runner.oracle.judge(database.rows())
    judgement.stale += database.waiting()
    return judgement


def _visible(database: Database) -> list[Row]:
    return [row for row in database.rows() if row.user]


def _all_kinds(wrong: Mapping[str, int]) -> dict[str, int]:
    return {name: wrong.get(name, 0) for name in Judgement.__slots__}


def _apart(history: History, number: int) -> History:
    """Return a history with tenants of its own; every record arrives."""
    places = tuple(replace(place, tenant=f"{place.tenant}-{number}") for place in history.places)
    return replace(history, places=places, on_clear="keep", on_expiry="keep", loss=0.0)


def _serve(services: Services, address: str) -> None:
    ServiceManager.register("services", callable=lambda: services, exposed=_EXPOSED)
    manager = ServiceManager(address, authkey=b"lab")
    threading.Thread(target=manager.get_server().serve_forever, daemon=True).start()
