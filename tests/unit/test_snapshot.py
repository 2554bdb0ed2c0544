"""What a SnapStart snapshot may hold."""

import socket
import sys
from types import ModuleType
from typing import Any

import pytest

from pipeline import bootstrap
from pipeline.handlers import snapshot


def test_the_hooks_are_registered_where_the_runtime_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    hooks: dict[str, Any] = {}
    runtime: Any = ModuleType("snapshot_restore_py")
    runtime.register_before_snapshot = lambda hook: hooks.update(before=hook)
    runtime.register_after_restore = lambda hook: hooks.update(after=hook)
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", runtime)
    snapshot.prepare()
    assert hooks == {"before": bootstrap.warm, "after": bootstrap.forget_collaborators}


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
    bootstrap.warm()
    assert {"urllib3", "psycopg", "aws_lambda_powertools.utilities.parameters"} <= sys.modules.keys()
    assert bootstrap.recall.cache_info().currsize == 1


@pytest.mark.usefixtures("cut_off")
def test_a_restored_function_uses_no_object_of_the_snapshot() -> None:
    bootstrap.warm()
    before = (bootstrap.recall(), bootstrap.store(), bootstrap.embedder())
    bootstrap.forget_collaborators()
    after = (bootstrap.recall(), bootstrap.store(), bootstrap.embedder())
    assert all(old is not new for old, new in zip(before, after, strict=True))
