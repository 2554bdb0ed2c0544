"""Dead letters: what they say about why a notice got nowhere, and which of them a command means. Pure.

A letter that the ingest function buried carries its cause and an error sentence as message attributes. One without
was moved by SQS, which had delivered it too often: the function crashed or ran out of time at it.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.errors import PermanentError
from pipeline.ingest.notices import Notice, decode
from pipeline.ingest.wishes import Wish, decode_wish
from pipeline.operations.messages import Message
from pipeline.operations.text import age, aligned, printable
from pipeline.source.layouts import Layouts

CRASHED = "crashed"
CRASHED_SENTENCE = "delivered too often: the ingest function crashed or timed out on it; see its log"
MAX_CELL_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter.

    Args:
        cause: why it is here: an error's ``cause`` (see :mod:`pipeline.errors`), or ``crashed``.
        error: one sentence, without text of anybody.
        notice: ``None`` if the message is neither a notice nor a wish to forget.
    """

    message: Message
    cause: str
    error: str
    notice: Notice | Wish | None

    @property
    def tenant_id(self) -> str | None:
        """Whose it is, if it is anybody's."""
        if isinstance(self.notice, Wish):
            return self.notice.request.tenant_id
        return self.notice.address.tenant_id if self.notice else None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters a command means; ``None`` means any."""

    cause: str | None = None
    tenant_id: str | None = None

    def takes(self, letter: Letter) -> bool:
        """Tell whether ``letter`` is meant."""
        of_cause = self.cause is None or self.cause == letter.cause
        return of_cause and (self.tenant_id is None or self.tenant_id == letter.tenant_id)


def read_letter(message: Message, layouts: Layouts) -> Letter:
    """Read a letter, whatever it is."""
    try:
        notice = decode_wish(message.body) or decode(message.body, layouts)
    except PermanentError as error:
        return Letter(message, error.cause, str(error), None)
    cause = message.attributes.get("cause")
    if cause is None:
        return Letter(message, CRASHED, CRASHED_SENTENCE, notice)
    return Letter(message, cause, message.attributes.get("error", ""), notice)


def fresh(notice: Notice | Wish, now: float) -> Notice | Wish:
    """Return the notice as if it were sent for the first time: its patience is full again, its facts are kept."""
    return replace(notice, attempts=0, first_sent_at=now)


def by_cause(letters: Iterable[Letter]) -> str:
    """Return counts such as ``crashed 2, malformed_item 1``."""
    return ", ".join(
        f"{printable(cause)} {count}"
        for cause, count in sorted(Counter(letter.cause for letter in letters).items())
    )


def table(letters: Sequence[Letter], now: float) -> str:
    """Return the letters as aligned text, oldest first."""
    rows = [_row(letter, now) for letter in sorted(letters, key=lambda letter: letter.message.sent_at)]
    return aligned(["CAUSE", "TENANT", "TABLE", "KEY", "AGE", "ATTEMPTS", "ERROR"], rows)


def _row(letter: Letter, now: float) -> list[str]:
    waited = age(now - letter.message.sent_at)
    if letter.notice is None:
        return [
            _cell(letter.cause),
            "-",
            "-",
            f"message {letter.message.id}",
            waited,
            "-",
            printable(letter.error),
        ]
    cells = (letter.cause, str(letter.tenant_id), *_subject(letter.notice))
    return [*map(_cell, cells), waited, str(letter.notice.attempts), printable(letter.error)]


def _subject(notice: Notice | Wish) -> tuple[str, str]:
    """Return the table and the key; of a wish, that it is one, and whom and what it means."""
    if isinstance(notice, Wish):
        named = (notice.request.user_id, notice.request.session_key)
        return "(forget)", " / ".join(name for name in named if name is not None)
    key = notice.address.key
    return key.table, f"{key.hash_value} / {key.range_value}"


def _cell(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= MAX_CELL_CHARACTERS else f"{shown[: MAX_CELL_CHARACTERS - 1]}…"


def to_json(letters: Sequence[Letter], now: float) -> str:
    """Return the letters as a JSON array, oldest first; ASCII, so that no key can play with the terminal."""
    ordered = sorted(letters, key=lambda letter: letter.message.sent_at)
    return json.dumps([_fields(letter, now) for letter in ordered], indent=2)


def _fields(letter: Letter, now: float) -> dict[str, Any]:
    notice = letter.notice
    key = notice.address.key if isinstance(notice, Notice) else None
    wish = notice.request if isinstance(notice, Wish) else None
    return {
        "message_id": letter.message.id,
        "cause": letter.cause,
        "error": letter.error,
        "tenant_id": letter.tenant_id,
        "table": key.table if key else None,
        "key": {key.hash_name: key.hash_value, key.range_name: key.range_value} if key else None,
        "age_seconds": round(now - letter.message.sent_at, 1),
        "attempts": notice.attempts if notice else None,
        "saved_at": notice.saved_at if isinstance(notice, Notice) else None,
        "forget": {"user_id": wish.user_id, "session_key": wish.session_key} if wish else None,
    }
