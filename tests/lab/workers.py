"""Workers: Lambda environments in one process, each with the pipeline's real wiring and services of its own.

The wiring is that of :mod:`pipeline.container`, one a worker; only its leaves (AWS clients, secrets, the embedder, the
connection, the clock) are the laboratory's.
"""

import hashlib
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, tzinfo
from typing import Any
from unittest.mock import patch

from botocore.exceptions import ClientError

from lab.index import SPACE, WatchedConnector, WatchedStore
from lab.ledger_index import LedgerConnector
from lab.scheduler import Scheduler
from lab.table import Item, Table
from lab.workload import UNSPEAKABLE
from pipeline import bootstrap
from pipeline import container as wiring
from pipeline.aws import Account
from pipeline.container import Container
from pipeline.embedding.vectors import Usage, Vector, float32
from pipeline.errors import EmbeddingRejectedError, EmbeddingUnavailableError
from pipeline.handlers import ingest, stream
from pipeline.ingest import forget_executor, reconcile
from pipeline.settings import EmbeddingSettings, Retention, Settings
from pipeline.stores.usage import Uncounted

QUEUE_URL, DEAD_LETTER_QUEUE_URL = "https://sqs/notices", "https://sqs/dead-letters"
_SECRET = "a key of the laboratory's own"  # hides nothing
_here = threading.local()


def lab_settings(on_clear: Retention = "keep", on_expiry: Retention = "keep") -> Settings:
    """Return settings with chunks so small that long messages are cut."""
    return Settings(
        queue_url=QUEUE_URL,
        dead_letter_queue_url=DEAD_LETTER_QUEUE_URL,
        message_key_secret_arn="arn:key",  # a name
        embedding=EmbeddingSettings("offline", SPACE.model, SPACE.dimensions),
        on_clear=on_clear,
        on_expiry=on_expiry,
        max_chunk_tokens=64,
    )


class World:
    """What all workers of a run share.

    Args:
        heard: told every text that is embedded.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # everything that is shared
        self,
        scheduler: Scheduler,
        settings: Settings,
        tables: dict[str, Table],
        sqs: Any,  # what a worker takes for boto3's client
        heard: Callable[[str], None],
        source: random.Random,
    ) -> None:
        self.scheduler, self.settings, self.tables, self.sqs = scheduler, settings, tables, sqs
        self.heard, self.random = heard, source
        self.counts: Counter[str] = Counter()


class Worker:
    """One Lambda environment; it outlives invocations until it crashes."""

    def __init__(
        self, connector: Callable[[Callable[[], Scheduler]], WatchedConnector | LedgerConnector]
    ) -> None:
        self.world: World | None = None
        self._container: Container | None = None
        self._connector = connector(lambda: self.there.scheduler)

    @property
    def there(self) -> World:
        """The world it is in."""
        if self.world is None:
            raise RuntimeError("the worker is in no world")
        return self.world

    def enter(self, world: World) -> None:
        """Begin anew in ``world``, keeping the connection."""
        self.world, self._container = world, None

    def crash(self) -> None:
        """End the process: its container and its connection are gone."""
        self._container = None
        self._connector.close()

    def run(self, work: Callable[[], Any]) -> Any:  # whatever it answers
        """Do ``work`` as this worker, in the thread that asks."""
        _here.worker = self
        return work()

    @property
    def container(self) -> Container:
        """What its functions are made of."""
        if self._container is None:
            self._container = _WorkersContainer(self)
        return self._container

    def store(self) -> WatchedStore:
        """Return the real store on this worker's connection."""
        return self._connector.watched()


class WatchedEmbedder:
    """Makes any vector, the same for the same text, and remembers every text."""

    space = SPACE

    def __init__(self, world: World) -> None:
        self._world = world
        self.usage = Usage()

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        """Embed at a point; what is thrown away afterwards counts too."""
        if any(UNSPEAKABLE in text for text in texts):
            self._world.counts["refused"] += 1
            raise EmbeddingRejectedError("simulated")
        for text in texts:
            self._world.heard(text)
        self._world.counts["embedding_calls"] += 1
        self._world.counts["embedded_texts"] += len(texts)
        self.usage.requests += 1
        vectors: Sequence[Vector] = self._world.scheduler.effect(
            f"embed {len(texts)}",
            lambda: [vector_of(text) for text in texts],
            lambda: EmbeddingUnavailableError(
                "simulated", retry_after_seconds=self._world.random.choice((None, 7.0))
            ),
        )
        return vectors


class _SourceClient:
    """GetItem, as boto3's client has it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def get_item(self, *, TableName: str, Key: Item, ConsistentRead: bool = False) -> dict[str, Any]:  # noqa: N803  # AWS's names
        item = self._world.scheduler.effect(
            f"dynamodb.get_item {TableName}",
            lambda: self._world.tables[TableName].get(Key, consistent=ConsistentRead),
            lambda: ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, "GetItem"),
        )
        return {} if item is None else {"Item": item}


class _WorkersAccount(Account):
    """The laboratory's services."""

    def __init__(self, world: World) -> None:
        self._world = world

    def client(self, service: str) -> Any:  # takes the place of boto3's
        return _SourceClient(self._world) if service == "dynamodb" else self._world.sqs

    def read_secret(self, arn: str) -> str:  # noqa: ARG002  # there is one
        return _SECRET


class _WorkersContainer(Container):
    """The real wiring, with the laboratory's leaves."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker.there.settings, _WorkersAccount(worker.there))
        self.embedder = WatchedEmbedder(worker.there)
        self.store = worker.store()
        self.usage_ledger = Uncounted()


class _Log:
    """A logger that adds up the counts of each invocation's line."""

    def info(self, _: str, **fields: Any) -> None:  # what is logged
        counts = _worker().there.counts
        counts.update({name: fields[name] for name in ("reads", "conflicts", "skipped") if name in fields})

    def error(self, message: str, **fields: Any) -> None:  # what is logged
        _worker().there.scheduler.note(f"logged: {message} {fields}")

    warning = exception = error


class _Time:
    """The time module, in virtual time."""

    @staticmethod
    def time() -> float:
        return _worker().there.scheduler.now

    @staticmethod
    def perf_counter() -> float:
        return _worker().there.scheduler.now

    monotonic = perf_counter

    @staticmethod
    def sleep(seconds: float) -> None:
        _worker().there.scheduler.pause(seconds)


class _Random:
    """The random module, from the run's seed."""

    @staticmethod
    def random() -> float:
        return _worker().there.random.random()

    @staticmethod
    def shuffle(values: list[Any]) -> None:
        _worker().there.random.shuffle(values)


class _DateTime:
    """The class datetime, in virtual time."""

    @staticmethod
    def now(zone: tzinfo) -> datetime:
        return datetime.fromtimestamp(_worker().there.scheduler.wall_clock, zone)


@contextmanager
def installed() -> Iterator[None]:
    """Give every thread that runs as a worker that worker's services, for as long as the context lasts."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(bootstrap, "container", lambda: _worker().container))
        stack.enter_context(patch.object(wiring, "time", _Time))
        for module in (ingest, stream):
            stack.enter_context(patch.object(module, "time", _Time))
            stack.enter_context(patch.object(module, "logger", _Log()))
        stack.enter_context(patch.object(ingest, "random", _Random))
        stack.enter_context(patch.object(reconcile, "datetime", _DateTime))
        stack.enter_context(patch.object(forget_executor, "time", _Time))
        stack.enter_context(patch.object(ingest, "emit", lambda *_: None))  # standard output is a run's own
        yield


def _worker() -> Worker:
    worker: Worker = _here.worker
    return worker


def vector_of(text: str) -> Vector:
    """Return any vector, the same for the same text."""
    digest = hashlib.blake2b(text.encode(), digest_size=SPACE.dimensions).digest()
    return float32([1.0 + byte for byte in digest])
