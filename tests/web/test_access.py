"""The page for everybody: names, contrast, focus, widths. All by script, in a real browser."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from support.deployed_stack import DeployedStack
from support.tab import Tab

from pipeline.local.page.people import Person
from pipeline.local.stack import Stack

pytestmark = pytest.mark.web
OpenTab = Callable[..., Tab]
MEASURES = (Path(__file__).parent / "measures.js").read_text("utf-8")
VIEWS = ("chats", "chat", "related", "search", "memory", "pipeline")
TALK = [
    {"role": "system", "content": "Be brief.", "timestamp": "2026-10-20T09:59:00Z"},
    {
        "role": "user",
        "content": "Which valve leaks? 漏れている弁はどれですか。",
        "timestamp": "2026-10-20T10:00:00Z",
    },
    {
        "role": "assistant",
        "content": "Valve B-7.\n```sh\nvalves --status | sort --key=3 --reverse | head -n 40\n```",
    },
    {
        "role": "user",
        "content": "x" * 300 + " https://example.org/" + "a/" * 200,
        "timestamp": "2026-10-20T10:02:00Z",
    },
]


@pytest.fixture
def furnished(open_tab: OpenTab, person: Person, stack: Stack) -> Callable[..., Tab]:
    """Open the page with a conversation, a related one, search results, and a strip."""
    deployed = DeployedStack(stack, person.tenant_id)
    deployed.save("slack:" + "k" * 120, TALK, user_id=person.user_id, updated_at="2026-10-20T10:02:00Z")

    def opened(**options: Any) -> Tab:
        tab = open_tab(**options).visit(person)
        tab.say("Does valve B-7 still leak? 弁 B-7 はまだ漏れていますか。")
        expect(tab.page.locator("#related .card")).not_to_have_count(0)
        expect(tab.search("valve leak")).not_to_have_count(0)
        return tab

    return opened


def measure(tab: Tab, name: str) -> Any:
    return tab.script(f"async () => {{ {MEASURES}\n return {name}(); }}")


def every_view(tab: Tab) -> list[str]:
    return [name for name in VIEWS if tab.page.locator(f"#tabs [data-view={name}]").is_visible()] or [
        "search",
        "memory",
        "pipeline",
        "chat",
    ]


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_nothing_sticks_out_sideways(furnished: Callable[..., Tab], width: int) -> None:
    tab = furnished(width=width, height=800)
    for name in every_view(tab):
        tab.view(name)
        assert measure(tab, "stickingOut") == [], name


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
def test_text_and_edges_stand_out_enough(furnished: Callable[..., Tab], scheme: str, width: int) -> None:
    """WCAG 2.2: 4.5 to 1 for text, 3 to 1 for the edges of controls."""
    tab = furnished(width=width, height=800, color_scheme=scheme)
    worst, seen = 21.0, 0
    for name in every_view(tab):
        tab.view(name)
        for found in measure(tab, "contrasts"):
            assert found["ratio"] >= found["wanted"], (name, found)
            worst, seen = min(worst, found["ratio"]), seen + 1
    print(f"\n{scheme}, {width} px: {seen} texts and edges, worst contrast {worst:.2f}")
    assert seen > 20


@pytest.mark.parametrize("width", [360, 1440])
def test_every_control_has_a_name_and_every_part_its_place(furnished: Callable[..., Tab], width: int) -> None:
    tab = furnished(width=width, height=800, locale="ja-JP")
    for name in every_view(tab):
        tab.view(name)
        assert measure(tab, "nameless") == [], name
        assert measure(tab, "untranslated") == [], name
    page = tab.page
    assert page.locator("h1").count() == 1
    for role in ("banner", "main", "complementary", "navigation"):
        assert page.get_by_role(role, include_hidden=True).count() >= 1, role
    assert measure(tab, "repeatedIds") == []


@pytest.mark.parametrize("width", [360, 1440])
def test_the_keyboard_goes_everywhere_in_the_order_one_reads_and_shows_where_it_is(
    furnished: Callable[..., Tab], width: int
) -> None:
    tab = furnished(width=width, height=800)
    tab.view("chat")
    tab.page.locator("body").evaluate(
        "body => { document.activeElement.blur(); body.tabIndex = -1; body.focus(); body.removeAttribute('tabindex'); }"
    )
    wanted = measure(tab, "focusable")
    reached = []
    for _ in wanted:
        tab.page.keyboard.press("Tab")
        reached.append(measure(tab, "focused"))
    assert [one["name"] for one in reached] == wanted
    assert [one["name"] for one in reached if not one["visible"]] == []
    assert reached[0]["name"].startswith("a")


def test_the_skip_link_leads_to_the_conversation(open_tab: OpenTab, person: Person) -> None:
    tab = open_tab().visit(person)
    tab.page.locator("body").evaluate("body => document.activeElement.blur()")
    tab.page.keyboard.press("Tab")
    expect(tab.page.locator(".skip")).to_be_focused()
    expect(tab.page.locator(".skip")).to_be_in_viewport()
    tab.page.keyboard.press("Enter")
    expect(tab.page.locator("#main")).to_be_focused()


def test_a_change_is_told_to_a_screen_reader(open_tab: OpenTab, person: Person) -> None:
    tab = open_tab().visit(person)
    expect(tab.page.locator("#related-state[role=status]")).to_have_text(re.compile("appears here"))
    tab.say("The ladder stands in the cellar.")
    expect(tab.page.locator("#announce[aria-live=polite]")).to_have_text(
        re.compile(r"Your message can be found in memory, after \d+ milliseconds\.")
    )


def test_asking_back_keeps_the_focus_inside_and_gives_it_back(open_tab: OpenTab, person: Person) -> None:
    tab = open_tab().visit(person)
    tab.say("The ladder stands in the cellar.")
    tab.page.get_by_role("button", name="Forget conversation").focus()
    tab.page.keyboard.press("Enter")
    expect(tab.page.get_by_role("dialog").get_by_role("button", name="Cancel")).to_be_focused()
    tab.page.keyboard.press("Escape")
    expect(tab.page.get_by_role("dialog")).to_have_count(0)
    expect(tab.page.get_by_role("button", name="Forget conversation")).to_be_focused()
    expect(tab.page.locator("#messages > li")).to_have_count(2)


def test_a_japanese_conversion_is_not_sent_by_its_enter(open_tab: OpenTab, person: Person) -> None:
    tab = open_tab().visit(person)
    tab.page.fill("#draft", "かんじ")
    tab.page.locator("#draft").evaluate(
        "draft => draft.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true, cancelable: true }))"
    )
    expect(tab.page.locator("#draft")).to_have_value("かんじ")
    expect(tab.page.locator("#messages > li")).to_have_count(0)


def test_memory_that_is_away_is_said_and_comes_back_by_itself(open_tab: OpenTab, person: Person) -> None:
    tab = open_tab(lost=True).visit(person)
    away = {"status": 503, "json": {"code": "memory_away"}}
    for name in ("related", "search"):
        tab.page.route(f"**/api/{name}", lambda route: route.fulfill(**away))
    tab.page.fill("#draft", "ladder")
    expect(tab.page.locator("#related-state")).to_have_text(re.compile("Memory does not answer just now"))
    tab.search("ladder")
    expect(tab.page.locator("#search-state")).to_have_text(re.compile("Memory does not answer just now"))
    for name in ("related", "search"):
        tab.page.unroute(f"**/api/{name}")
    expect(tab.page.locator("#related-state")).to_have_text("Nothing in memory bears on this.")
    expect(tab.page.locator("#search-state")).to_have_text(re.compile("Nothing found"))


def test_the_theme_is_remembered(open_tab: OpenTab, person: Person) -> None:
    tab = open_tab(color_scheme="dark").visit(person)
    tab.page.get_by_role("button", name="Theme: system").click()
    expect(tab.page.get_by_role("button", name="Theme: light")).to_be_visible()
    tab.page.reload()
    tab.ready()
    assert tab.script("() => getComputedStyle(document.body).backgroundColor") == "rgb(251, 250, 247)"
