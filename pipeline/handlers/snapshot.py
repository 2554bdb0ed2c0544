"""SnapStart: imports are made before Lambda takes the snapshot; connections are made after it is restored.

A hook that raises before the snapshot is taken makes Lambda refuse to publish the version, so settings are checked there.
"""

import gc
import time
from collections.abc import Callable
from datetime import UTC, datetime

from pipeline import bootstrap
from pipeline.container import Container
from pipeline.errors import SecretUnavailableError, SettingsError
from pipeline.readiness import problems
from pipeline.search.times import time_spans
from pipeline.secret_texts import api_key_of

SECRET_PAUSES_SECONDS = (2.0, 4.0, 8.0, 16.0)
"""Between tries to read a secret before a version is published: IAM is eventually consistent."""

OBJECTS_A_ROUND = 10_000
"""Containers made between two rounds of the garbage collector. A question makes thousands and hardly a cycle, so that rounds
as frequent as usual (700) find nothing; with fewer of them its processor time was 0.91 to 0.93 of what it was."""


def seldom_collect() -> None:
    """Take what was imported out of the garbage collector's rounds, and let there be few of them."""
    gc.freeze()
    gc.set_threshold(OBJECTS_A_ROUND)


def prepare() -> None:
    """Register the hooks with Lambda's runtime, where it has such; elsewhere do nothing."""
    try:
        from snapshot_restore_py import register_after_restore, register_before_snapshot  # noqa: PLC0415  # the runtime's
    except ImportError:
        return
    register_before_snapshot(warm)
    register_before_snapshot(check_deployment)  # the last that is registered is the first that is run
    register_after_restore(bootstrap.renew)


def warm() -> None:
    """Import and wire what a question needs; connects to nothing and reads no secret.

    Raises:
        SettingsError: a setting is wrong, which so shows when a version is published.
    """
    container = bootstrap.container()
    _ = container.authenticator
    for question in ("yesterday", "昨日"):  # the patterns of both languages
        time_spans(question, datetime.now(UTC))
    from aws_lambda_powertools.utilities import parameters  # noqa: F401, PLC0415, RUF100

    if container.settings.embedding.provider == "openai":
        import urllib3  # noqa: F401, PLC0415, RUF100
    if container.backend.following is None:  # else it is for the database to say which space is active
        _ = container.memory_search, container.freshness_gate


def check_deployment(sleep: Callable[[float], None] = time.sleep) -> None:
    """Return if the query function's settings hold and its secrets can be read and are of the right form.

    Run before a version is published, so that one that could answer nothing is not. A role that was just made may be refused for
    some seconds, so secrets are tried again for half a minute. Keeps nothing of them.

    Raises:
        SettingsError: settings are wrong; the message names all of them.
        SecretUnavailableError: a secret cannot be read, or does not hold what it should.
    """
    if found := problems("query", bootstrap.environment()):
        raise SettingsError("; ".join(found))
    container = bootstrap.container()
    for pause in SECRET_PAUSES_SECONDS:
        try:
            return _check_secrets(container)
        except SecretUnavailableError:
            sleep(pause)
    return _check_secrets(container)


def _check_secrets(container: Container) -> None:
    container.backend.check_login()
    settings = container.settings
    if settings.embedding.provider == "openai" and settings.openai_secret_arn:
        api_key_of(container.account.read_secret(settings.openai_secret_arn))
