"""The command ``vector-memory forget``: the operation that ingest carries out for a request over the API, at once."""

import time
from uuid import uuid4

from pipeline.errors import SettingsError
from pipeline.ingest.forgetting import Forgetter
from pipeline.stores.forgetting import ForgetRequest, Forgotten, next_second


def forget(forgetter: Forgetter, tenant_id: str, user_id: str | None, session_key: str | None) -> Forgotten:
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
