"""Everything a queue holds, taken out for a while. SQS cannot be looked into without taking messages out.

What is received is hidden from everybody else until it is given back, deleted, or :data:`HIDDEN_SECONDS` have passed.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.operations.queues.interruption import delayed
from pipeline.operations.queues.sqs_message import Message, read_message
from pipeline.operations.stack.aws_errors import explained

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

HIDDEN_SECONDS = 300
"""Longer than a run over :data:`MAX_MESSAGES` takes, short enough that those of a killed run are not missed for long."""

MAX_MESSAGES = 10_000
BATCH = 10
"""SQS receives, deletes and gives back at most 10 at once."""

PERMISSIONS = "sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility and sqs:GetQueueAttributes"


class QueueDrain:
    """The messages of one queue, as they were when it was opened; see :func:`drained`.

    Args:
        client: a boto3 SQS client.
        name: what the queue is called in errors.
        setting: what names the queue, for errors as well.
        limit: take no more than that.
        wait_seconds: long polling, which alone asks all of SQS's servers.
    """

    def __init__(  # noqa: PLR0913  # each is one word of an error or one number of SQS
        self,
        client: "SQSClient",
        queue_url: str,
        *,
        name: str,
        setting: str,
        limit: int = MAX_MESSAGES,
        wait_seconds: int = 1,
    ) -> None:
        self._client = client
        self._queue_url = queue_url
        self._what = (f"the {name} {queue_url}", f"{setting} (or --stack)", PERMISSIONS)
        self._limit = limit
        self._wait_seconds = wait_seconds
        self._held: dict[str, Message] = {}
        self.hidden = 0
        """About how many were hidden before: another run holds them, or was killed."""
        self.emptied = False
        """Whether everything was taken; if not, another run finds the rest."""

    @property
    def messages(self) -> Sequence[Message]:
        """What was taken and neither deleted nor given back yet."""
        return list(self._held.values())

    def delete(self, messages: Sequence[Message]) -> frozenset[str]:
        """Delete for good; return the ids of those that SQS did not delete: they stay in the drain."""
        gone = {id_ for batch in _batches(messages) for id_ in self._delete_batch(batch)}
        for id_ in gone:
            self._held.pop(id_, None)
        return frozenset(message.id for message in messages) - gone

    def fill(self) -> None:
        """Take messages until none is left, or none is new, or the limit is reached.

        Raises:
            SettingsError, RetryableError: the queue does not give them.
        """
        with explained(*self._what):
            self.hidden = self._hidden()
            while len(self._held) < self._limit:
                before = len(self._held)
                with delayed():  # what an unread answer holds could not be given back
                    self._receive()
                if len(self._held) == before:
                    self.emptied = True
                    return

    def give_back(self) -> None:
        """Let everybody see again what is still held. What SQS does not take back shows up by itself in time."""
        for batch in _batches(self.messages):
            shown: list[Any] = [{**entry, "VisibilityTimeout": 0} for entry in _entries(batch)]
            with suppress(ClientError, BotoCoreError):
                self._client.change_message_visibility_batch(QueueUrl=self._queue_url, Entries=shown)
        self._held.clear()

    def _hidden(self) -> int:
        name: Any = "ApproximateNumberOfMessagesNotVisible"
        answer = self._client.get_queue_attributes(QueueUrl=self._queue_url, AttributeNames=[name])
        return int(answer["Attributes"][name])

    def _receive(self) -> None:
        """Receive once. A message that comes again (its time ran out) is held by its newest receipt."""
        answer = self._client.receive_message(
            QueueUrl=self._queue_url,
            MaxNumberOfMessages=min(BATCH, self._limit - len(self._held)),
            MessageSystemAttributeNames=["SentTimestamp"],
            MessageAttributeNames=["All"],
            VisibilityTimeout=HIDDEN_SECONDS,
            WaitTimeSeconds=self._wait_seconds,
        )
        received: Sequence[Mapping[str, Any]] = answer.get("Messages", [])
        self._held.update((message.id, message) for message in map(read_message, received))

    def _delete_batch(self, batch: Sequence[Message]) -> Iterator[str]:
        try:
            answer = self._client.delete_message_batch(QueueUrl=self._queue_url, Entries=_entries(batch))
        except (ClientError, BotoCoreError):
            return
        for entry in answer.get("Successful", []):
            yield batch[int(entry["Id"])].id


@contextmanager
def drained(drain: QueueDrain) -> Iterator[QueueDrain]:
    """Fill ``drain``, and give back what is left in it, however the block ends."""
    try:
        drain.fill()
        yield drain
    finally:
        drain.give_back()


def _batches(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    for start in range(0, len(messages), BATCH):
        yield messages[start : start + BATCH]


def _entries(batch: Sequence[Message]) -> list[Any]:
    return [{"Id": str(number), "ReceiptHandle": message.receipt} for number, message in enumerate(batch)]
