"""One process of :mod:`lab.parallel`: a Lambda environment that takes batches until it is killed."""

import time
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.managers import BaseManager
from types import SimpleNamespace
from typing import Any

from lab.index import SPACE
from lab.queue import Message, as_event
from lab.workers import lab_settings, vector_of
from lab.workload import UNSPEAKABLE
from pipeline import bootstrap
from pipeline.aws import Account
from pipeline.container import Container
from pipeline.embedding.vectors import Usage, Vector
from pipeline.errors import EmbeddingRejectedError
from pipeline.handlers import ingest, stream
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.usage import Uncounted

IDLE_SECONDS = 0.05


class _Services(BaseManager):
    """A way to :class:`lab.parallel.Services`."""


LONGEST_DELAY_SECONDS = 0.1
"""Of a copy; a message that came again is hidden for up to 72 times as long. Time is real here."""

_Services.register("services")


class _Embedder:
    """Makes any vector, the same for the same text."""

    space = SPACE

    def __init__(self) -> None:
        self.usage = Usage()

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        if any(UNSPEAKABLE in text for text in texts):
            raise EmbeddingRejectedError("simulated")
        time.sleep(0.002)
        return [vector_of(text) for text in texts]


class _Aws:
    """What the pipeline calls of boto3's clients."""

    def __init__(self, services: Any) -> None:  # a proxy
        self._services = services

    def get_item(self, *, TableName: str, Key: Any, **_: Any) -> dict[str, Any]:  # noqa: N803  # AWS's names
        item = self._services.get(TableName, Key)
        return {} if item is None else {"Item": item}

    def send_message_batch(self, *, QueueUrl: str, Entries: Any) -> dict[str, Any]:  # noqa: N803  # AWS's names
        for entry in Entries:
            self._services.send(QueueUrl, entry["MessageBody"], entry.get("DelaySeconds", 0))
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries], "Failed": []}

    def send_message(self, *, QueueUrl: str, MessageBody: str, DelaySeconds: int = 0, **_: Any) -> Any:  # noqa: N803  # AWS's names
        self._services.send(QueueUrl, MessageBody, DelaySeconds)
        return {"MessageId": "any"}

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:  # noqa: ARG002, N803  # AWS's names
        self._services.hide(ReceiptHandle, VisibilityTimeout)


class _Account(Account):
    """The laboratory's services."""

    def __init__(self, aws: _Aws) -> None:
        self._aws = aws

    def client(self, service: str) -> Any:  # noqa: ARG002  # one is all of them
        return self._aws

    def read_secret(self, arn: str) -> str:  # noqa: ARG002  # there is one
        return "a key of the laboratory's own"


def run_worker(kind: str, conninfo: str, address: str) -> None:
    """Take batches as the stream function, or as the ingest function, for ever."""
    manager = _Services(address, authkey=b"lab")
    manager.connect()
    services = manager.services()  # type: ignore[attr-defined]  # it was registered
    _wire(conninfo, _Aws(services))
    context = SimpleNamespace(
        function_name="lab", aws_request_id="lab", get_remaining_time_in_millis=lambda: 60_000
    )
    work = _deliver if kind == "stream" else _ingest
    while True:
        if not work(services, context):
            time.sleep(IDLE_SECONDS)


def _wire(conninfo: str, aws: _Aws) -> None:
    container = Container(
        replace(lab_settings(), max_retry_delay_seconds=LONGEST_DELAY_SECONDS), _Account(aws)
    )
    container.store = PgVectorStore(Connector(lambda: conninfo), SPACE)
    container.embedder = _Embedder()
    container.usage_ledger = Uncounted()
    process: Any = bootstrap
    process.container = lambda: container
    quiet = SimpleNamespace(**dict.fromkeys(("info", "warning", "error", "exception"), lambda *_, **__: None))
    for module in (ingest, stream):
        replaced: Any = module
        replaced.logger = quiet
        if hasattr(replaced, "emit"):
            replaced.emit = lambda *_: None


def _deliver(services: Any, context: Any) -> bool:  # a proxy; Lambda's
    batch = services.next_records()
    if batch is None:
        return False
    number, records = batch
    try:
        services.settle(number, stream.handler({"Records": list(records)}, context), failed=False)
    except Exception as error:  # noqa: BLE001  # as Lambda does: the batch comes again
        services.raised(repr(error))
        services.settle(number, None, failed=True)
    return True


def _ingest(services: Any, context: Any) -> bool:  # a proxy; Lambda's
    taken = services.receive()
    if not taken:
        return False
    messages = [Message(id_, body, {}, 0.0, receives) for id_, body, receives in taken]
    try:
        answer = ingest.handler(as_event(messages), context)
    except Exception as error:  # noqa: BLE001  # as Lambda does: all of them come again
        services.raised(repr(error))
        return True
    failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
    services.delete([message.id for message in messages if message.id not in failed])
    return True
