"""Sends notices and forget requests to SQS, retries them later, and dead-letters them."""

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.errors import PermanentError, QueueUnavailableError
from pipeline.ingest.queue_messages import QueueMessage

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_BATCH_ENTRIES = 10
MAX_BATCH_BYTES = 1_000_000
"""SQS takes 10 messages and 1 MiB a batch (1 MiB a message as well); some room is left for attributes."""

MAX_ERROR_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Delivery:
    """One receive of one message.

    Args:
        receipt_handle: names the receive to SQS.
        count: how often the message was received, this time included.
    """

    receipt_handle: str
    count: int


def deliveries(records: Iterable[Mapping[str, Any]]) -> dict[str, Delivery]:
    """Return message id → delivery of what Lambda hands over."""
    return {
        record["messageId"]: Delivery(
            record.get("receiptHandle", ""), int(record["attributes"].get("ApproximateReceiveCount", 1))
        )
        for record in records
    }


class Refused(frozenset[str]):
    """What was not sent, and why: SQS's error codes, or botocore's errors."""

    reasons: frozenset[str]

    def __new__(cls, names: Iterable[str] = (), reasons: Iterable[str] = ()) -> Self:
        """Make a set of ``names`` that knows its ``reasons``."""
        made = super().__new__(cls, names)
        made.reasons = frozenset(reasons)
        return made


class NoticeQueue:
    """The notice queue and its dead-letter queue.

    Args:
        client: a boto3 SQS client.
        queue_url: where notices go.
        dead_letter_queue_url: where permanent failures go.
    """

    def __init__(self, client: "SQSClient", queue_url: str, dead_letter_queue_url: str | None = None) -> None:
        self._client = client
        self._queue_url = queue_url
        self._dead_letter_queue_url = dead_letter_queue_url

    def send(self, messages: Sequence[QueueMessage], delay_seconds: int = 0) -> Refused:
        """Send ``messages`` in as few calls as SQS allows.

        Returns:
            the subjects of those that were not taken.
        """
        failed: dict[str, str] = {}
        for batch in _batches([part for message in messages for part in message.parts()]):
            failed |= self._send_batch(batch, delay_seconds)
        return Refused(failed, failed.values())

    def depth(self) -> int:
        """Return about how many notices there are: waiting, in flight and delayed.

        Raises:
            QueueUnavailableError: SQS does not say.
        """
        try:
            counts = self._client.get_queue_attributes(
                QueueUrl=self._queue_url,
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesNotVisible",
                    "ApproximateNumberOfMessagesDelayed",
                ],
            )["Attributes"]
        except (ClientError, BotoCoreError) as fault:
            raise QueueUnavailableError(
                f"the notice queue does not say how full it is: {type(fault).__name__}"
            ) from None
        return sum(map(int, counts.values()))

    def send_one(self, message: QueueMessage, delay_seconds: int = 0) -> None:
        """Send ``message``.

        Raises:
            QueueUnavailableError: it was not taken.
        """
        if refused := self.send([message], delay_seconds):
            why = ", ".join(sorted(refused.reasons))
            raise QueueUnavailableError(f"the notice queue took no message: {why}")

    def retry_later(self, message: QueueMessage, delay_seconds: int, *, capped: bool = False) -> None:
        """Send a copy of ``message`` that is delivered after ``delay_seconds``; ``capped`` if its tenant's cap is why.

        Raises:
            QueueUnavailableError: it was not taken; the original must stay.
        """
        self.send_one(message.retried(time.time(), capped=capped), delay_seconds)

    def hide(self, receipt_handle: str, seconds: int) -> None:
        """Hide a received message for ``seconds``; it is still in the queue, and comes again.

        Raises:
            QueueUnavailableError: it was not taken; the message comes again when its visibility timeout ends.
        """
        try:
            self._client.change_message_visibility(
                QueueUrl=self._queue_url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
            )
        except (ClientError, BotoCoreError) as fault:
            raise QueueUnavailableError(f"the notice queue hid no message: {_why(fault)}") from None

    def dead_letter(self, body: str, error: PermanentError, tenant_id: str | None = None) -> None:
        """Send ``body`` to the dead-letter queue with its cause.

        Raises:
            QueueUnavailableError: it was not taken; the original must stay.
        """
        if not self._dead_letter_queue_url:
            raise QueueUnavailableError("DEAD_LETTER_QUEUE_URL is not set")
        attributes = {"cause": error.cause, "error": str(error)[:MAX_ERROR_CHARACTERS]}
        group = {"MessageGroupId": group_id(tenant_id)} if tenant_id is not None else {}
        try:
            self._client.send_message(
                QueueUrl=self._dead_letter_queue_url,
                MessageBody=body,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
                },
                **group,  # type: ignore[arg-type]  # the stubs type each keyword by itself
            )
        except (ClientError, BotoCoreError) as fault:
            raise QueueUnavailableError(f"the dead-letter queue took no message: {_why(fault)}") from None

    def _send_batch(self, batch: Mapping[str, QueueMessage], delay_seconds: int) -> dict[str, str]:
        entries: list[Any] = [
            {
                "Id": number,
                "MessageBody": message.encode(),
                "MessageGroupId": group_id(message.tenant_id),
                "DelaySeconds": delay_seconds,
            }
            for number, message in batch.items()
        ]
        try:
            answer = self._client.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
        except (ClientError, BotoCoreError) as fault:
            return {message.subject: _why(fault) for message in batch.values()}
        return {
            batch[entry["Id"]].subject: entry.get("Code", "unknown") for entry in answer.get("Failed", [])
        }


def _why(fault: ClientError | BotoCoreError) -> str:
    """Return a fault's code, or its kind; never its message, which may hold what was sent."""
    if isinstance(fault, ClientError):
        return str(fault.response.get("Error", {}).get("Code", "unknown"))
    return type(fault).__name__


def group_id(tenant_id: str) -> str:
    """Return the tenant's message group: on a standard queue it makes the queue fair between tenants.

    A hash, since a group id takes 128 ASCII characters and a tenant id may be anything.
    """
    return hashlib.blake2b(tenant_id.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _batches(messages: Sequence[QueueMessage]) -> Iterator[dict[str, QueueMessage]]:
    batch: dict[str, QueueMessage] = {}
    size = 0
    for message in messages:
        length = len(message.encode())
        if batch and (len(batch) == MAX_BATCH_ENTRIES or size + length > MAX_BATCH_BYTES):
            yield batch
            batch, size = {}, 0
        batch[str(len(batch))] = message
        size += length
    if batch:
        yield batch
