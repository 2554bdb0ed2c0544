"""Forget requests on their way through the notice queue. Names and a moment; no text. Pure.

A forget request is JSON of version 2::

    {"v": 2, "forget": {"id": "4f…", "tenant_id": "acme", "user_id": "mika", "session_key": "chat:1",
                        "asked_at": "2026-11-22T10:00:00.000001+00:00"},
     "first_sent_at": 1790000000.2, "attempts": 0}
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.errors import MalformedNoticeError
from pipeline.ingest.notices import VERSION
from pipeline.source.layouts import safe_text
from pipeline.stores.forget_requests import ForgetRequest


@dataclass(frozen=True, slots=True)
class ForgetMessage:
    """A request to forget, and how it fared.

    Args:
        first_sent_at: epoch seconds; kept when it is retried.
        attempts: how often it was retried.
    """

    request: ForgetRequest
    first_sent_at: float = 0.0
    attempts: int = 0

    @property
    def tenant_id(self) -> str:
        """Whose request it is."""
        return self.request.tenant_id

    @property
    def subject(self) -> str:
        """The request's id."""
        return self.request.id

    @property
    def capped(self) -> bool:
        """No cap holds a forget request up."""
        return False

    def retried(self, now: float, *, capped: bool = False) -> "ForgetMessage":  # noqa: ARG002  # it grows old all the same
        """Return the copy that is sent when a dependency failed."""
        return replace(self, attempts=self.attempts + 1)

    def parts(self) -> Iterator["ForgetMessage"]:
        """Yield it: a request is always small."""
        yield self

    def encode(self) -> str:
        """Return its JSON."""
        forget = {
            "id": self.request.id,
            "tenant_id": self.request.tenant_id,
            "user_id": self.request.user_id,
            "session_key": self.request.session_key,
            "asked_at": self.request.asked_at.isoformat(),
        }
        body = {
            "v": VERSION,
            "forget": forget,
            "first_sent_at": self.first_sent_at,
            "attempts": self.attempts,
        }
        return json.dumps(body, separators=(",", ":"))


WAITS_AT_MOST = timedelta(days=35)
"""Longer than a forget request can be on its way: retried for 7 days, then 14 in the dead-letter queue, then redriven."""
CLOCKS_APART = timedelta(minutes=5)
_STAMP, _ID = 8, 32


def new_id(asked_at: datetime, draw: str) -> str:
    """Return an id that tells when it was made: epoch seconds in hex, then of ``draw``, 24 random hex digits."""
    return f"{int(asked_at.timestamp()):08x}{draw}"[:_ID]


def next_second(now: float) -> tuple[datetime, float]:
    """Return T of a request that is made now (epoch seconds), and how many seconds to wait before it is answered."""
    until = math.floor(now) + 1
    return datetime.fromtimestamp(until, UTC), until - now


def may_wait(request_id: str, now: datetime) -> bool:
    """Tell whether a forget request of this id that is not carried out can still be on its way."""
    if len(request_id) != _ID:
        return False
    made = datetime.fromtimestamp(int(request_id[:_STAMP], 16), UTC)
    return -CLOCKS_APART <= now - made <= WAITS_AT_MOST


def new_forget_message(
    request_id: str, asked_at: datetime, tenant_id: str, user_id: str, session_key: str | None
) -> ForgetMessage:
    """Return a user's own request to forget everything, or one session."""
    request = ForgetRequest(request_id, tenant_id, asked_at, user_id, session_key)
    return ForgetMessage(request, first_sent_at=asked_at.timestamp())


def decode_forget_message(body: str) -> ForgetMessage | None:
    """Read a forget request; ``None`` if the message is something else.

    Raises:
        MalformedNoticeError: it means to be a forget request, and names nobody or no moment.
    """
    fields = _object(body)
    if "forget" not in fields:
        return None
    try:
        if fields["v"] != VERSION:
            raise MalformedNoticeError(
                "the forget request is of another version: deploy the functions together"
            )
        return ForgetMessage(
            _request(fields["forget"]), float(fields["first_sent_at"]), int(fields["attempts"])
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        raise MalformedNoticeError("the message is no forget request") from None


def _object(body: str) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _request(fields: Any) -> ForgetRequest:  # noqa: ANN401  # whatever JSON came
    asked_at = datetime.fromisoformat(fields["asked_at"])
    user_id, session_key = _optional(fields["user_id"]), _optional(fields["session_key"])
    if asked_at.tzinfo is None or (user_id is None and session_key is None):
        raise ValueError
    return ForgetRequest(_text(fields["id"]), _text(fields["tenant_id"]), asked_at, user_id, session_key)


def _optional(value: Any) -> str | None:  # noqa: ANN401  # whatever JSON came
    return None if value is None else _text(value)


def _text(value: Any) -> str:  # noqa: ANN401  # whatever JSON came
    if not isinstance(value, str) or not value or safe_text(value) != value:
        raise ValueError
    return value
