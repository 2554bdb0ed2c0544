"""The rooms that show memory, in a real browser over canned answers: widths, languages, both schemes. No stack is started."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args
from unittest.mock import create_autospec

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect

from pipeline.local.page.actions import Actions, AskedWronglyError
from pipeline.local.page.app import page_app
from pipeline.local.page.event_broker import EventBroker
from pipeline.local.page.people import Person, SessionTokens
from pipeline.local.page.server import _listening
from pipeline.operations.items.differences import Kind

pytestmark = pytest.mark.web
MEASURES = (Path(__file__).parent / "measures.js").read_text("utf-8")
MIKA, KEN = Person("acme", "mika"), Person("hayashi", "ken")
SAID = 1792513800000  # 20 October 2026, 16:30 UTC: the 21st in Tokyo
KEY = "slack:" + "k" * 90
HIT = {
    "id": "1",
    "key": KEY,
    "kind": "session",
    "roles": ["user", "assistant"],
    "created_at": "2026-10-20T16:30:00Z",
    "similarity": 0.7,
    "score": 0.8,
    "why": {"vector": 0.7, "lexical": 0.6},
    "text": "user: Where is the copper kettle?\nassistant: In the pantry.",
}
PASSAGE = {
    "id": "1",
    "score": 0.8123,
    "similarity": 0.71,
    "stands_out": 2.3,
    "words": {"copper": 3.21, "kettl": 2.2},
    "words_share": 0.8,
    "age_factor": 1.0,
    "of_time_asked": True,
    "superseded_by": "2",
}
SIMILARITY = {"usual": 0.3, "spread": 0.1, "weight": 0.5}


def piece(name: str, state: str, text: str | None, reason: str = "", at: int | None = SAID) -> dict[str, Any]:
    return {
        "id": name,
        "state": state,
        "text": text,
        "at": at,
        "saved_at": at,
        "reason": reason,
        "messages": 1,
    }


PIECES = [
    piece("a", "live", "user: Where is the copper kettle?\nassistant: In the pantry."),
    piece("b", "kept", "x" * 300 + " https://example.org/" + "a/" * 90, "capped", None),
    piece("c", "unexplained", None, "unexplained", SAID + 1000),
    piece("d", "erased", None, "forgotten", SAID + 86_400_000),
]
SEEN = {
    "waiting": 1,
    "delayed": 2,
    "dead": 1,
    "letters": [{"id": "m", "cause": "malformed_item", "error": "no JSON", "key": "b" * 120}],
    "items": 5,
    "embedded": 10,
    "reused": 3,
    "tokens": 1234,
    "dollars": 0.00123,
    "lag_p50": 312.4,
    "audit": {"at": SAID / 1000, "items": 41, "unexplained": 2, "counts": dict.fromkeys(get_args(Kind), 3)},
}


@pytest.fixture
def actions() -> Any:
    made = create_autospec(Actions, instance=True)
    made.starters = {MIKA: ["When?", "Where?"], KEN: ["いつですか"]}
    made.chats.return_value = {
        "chats": [{"key": KEY, "title": "Where is the kettle?", "updated_at": "2026-10-21T10:00:00Z"}],
        "starters": ["When?"],
    }
    made.related.return_value = {"related": []}
    made.search.return_value = {
        "results": [HIT, {**HIT, "id": "2", "text": "user: How often is it descaled?"}]
    }
    made.why.return_value = {"passage": PASSAGE, "similarity": SIMILARITY, "confidence": 0.9}
    made.agent.return_value = {
        "text": "<recalled-memory-3f>\nIn the pantry.\n</recalled-memory-3f>",
        "tokens": 12,
        "left_out": {"no room, or not asked for": 2},
    }
    made.held.return_value = {
        "items": [{"key": KEY, "kind": "session", "at": SAID, "states": {}, "pieces": PIECES}]
    }
    made.pipeline.return_value = SEEN
    return made


@pytest.fixture
def address(actions: Any) -> Iterator[str]:
    listener = _listening(0)
    port = listener.getsockname()[1]
    app = page_app(actions, EventBroker("s"), SessionTokens(b"k" * 32), [MIKA, KEN], port)
    config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}/"
    server.should_exit = True
    thread.join(10)
    listener.close()


@pytest.fixture
def opened(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    contexts, troubles = [], []

    def make(
        width: int = 1440, locale: str = "en-GB", scheme: Any = "light", *, refused: bool = False
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            locale=locale,
            timezone_id="Asia/Tokyo",
            color_scheme=scheme,
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        expected = "the server responded with a status of" if refused else "nothing"
        page.on(
            "console",
            lambda line: (
                troubles.append(line.text) if line.type == "error" and expected not in line.text else None
            ),
        )
        page.goto(address)
        expect(page.locator("body[data-ready=true]")).to_be_attached()
        return page

    yield make
    for context in contexts:
        context.close()
    assert troubles == []


def view(page: Page, name: str) -> None:
    tab = page.locator(f"#tabs [data-view={name}]")
    if tab.is_visible():
        tab.click()
    else:
        page.click(f"#open-{name}")


def search(page: Page) -> None:
    view(page, "search")
    page.fill("#query", "copper kettle")
    page.press("#query", "Enter")
    expect(page.locator("#results .card")).to_have_count(1)


def furnish(page: Page, name: str) -> None:
    """Open everything that a room has to open."""
    if name == "search":
        search(page)
        page.locator("#results summary").click()
        page.locator("#agent summary").click()
        expect(page.locator("[data-why=score]")).to_be_visible()
        expect(page.locator("#agent-text")).to_be_visible()
        return
    view(page, name)
    if name == "memory":
        page.locator("#holdings summary").first.click()
        expect(page.locator(".piece")).to_have_count(len(PIECES))
    else:
        expect(page.locator("[data-figure=tokens]")).to_be_visible()
        expect(page.locator("[data-redrive]")).to_be_visible()
        expect(page.locator("#audit")).to_contain_text("41")


def measured(page: Page, name: str) -> Any:
    return page.evaluate(f"async () => {{ {MEASURES}\n return {name}(); }}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-GB", "ja-JP"])
@pytest.mark.parametrize("width", [360, 768, 1440])
def test_every_room_fits_reads_and_is_named(
    opened: Callable[..., Page], width: int, locale: str, scheme: str
) -> None:
    page = opened(width, locale, scheme)
    for name in ("search", "memory", "pipeline"):
        furnish(page, name)
        assert measured(page, "stickingOut") == [], name
        assert measured(page, "nameless") == [], name
        assert measured(page, "repeatedIds") == [], name
        assert [one for one in measured(page, "contrasts") if one["ratio"] < one["wanted"]] == [], name
        if locale == "ja-JP":
            assert measured(page, "untranslated") == [], name


def test_states_and_reasons_are_told_and_days_are_the_readers(opened: Callable[..., Page]) -> None:
    page = opened()
    furnish(page, "memory")
    told = {state: page.locator(f".piece.{state}") for state in ("live", "kept", "unexplained", "erased")}
    expect(told["live"]).to_contain_text("copper kettle")
    expect(told["kept"]).to_contain_text("The app trimmed it off")
    expect(told["unexplained"]).to_contain_text("no record has said why yet")
    expect(told["erased"]).to_contain_text("No text is left")
    expect(told["live"]).to_contain_text("21")
    page.select_option("#memory-by", "day")
    expect(page.locator("#holdings .holding")).to_have_count(3)  # the 21st, the 22nd, and no date
    page.select_option("#memory-only", "erased")
    expect(page.locator("#holdings .holding")).to_have_count(1)


def test_a_reason_stays_open_when_the_same_question_is_answered_again(opened: Callable[..., Page]) -> None:
    page = opened()
    furnish(page, "search")
    page.press("#query", "Enter")
    expect(page.locator("#results")).to_have_attribute("aria-busy", "false")
    expect(page.locator("[data-why=words]")).to_contain_text("copper 3.21")
    expect(page.locator("[data-why=superseded]")).to_have_text("yes")
    expect(page.locator("#agent-state")).to_have_text("12 tokens · 2 left out: no room")
    expect(page.locator("#agent-text")).to_contain_text("In the pantry.")


def test_the_speakers_filter_shows_that_speaker_only(opened: Callable[..., Page]) -> None:
    page = opened()
    search(page)
    page.select_option("#filter-role", "assistant")
    expect(page.locator("#results .quote").first).to_have_text("Assistant: In the pantry.")


def test_the_pipeline_is_live_and_says_when_it_cannot_be_seen(
    opened: Callable[..., Page], actions: Any
) -> None:
    page = opened()
    furnish(page, "pipeline")
    expect(page.locator("[data-figure=tokens]")).to_have_text("1,234")
    expect(page.locator("[data-figure=delayed]")).to_have_text("2")
    expect(page.locator("#figures")).not_to_contain_text("NaN")
    expect(page.locator("#letters")).to_contain_text("malformed_item")
    actions.pipeline.return_value = {**SEEN, "tokens": 99_999, "dead": 0, "letters": []}
    expect(page.locator("[data-figure=tokens]")).to_have_text("99,999")
    expect(page.locator("#letters-help")).to_contain_text("None")


def test_a_button_keeps_its_focus_while_the_figures_change(opened: Callable[..., Page], actions: Any) -> None:
    page = opened()
    furnish(page, "pipeline")
    again = page.get_by_role("button", name="Send again: malformed_item")
    again.focus()
    actions.pipeline.return_value = {**SEEN, "tokens": 4_321}
    expect(page.locator("[data-figure=tokens]")).to_have_text("4,321")
    expect(again).to_be_focused()
    foreign = {"id": "n", "cause": "crashed", "error": "", "key": None}
    actions.pipeline.return_value = {**SEEN, "letters": [foreign]}
    expect(again).to_have_count(0)
    expect(page.locator("#letters li")).to_have_count(1)  # another tenant's: told, and not theirs to send


def test_an_answer_for_one_person_is_not_shown_to_the_next(opened: Callable[..., Page], actions: Any) -> None:
    late = threading.Event()

    def look(person: Person, _: Any) -> Any:
        if person == MIKA:
            late.wait(60)
            return SEEN
        return {**SEEN, "dead": 0, "letters": [], "tokens": 77}

    actions.pipeline.side_effect = look
    page = opened()
    view(page, "pipeline")
    page.select_option("#person", "1")
    expect(page.locator("[data-figure=tokens]")).to_have_text("77")
    with page.expect_response(lambda answer: "malformed_item" in answer.text()):
        late.set()
    expect(page.locator("[data-figure=tokens]")).to_have_text("77")
    assert "malformed_item" not in page.content()


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ({"sent": 2, "left": 0}, "2 notices were sent again."),
        ({"sent": 1, "left": 3}, "1 notice was sent again, 3 are left."),
        (AskedWronglyError(503, "queue_away"), "The queue does not answer."),
    ],
)
def test_redrive_tells_its_outcome(
    opened: Callable[..., Page], actions: Any, outcome: Any, told: str
) -> None:
    actions.redrive.side_effect = [outcome]
    actions.pipeline.return_value = {**SEEN, "audit": None}
    page = opened(refused=isinstance(outcome, Exception))
    view(page, "pipeline")
    expect(page.locator("#audit")).to_contain_text("None yet.")
    page.get_by_role("button", name="Send again: malformed_item").click()
    page.get_by_role("dialog").get_by_role("button", name="Send again").click()
    expect(page.locator("#redrive-state")).to_contain_text(told)
    assert actions.redrive.call_args.args[1] == {"cause": "malformed_item"}


@pytest.mark.parametrize(("locale", "tenant"), [("ja-JP", "hayashi"), ("en-GB", "acme"), ("fr-FR", "acme")])
def test_a_browser_begins_in_its_language_with_somebody_who_is_asked_in_it(
    opened: Callable[..., Page], locale: str, tenant: str
) -> None:
    page = opened(locale=locale)
    assert page.evaluate("() => document.documentElement.lang") == ("ja" if locale == "ja-JP" else "en")
    assert page.evaluate("() => JSON.parse(sessionStorage.getItem('person')).tenant_id") == tenant
