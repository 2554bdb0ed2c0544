"""Who is speaking. A browser tab holds a signed pass; what it says in a body about tenants is never read. Pure."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

_KANA = re.compile("[\u3041-\u30ff]")


@dataclass(frozen=True, slots=True, order=True)
class Person:
    """A user of a tenant; where both ids are the same, what the tenant's people share."""

    tenant_id: str
    user_id: str


@dataclass(frozen=True, slots=True)
class SessionTokens:
    """Signs tokens, and reads those that it signed.

    Args:
        key: secret, of this server's process: a restarted server asks for new tokens.
    """

    key: bytes = field(repr=False)

    def sign(self, person: Person) -> str:
        """Return a token for ``person``: ASCII, fit for a header."""
        claim = json.dumps([person.tenant_id, person.user_id]).encode()
        return f"{_text(claim)}.{_text(self._seal(claim))}"

    def read(self, given: str) -> Person | None:
        """Return whose pass it is; ``None`` unless it was signed with this key."""
        try:
            claim, seal = (base64.b64decode(part, b"-_", validate=True) for part in given.split("."))
        except ValueError:
            return None
        if not hmac.compare_digest(seal, self._seal(claim)):
            return None
        return Person(*json.loads(claim))

    def _seal(self, claim: bytes) -> bytes:
        return hmac.digest(self.key, claim, hashlib.sha256)


def introduced(person: Person, questions: Sequence[str]) -> dict[str, Any]:
    """Return what the page is told of a person: who, in which language most is asked of them, and how much there is."""
    japanese = sum(1 for question in questions if _KANA.search(question))
    return {
        "tenant_id": person.tenant_id,
        "user_id": person.user_id,
        "language": "ja" if 2 * japanese > len(questions) else "en",
        "questions": len(questions),
    }


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()
