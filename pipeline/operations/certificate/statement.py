"""What an erasure certificate says. Pure."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.errors import InvalidRequestError
from pipeline.operations.certificate.erasure import PLACES, Remains
from pipeline.stores.forget_requests import Forgotten

VERSION = 1
NOT_COVERED = (
    "the chat app's own items, which it keeps or deletes itself",
    "records of changes in DynamoDB's streams, which AWS keeps for 24 hours",
    "backups, snapshots and point-in-time recovery of databases and tables",
    "copies that somebody exported",
)
"""What no look of ours reaches; it is said in every certificate."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who says it.

    Args:
        name: the deployment's, as its operator calls it.
        software: this program and its version.
    """

    name: str
    software: str


def statement(issuer: Issuer, forgotten: Forgotten, remains: Remains, checked_at: datetime) -> bytes:
    """Return what is signed: JSON.

    Raises:
        InvalidRequestError: something is left, so there is nothing to certify.
    """
    if not remains.clean:
        raise InvalidRequestError(
            f"nothing is certified: {'; '.join(remains.notes)}", hint="see docs/export.md"
        )
    request = forgotten.request
    fields = {
        "type": "erasure",
        "version": VERSION,
        "issuer": issuer.name,
        "software": issuer.software,
        "request": {
            "id": request.id,
            "tenant_id": request.tenant_id,
            "user_id": request.user_id,
            "session_key": request.session_key,
            "saved_before": request.asked_at.isoformat(),
            "carried_out_at": forgotten.done_at.isoformat(),
            "messages_erased": forgotten.deleted,
        },
        "checked_at": checked_at.isoformat(),
        "places": [{"place": place, "looked_at": remains.looked_at[place], "left": 0} for place in PLACES],
        "not_covered": list(NOT_COVERED),
    }
    return json.dumps(fields, ensure_ascii=False, indent=2).encode()


def as_text(payload: bytes) -> str:
    """Return a certificate for people to read.

    Raises:
        InvalidRequestError: it is of a version that this program does not read.
    """
    try:
        fields: dict[str, Any] = json.loads(payload)
        if fields["version"] != VERSION:
            raise InvalidRequestError(
                f"the certificate is of version {fields['version']}",
                hint="use the program that wrote it, or a newer one",
            )
        request = fields["request"]
        lines = [
            f"Issued by {fields['issuer']} with {fields['software']}, checked at {fields['checked_at']}.",
            f"Erased: what was saved before {request['saved_before']} of {_subject(request)}.",
            f"Request {request['id']}, carried out at {request['carried_out_at']}: {request['messages_erased']} messages.",
            *(
                f"  {one['place']}: {one['looked_at']} looked at, {one['left']} left"
                for one in fields["places"]
            ),
            "Not covered:",
            *(f"  {one}" for one in fields["not_covered"]),
        ]
    except (KeyError, TypeError, ValueError):
        raise InvalidRequestError(
            "what was signed is no certificate of ours", hint="take a certificate"
        ) from None
    return "\n".join(lines)


def _subject(request: dict[str, Any]) -> str:
    named = ((request["user_id"], "user"), (request["session_key"], "session"))
    who = " and ".join(f"{what} {name!a}" for name, what in named if name is not None)
    return f"tenant {request['tenant_id']!a}, {who}"
