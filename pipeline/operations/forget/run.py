"""The command ``vector-memory forget``: the operation that ingest carries out for a request over the API, at once."""

import json
import time
from collections.abc import Callable
from uuid import uuid4

from pipeline.errors import SettingsError, VectorMemoryError
from pipeline.ingest.forget_executor import ForgetExecutor
from pipeline.ingest.forget_messages import next_second
from pipeline.operations.forget.near_ids import near
from pipeline.operations.terminal.outcome import Outcome
from pipeline.source.documents import ItemKey
from pipeline.stores.forget_requests import ForgetRequest, Forgotten
from pipeline.stores.inventory import Inventory

NOTHING_FOUND = 3
"""Exit status of a request that found nothing to forget."""
MAX_ITEMS = 2_000


def run_forget(  # noqa: PLR0913  # who, and how it is told
    forgetter: ForgetExecutor,
    inventory: Callable[[], Inventory],
    tenant_id: str,
    user_id: str | None,
    session_key: str | None,
    *,
    as_json: bool = False,
) -> Outcome:
    """Forget, and say what went; where nothing did, say so and name ids that may have been meant.

    Args:
        inventory: makes what reads the index; asked only if nothing was found.

    Raises:
        SettingsError: neither a user nor a session is named.
    """
    done = forget(forgetter, tenant_id, user_id, session_key)
    kept = "What was said up to now never becomes memory again, whatever is sent."
    request = f"request {done.request.id}: vector-memory certificate issue proves it"
    own = "The chat app's own items are untouched: delete them there if they must go as well."
    notes = [] if done.deleted else _suggestions(inventory, tenant_id, user_id, session_key)
    told = (
        f"forgotten: {done.deleted} messages"
        if done.deleted
        else "nothing found: memory holds nothing of that name"
    )
    text = _json(done) if as_json else f"{told}. {kept}"
    return Outcome(text, [*notes, own, request], status=0 if done.deleted else NOTHING_FOUND)


def _json(done: Forgotten) -> str:
    times = {"asked_at": done.request.asked_at.isoformat(), "done_at": done.done_at.isoformat()}
    return json.dumps({"id": done.request.id, "deleted": done.deleted, **times})


def _suggestions(
    inventory: Callable[[], Inventory], tenant_id: str, user_id: str | None, session_key: str | None
) -> list[str]:
    try:
        tenants, users, sessions = _known(inventory(), tenant_id)
    except VectorMemoryError as error:
        return [f"ids that are near cannot be named: {error}"]
    rows = (
        ("tenants", near(tenant_id, tenants) if tenant_id not in tenants else []),
        ("users", near(user_id, users) if user_id else []),
        ("sessions", near(session_key, sessions) if session_key else []),
    )
    return [f"{what} that are near: {', '.join(map(ascii, names))}" for what, names in rows if names]


def _known(inventory: Inventory, tenant_id: str) -> tuple[set[str], set[str], set[str]]:
    """Return the tenants that have memory, and the users and sessions of this one, as far as the first items tell."""
    items = [(tenant, source) for tenant, source, *_ in inventory.items()]
    sources = [source for tenant, source in items if tenant == tenant_id]
    users = {row.user_id for row in inventory.rows(sources[:MAX_ITEMS])} if sources else set()
    named = (ItemKey.values_of(source) for source in sources)
    return {tenant for tenant, _ in items}, users, {values[2] for values in named if values}


def forget(
    forgetter: ForgetExecutor, tenant_id: str, user_id: str | None, session_key: str | None
) -> Forgotten:
    """Forget a user, a session, or one user's session, up to now.

    Raises:
        SettingsError: neither is named.
    """
    if not (user_id or session_key):
        raise SettingsError("say whom or what to forget: --user, --session, or both")
    until, wait_seconds = next_second(time.time())
    time.sleep(wait_seconds)
    return forgetter.carry_out(
        ForgetRequest(uuid4().hex, tenant_id, until, user_id or None, session_key or None)
    )
