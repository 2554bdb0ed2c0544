"""Puts a test's own parts into the container that functions and commands take theirs from."""

from functools import cached_property
from typing import Any

import pytest

from pipeline import bootstrap
from pipeline.container import Container
from pipeline.settings import Settings


def wire(monkeypatch: pytest.MonkeyPatch, **parts: Any) -> None:
    """Let every container have these parts, and begin with a new one, whose settings are not read yet."""
    for name, part in parts.items():
        made = cached_property(lambda _, part=part: part)
        made.__set_name__(Container, name)
        monkeypatch.setattr(Container, name, made)
    bootstrap.read_from(None)


def contained(monkeypatch: pytest.MonkeyPatch, settings: Settings | None = None, **parts: Any) -> Container:
    """Let this process's container be one with these settings and parts."""
    container = Container(settings or Settings())
    for name, part in parts.items():
        setattr(container, name, part)
    monkeypatch.setattr(bootstrap._Process, "container", container)
    return container
