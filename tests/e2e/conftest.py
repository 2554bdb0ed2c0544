"""The real template on the local AWS, with a real Postgres: started once for all tests of this folder."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from support.house import House

from pipeline.local.stack import Stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    with Stack() as running:
        yield running


@pytest.fixture
def house(stack: Stack) -> House:
    return House(stack, f"tenant-{uuid4().hex[:8]}")
