"""Requests to forget, and what became of them. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

MAX_NAME_BYTES = 600

Scope = Literal["user", "session", "user_session"]
"""What a forget marker covers: all of a user's memory, the session of that key, or that of one user only."""


@dataclass(frozen=True, slots=True)
class ForgetRequest:
    """A request to forget what was saved before T. At least one of user and session is named.

    Args:
        id: names the request; the same one asked twice is one.
        asked_at: T, our clock's next whole second after the asking: AWS tells when a change was saved in whole seconds,
            rounded down, so a change of the second before T counts as before. However late the request is carried out.
        user_id: whose memory; ``None`` is whoever's session it is.
        session_key: only this session.
    """

    id: str
    tenant_id: str
    asked_at: datetime
    user_id: str | None = None
    session_key: str | None = None

    @property
    def scope(self) -> Scope:
        """What its marker covers."""
        if self.session_key is None:
            return "user"
        return "session" if self.user_id is None else "user_session"

    @property
    def subject(self) -> str:
        """Who or what its marker names, within the scope."""
        if self.user_id is not None and self.session_key is not None:
            return session_of(self.user_id, self.session_key)
        return self.user_id if self.user_id is not None else self.session_key or ""


def session_of(user_id: str, session_key: str) -> str:
    """Return the subject of a marker that covers one user's session; injective."""
    return bounded(json.dumps([user_id, session_key]))


def bounded(name: str) -> str:
    """Return ``name``, or its hash where it would outgrow a database's index together with a tenant and a user."""
    if len(name.encode("utf-8", "surrogatepass")) <= MAX_NAME_BYTES:
        return name
    return f"blake2b:{hashlib.blake2b(name.encode('utf-8', 'surrogatepass'), digest_size=32).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A request that was carried out.

    Args:
        deleted: how many messages were erased, and rows of the chat app's own deleted.
    """

    request: ForgetRequest
    deleted: int
    done_at: datetime


@dataclass(frozen=True, slots=True)
class Markers:
    """Forget markers: permanent, and stronger than whatever the source item still says.

    Args:
        times: (scope, subject as :class:`ForgetRequest` names it) → T of each request: what was saved before is forgotten.
            All of them count, not only the last: an item may have had another owner then.
    """

    times: Mapping[tuple[Scope, str], Sequence[datetime]] = field(default_factory=dict)

    def of_user(self, user_id: str, session_key: str) -> list[float]:
        """Return T, epoch seconds, of every request about this user here."""
        return self._of(("user", user_id), ("user_session", session_of(user_id, session_key)))

    def of_session(self, session_key: str) -> list[float]:
        """Return T, epoch seconds, of every request about this session, whoever owns it."""
        return self._of(("session", session_key))

    def _of(self, *subjects: tuple[Scope, str]) -> list[float]:
        return [time.timestamp() for subject in subjects for time in self.times.get(subject, ())]
