"""A page over the local stack, and a browser to use it with."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import Browser
from support.browser import chromium
from support.deployed_stack import DeployedStack, until
from support.tab import DEADLINE_MS, Tab

from pipeline.local.page.people import Person
from pipeline.local.page.server import PageServer
from pipeline.local.stack import Stack

CAST = 80
PATIENCE_SECONDS = 45
"""With a machine that has more to do than these tests; what happens when memory stays away has its own test."""


@pytest.fixture(scope="module")  # while it runs, nothing else in its process can use asyncio
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def cast() -> list[Person]:
    """People enough for every test to have its own."""
    return [Person(f"tenant-{number}-{uuid4().hex[:6]}", "mika") for number in range(CAST)]


@pytest.fixture(scope="session")
def _strangers(cast: list[Person]) -> Iterator[Person]:
    return iter(cast)


@pytest.fixture
def person(_strangers: Iterator[Person]) -> Person:
    return next(_strangers)


@pytest.fixture
def other(_strangers: Iterator[Person]) -> Person:
    return next(_strangers)


def answers(deployed: DeployedStack) -> bool:
    """Tell whether memory answers at last; on a machine that is busy a cold function times out first."""
    try:
        return bool(deployed.contents())
    except RuntimeError:
        return False


@pytest.fixture(scope="module")
def page_server(stack: Stack, browser: Browser, cast: list[Person]) -> Iterator[PageServer]:  # noqa: ARG001  # no page without a browser
    warm = DeployedStack(stack, "warm")
    warm.save("chat:1", [{"role": "user", "content": "the functions are warm"}])
    until(lambda: answers(warm), "the pipeline works", 300)
    with PageServer(
        stack, {one: ["When does the arm ship?"] for one in cast}, patience_seconds=PATIENCE_SECONDS
    ) as serving:
        yield serving


@pytest.fixture
def open_tab(browser: Browser, page_server: PageServer) -> Iterator[Callable[..., Tab]]:
    """Open a tab in a browser of its own; any error of its scripts, and any request elsewhere, fails the test."""
    contexts, troubles = [], []

    def opened(
        url: str = page_server.url,
        *,
        width: int = 1440,
        height: int = 900,
        lost: bool = False,
        **options: str,
    ) -> Tab:
        given = {"locale": "en-GB", "timezone_id": "Asia/Tokyo", "reduced_motion": "reduce", **options}
        context = browser.new_context(viewport={"width": width, "height": height}, **given)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(DEADLINE_MS)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda line: None if lost or line.type != "error" else troubles.append(line.text))
        page.on(
            "request", lambda request: None if request.url.startswith(url) else troubles.append(request.url)
        )
        return Tab(page, url)

    yield opened
    for context in contexts:
        context.close()
    assert troubles == []
