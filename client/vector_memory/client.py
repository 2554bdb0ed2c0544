"""A client of memory: one user's, named when it is made."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import sleep
from typing import Any, TypedDict, Unpack
from urllib.parse import quote

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from vector_memory import answers
from vector_memory.errors import InvalidRequestError, MemoryUnavailableError
from vector_memory.transports import PASSING, Request, Transport

MEMORY_PATH = "/api/v1/memory"
DEFAULT_ATTEMPTS = 3
MAX_PAUSE_SECONDS = 2.0
OK, FIRST_FAILURE = 200, 400


class Filters(TypedDict, total=False):
    """What hits must be like; what is left out asks for nothing."""

    min_similarity: float
    half_life_days: float
    kinds: Sequence[str]
    roles: Sequence[str]
    sessions: Sequence[str]
    excluded_sessions: Sequence[str]
    since: datetime
    until: datetime
    min_confidence: float
    now: datetime
    time_zone: str
    explain: bool


class Wanted(TypedDict, total=False):
    """How to answer: what is left out is as usual."""

    min_confidence: float
    now: datetime
    time_zone: str
    explain: bool


@dataclass(frozen=True, slots=True)
class MemoryClient:
    """Asks memory on behalf of one user.

    Every method raises InvalidRequestError (asking again gives the same: see its code, status and hint) or
    MemoryUnavailableError (after the last attempt).

    Args:
        transport: the way to the query function.
        attempts: tries of one request; only passing faults are tried again, and every request may be sent twice.
        pause: waits between tries, in seconds.
    """

    transport: Transport
    attempts: int = DEFAULT_ATTEMPTS
    pause: Callable[[float], None] = field(default=sleep, repr=False)

    def search(
        self,
        query: str,
        *,
        top_k: int = 5,
        session_key: str | None = None,
        min_updated_at: datetime | None = None,
        **filters: Unpack[Filters],
    ) -> answers.Found:
        """Return the memories that fit ``query`` best.

        Args:
            session_key: the conversation this is asked in.
            min_updated_at: the ``updated_at`` that was last saved of it; see ``freshness.stale`` of the answer.
        """
        body = {"query": query, "top_k": top_k, **filters}
        return answers.found(self._post("search", body, session_key, min_updated_at))

    def context(
        self,
        query: str | None = None,
        *,
        max_tokens: int = 1_500,
        top_k: int = 10,
        session_key: str | None = None,
        min_updated_at: datetime | None = None,
        **wanted: Unpack[Wanted],
    ) -> answers.Reminder:
        """Return text to remind an agent with: long-term memory, and what bears on the query or the session."""
        body = {"query": query, "max_tokens": max_tokens, "top_k": top_k, **wanted}
        return answers.reminder(self._post("context", body, session_key, min_updated_at))

    def related(
        self,
        *,
        session_key: str | None = None,
        messages: Sequence[str] | None = None,
        top_k: int = 5,
        min_updated_at: datetime | None = None,
        **wanted: Unpack[Wanted],
    ) -> answers.Related:
        """Return past conversations that bear on the session, or on what ``messages`` say."""
        body = {"messages": messages, "top_k": top_k, **wanted}
        return answers.related(self._post("related", body, session_key, min_updated_at))

    def notes(self) -> answers.Notes:
        """Return the long-term memory and the newest day's notes."""
        return answers.notes(self._ask(Request("GET", MEMORY_PATH)))

    def forget(self, session_key: str | None = None) -> answers.Forgetting:
        """Ask that everything of the user, or of one session, be forgotten up to now; it is done a moment later."""
        parameters = {"session_key": session_key} if session_key is not None else {}
        return answers.forgetting(self._ask(Request("DELETE", MEMORY_PATH, parameters=parameters)))

    def forgetting(self, request_id: str) -> answers.Forgetting:
        """Return what became of a wish to forget."""
        return answers.forgetting(
            self._ask(Request("GET", f"{MEMORY_PATH}/status/{quote(request_id, safe='')}"))
        )

    def _post(
        self, name: str, body: Mapping[str, Any], session_key: str | None, min_updated_at: datetime | None
    ) -> Mapping[str, Any]:
        asked = {**body, "session_key": session_key, "min_updated_at": min_updated_at}
        given = {key: _plain(value) for key, value in asked.items() if value is not None}
        return self._ask(Request("POST", f"{MEMORY_PATH}/{name}", _sendable(given)))

    def _ask(self, request: Request) -> Mapping[str, Any]:
        retrying = Retrying(
            retry=retry_if_exception_type(MemoryUnavailableError),
            stop=stop_after_attempt(self.attempts),
            wait=wait_random_exponential(multiplier=0.1, max=MAX_PAUSE_SECONDS),
            sleep=self.pause,
            reraise=True,
        )
        answer: Mapping[str, Any] = retrying(self._once, request)
        return answer

    def _once(self, request: Request) -> Mapping[str, Any]:
        status, answer = self.transport.send(request)
        if not isinstance(answer, dict):
            raise MemoryUnavailableError(f"memory answered {status} without an object")
        if OK <= status < FIRST_FAILURE:
            return answer
        # An HTTP API refuses with {"message"}, the function's URL with {"Message"}.
        error = str(answer.get("error") or answer.get("message") or answer.get("Message") or status)
        if status in PASSING:
            raise MemoryUnavailableError(f"memory answered {status}: {error}")
        code, hint = str(answer.get("code") or status), str(answer.get("hint") or "correct the request")
        raise InvalidRequestError(error, code=code, status=status, hint=hint)


def _sendable(body: dict[str, Any]) -> dict[str, Any]:
    """Return ``body`` if JSON can hold it; else say which argument is at fault."""
    for name, value in body.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            raise InvalidRequestError(
                f"{name} is nothing that JSON can hold: {type(value).__name__}",
                hint="give text, numbers, lists of them; a time as a datetime with a zone",
            ) from None
    return body


def _plain(value: Any) -> Any:  # noqa: ANN401  # what JSON takes
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidRequestError(
                "a time has no zone", hint="give one: datetime.now(UTC), or 2026-11-22T10:00:00+09:00"
            )
        return value.isoformat()
    return list(value) if isinstance(value, tuple | set | frozenset) else value
