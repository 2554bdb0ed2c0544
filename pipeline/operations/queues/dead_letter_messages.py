"""Dead letters: what they say about why a notice got nowhere, and which of them a command means. Pure.

A dead letter that the ingest function dead-lettered carries its cause and an error sentence as message attributes. One without
was moved by SQS, which had delivered it too often: the function crashed or ran out of time at it.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.errors import PermanentError
from pipeline.ingest.forget_messages import ForgetMessage
from pipeline.ingest.notices import Notice
from pipeline.ingest.queue_messages import decode
from pipeline.operations.queues.sqs_message import Message
from pipeline.operations.terminal.text import age, aligned, printable
from pipeline.source.layouts import Layouts

CRASHED = "crashed"
CRASHED_SENTENCE = "delivered too often: the ingest function crashed or timed out on it; see its log"
MAX_CELL_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class DeadLetterMessage:
    """One dead letter.

    Args:
        cause: why it is here: an error's ``cause`` (see :mod:`pipeline.errors`), or ``crashed``.
        error: one sentence, without text of anybody.
        notice: ``None`` if the message is neither a notice nor a forget request.
    """

    message: Message
    cause: str
    error: str
    notice: Notice | ForgetMessage | None

    @property
    def tenant_id(self) -> str | None:
        """Whose it is, if it is anybody's."""
        return self.notice.tenant_id if self.notice else None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which dead letters a command means; ``None`` means any."""

    cause: str | None = None
    tenant_id: str | None = None

    def takes(self, dead_letter: DeadLetterMessage) -> bool:
        """Tell whether ``dead_letter`` is meant."""
        of_cause = self.cause is None or self.cause == dead_letter.cause
        return of_cause and (self.tenant_id is None or self.tenant_id == dead_letter.tenant_id)


def read_dead_letter(message: Message, layouts: Layouts) -> DeadLetterMessage:
    """Read a dead letter, whatever it is."""
    try:
        notice = decode(message.body, layouts)
    except PermanentError as error:
        return DeadLetterMessage(message, error.cause, str(error), None)
    cause = message.attributes.get("cause")
    if cause is None:
        return DeadLetterMessage(message, CRASHED, CRASHED_SENTENCE, notice)
    return DeadLetterMessage(message, cause, message.attributes.get("error", ""), notice)


def as_first_sent(notice: Notice | ForgetMessage, now: float) -> Notice | ForgetMessage:
    """Return the notice as if it were sent for the first time: resets the attempt count and the first-sent time."""
    return replace(notice, attempts=0, first_sent_at=now)


def by_cause(dead_letters: Iterable[DeadLetterMessage]) -> str:
    """Return counts such as ``crashed 2, malformed_item 1``."""
    return ", ".join(
        f"{printable(cause)} {count}"
        for cause, count in sorted(Counter(dead_letter.cause for dead_letter in dead_letters).items())
    )


def table(dead_letters: Sequence[DeadLetterMessage], now: float) -> str:
    """Return the dead letters as aligned text, oldest first."""
    rows = [
        _row(dead_letter, now)
        for dead_letter in sorted(dead_letters, key=lambda dead_letter: dead_letter.message.sent_at)
    ]
    return aligned(["CAUSE", "TENANT", "TABLE", "KEY", "AGE", "ATTEMPTS", "ERROR"], rows)


def _row(dead_letter: DeadLetterMessage, now: float) -> list[str]:
    waited = age(now - dead_letter.message.sent_at)
    if dead_letter.notice is None:
        return [
            _cell(dead_letter.cause),
            "-",
            "-",
            f"message {dead_letter.message.id}",
            waited,
            "-",
            printable(dead_letter.error),
        ]
    cells = (dead_letter.cause, str(dead_letter.tenant_id), *_subject(dead_letter.notice))
    return [*map(_cell, cells), waited, str(dead_letter.notice.attempts), printable(dead_letter.error)]


def _subject(notice: Notice | ForgetMessage) -> tuple[str, str]:
    """Return the table and the key; of a forget request, that it is one, and whom and what it means."""
    if isinstance(notice, ForgetMessage):
        named = (notice.request.user_id, notice.request.session_key)
        return "(forget)", " / ".join(name for name in named if name is not None)
    key = notice.address.key
    return key.table, f"{key.hash_value} / {key.range_value}"


def _cell(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= MAX_CELL_CHARACTERS else f"{shown[: MAX_CELL_CHARACTERS - 1]}…"


def to_json(dead_letters: Sequence[DeadLetterMessage], now: float) -> str:
    """Return the dead letters as a JSON array, oldest first; ASCII, so that no key can play with the terminal."""
    ordered = sorted(dead_letters, key=lambda dead_letter: dead_letter.message.sent_at)
    return json.dumps([_fields(dead_letter, now) for dead_letter in ordered], indent=2)


def _fields(dead_letter: DeadLetterMessage, now: float) -> dict[str, Any]:
    notice = dead_letter.notice
    key = notice.address.key if isinstance(notice, Notice) else None
    forget_message = notice.request if isinstance(notice, ForgetMessage) else None
    return {
        "message_id": dead_letter.message.id,
        "cause": dead_letter.cause,
        "error": dead_letter.error,
        "tenant_id": dead_letter.tenant_id,
        "table": key.table if key else None,
        "key": {key.hash_name: key.hash_value, key.range_name: key.range_value} if key else None,
        "age_seconds": round(now - dead_letter.message.sent_at, 1),
        "attempts": notice.attempts if notice else None,
        "saved_at": notice.saved_at if isinstance(notice, Notice) else None,
        "forget": {"user_id": forget_message.user_id, "session_key": forget_message.session_key}
        if forget_message
        else None,
    }
