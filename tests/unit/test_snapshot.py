"""What a SnapStart snapshot may hold."""

import socket
import sys
from functools import cached_property
from types import ModuleType
from typing import Any

import pytest

from pipeline import bootstrap
from pipeline.aws import Account
from pipeline.errors import SecretUnavailableError, SettingsError
from pipeline.handlers import snapshot


def test_the_hooks_are_registered_where_the_runtime_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    before: list[Any] = []
    after: list[Any] = []
    runtime: Any = ModuleType("snapshot_restore_py")
    runtime.register_before_snapshot = before.append
    runtime.register_after_restore = after.append
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", runtime)
    snapshot.prepare()
    assert (before, after) == ([snapshot.warm, snapshot.check_deployment], [bootstrap.renew])


def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", None)
    snapshot.prepare()


@pytest.fixture
def cut_off(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail whoever opens a connection."""
    monkeypatch.setenv("DATABASE_SECRET_ARN", aws.secret("database", "postgresql://u:p@db.example/memory"))
    monkeypatch.setenv("OPENAI_SECRET_ARN", aws.secret("openai", "key"))

    def refuse(*_: object) -> None:
        raise AssertionError("a connection before the snapshot")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.usefixtures("cut_off")
def test_warming_imports_what_a_question_needs_and_connects_to_nothing() -> None:
    snapshot.warm()
    assert {"urllib3", "psycopg", "aws_lambda_powertools.utilities.parameters"} <= sys.modules.keys()
    assert "memory_search" in vars(bootstrap.container())


@pytest.mark.usefixtures("cut_off")
def test_a_restored_function_uses_no_object_of_the_snapshot() -> None:
    snapshot.warm()
    before = bootstrap.container()
    old = (before.memory_search, before.store, before.embedder)
    bootstrap.renew()
    after = bootstrap.container()
    new = (after.memory_search, after.store, after.embedder)
    assert all(one is not other for one, other in zip(old, new, strict=True))


OF_NO_QUESTION = {"layouts", "announcer", "reconciler", "forget_executor", "digest"}
"""What the query function never makes: it needs a secret."""


def parts_of(made: object) -> dict[str, Any]:
    """Make every part that is made once; return them by name."""
    names = {
        name
        for kind in type(made).__mro__
        for name, one in vars(kind).items()
        if isinstance(one, cached_property) and name not in OF_NO_QUESTION
    }
    return {name: getattr(made, name) for name in sorted(names)}


@pytest.mark.usefixtures("cut_off")
def test_a_restored_function_makes_everything_anew_that_may_hold_a_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"AUTHENTICATION": "iam", "HOST": "db.example", "USER": "u"}.items():
        monkeypatch.setenv(f"DATABASE_{name}", value)
    container = bootstrap.container()
    backend: Any = container.backend
    old = [container.account, *(parts_of(one) for one in (container, backend, backend.login))]
    bootstrap.renew()
    container = bootstrap.container()
    backend = container.backend
    new = [container.account, *(parts_of(one) for one in (container, backend, backend.login))]
    assert old[0] is not new[0]
    for before, after in zip(old[1:], new[1:], strict=True):
        kept = {name for name in before if before[name] is after[name] and name != "embedding"}
        assert (kept, before.keys()) == (set(), after.keys())


@pytest.fixture
def function(aws: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return an account with a query function whose settings and secrets are right."""
    monkeypatch.setenv("DATABASE_SECRET_ARN", aws.secret("database", "postgresql://u:p@db.example/memory"))
    monkeypatch.setenv("OPENAI_SECRET_ARN", aws.secret("openai", "key"))
    return aws


@pytest.mark.usefixtures("function")
def test_a_version_whose_settings_are_right_is_published() -> None:
    snapshot.check_deployment()


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("TRUSTED_CALLERS", '{"arn:aws:iam::1:role/agent": {"acme": "*"},}', "TRUSTED_CALLERS must be JSON"),
        ("ATTRIBUTE_NAMES", '{"tenant": "t"}', "ATTRIBUTE_NAMES must be a JSON object"),
        ("EMBEDDING_DIMENSIONS", "1537", "1536 at most"),
        ("DATABASE_SECRET_ARN", "", "DATABASE_SECRET_ARN is not set"),
    ],
)
@pytest.mark.usefixtures("function")
def test_a_version_whose_settings_are_wrong_is_not_published_and_says_which(
    name: str, value: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    bootstrap.read_from(None)
    with pytest.raises(SettingsError, match=named):
        snapshot.check_deployment()


@pytest.mark.parametrize(("secret", "value"), [("database", '{"host": "h"}'), ("openai", '{"key": "k"}')])
def test_a_version_whose_secret_has_another_form_is_not_published(
    secret: str, value: str, function: Any
) -> None:
    function.secrets.put_secret_value(SecretId=secret, SecretString=value)
    pauses: list[float] = []
    with pytest.raises(SecretUnavailableError, match=secret if secret == "database" else "OpenAI"):
        snapshot.check_deployment(pauses.append)
    assert sum(pauses) == 30


def test_a_role_that_was_just_made_has_half_a_minute_to_be_known(
    function: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = iter([True] * 4)
    pauses: list[float] = []
    real = Account.read_secret

    def read(self: Account, arn: str) -> str:
        if next(refused, False):
            raise SecretUnavailableError("not yet")
        return real(self, arn)

    monkeypatch.setattr(Account, "read_secret", read)
    snapshot.check_deployment(pauses.append)
    assert next(refused, None) is None
    assert sum(pauses) == 30
    assert function
