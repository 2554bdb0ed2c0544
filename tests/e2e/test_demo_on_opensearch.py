"""The demo on a real OpenSearch: what it prints, its page in a browser, its commands, and ``--check``."""

import json
import re
import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from support.browser import chromium
from support.real_opensearch import require_opensearch
from support.running_demo import ADDRESS, PROGRAM, RunningDemo, own_tmp, running_demo
from support.tab import DEADLINE_MS, Tab

from pipeline.local import opensearch_node
from pipeline.local.page.people import Person

pytestmark = pytest.mark.e2e
MIKA = Person("acme", "mika")
REALLY = f"starting OpenSearch {opensearch_node.VERSION} and the local AWS"
UP_SECONDS = 900
"""A question passes through the local DynamoDB and a real OpenSearch many times, on a machine that may have much else to do."""
CHECK_SECONDS = 1_800
"""It asks some five hundred of them."""


@pytest.fixture(scope="module")
def _fetched() -> None:
    require_opensearch()
    if not opensearch_node.ready():
        opensearch_node.fetch()


@pytest.fixture(scope="module")
def demo(_fetched: None) -> Iterator[RunningDemo]:
    with running_demo("--store", "opensearch", up_seconds=UP_SECONDS) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def tab(browser: Browser, demo: RunningDemo) -> Iterator[Tab]:
    found = ADDRESS.search(demo.text)
    assert found
    page = browser.new_page(locale="en-GB", timezone_id="Asia/Tokyo")
    page.set_default_timeout(DEADLINE_MS)
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    yield Tab(page, found[1]).visit(MIKA)
    page.close()
    assert troubles == []


def test_it_says_that_the_real_one_runs_and_all_that_was_saved_is_memory(demo: RunningDemo) -> None:
    assert REALLY in demo.text
    assert "missing 0, extra 0, dead letters 0" in demo.text
    asked = re.search(r"(\d+) of (\d+) sample questions have their answer in the top 10", demo.text)
    assert asked, demo.text
    assert int(asked[1]) >= int(asked[2]) - 2


def test_the_commands_answer(demo: RunningDemo) -> None:
    who = ("--tenant", MIKA.tenant_id, "--user", MIKA.user_id)
    found = demo.json("search", *who, "When does the arm ship?")["results"]
    assert "12 December" in found[0]["content"]
    assert demo.json("audit")["findings"] == []
    assert demo.json("status")["dead_letters"] == 0


def test_a_search_on_the_page_finds_what_was_said_and_opens_it(tab: Tab) -> None:
    cards = tab.search("When does the arm ship?")
    expect(cards.filter(has_text="12 December").first).to_be_visible()
    cards.filter(has_text="12 December").first.get_by_role("button").first.click()
    expect(tab.page.locator("#messages")).to_contain_text("12 December")


def test_a_message_typed_on_the_page_becomes_memory_and_is_shown_in_the_browser(tab: Tab) -> None:
    tab.say("The copper kettle was descaled on the 4th of June.")
    expect(tab.search("copper kettle descaled").filter(has_text="4th of June").first).to_be_visible()
    tab.page.click("#open-memory")
    expect(tab.page.locator("#holdings")).to_have_attribute("aria-busy", "false")
    expect(tab.page.locator("#holdings")).to_contain_text("arm")


@pytest.mark.usefixtures("_fetched")
def test_the_check_passes() -> None:
    with own_tmp() as folder:
        done = subprocess.run(
            [PROGRAM, "demo", "--store", "opensearch", "--check"],
            capture_output=True,
            text=True,
            timeout=CHECK_SECONDS,
            check=False,
            env=RunningDemo.environment_in(folder),
        )
        left = list(folder.glob("vector-memory-*"))
    assert done.returncode == 0, done.stderr[-3000:]
    assert left == []
    assert REALLY in done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    wrong = ("missing", "extra", "dead_letters", "tokens_embedded_again", "unreadable_messages")
    assert {name: figures[name] for name in wrong} == dict.fromkeys(wrong, 0)
    assert figures["own_text_in_top_10"] >= 0.95
