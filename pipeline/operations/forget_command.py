"""The command ``vector-memory forget``: the operation that ingest carries out for a request over the API, at once."""

from datetime import UTC, datetime
from uuid import uuid4

from pipeline.errors import SettingsError
from pipeline.stores.forgetting import ForgetRequest, Forgotten
from pipeline.stores.protocol import Store


def forget(store: Store, tenant_id: str, user_id: str | None, session_key: str | None) -> Forgotten:
    """Forget a user, a session, or one user's session, up to now.

    Raises:
        SettingsError: neither is named.
    """
    if not (user_id or session_key):
        raise SettingsError("say whom or what to forget: --user, --session, or both")
    asked_at = datetime.now(UTC)
    return store.forget(ForgetRequest(uuid4().hex, tenant_id, asked_at, user_id or None, session_key or None))
