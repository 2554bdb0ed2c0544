"""What somebody does on the page, in a real browser, over the deployed template."""

import json
import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from support.deployed_stack import DeployedStack, until
from support.tab import Tab

from pipeline.local.page.people import Person
from pipeline.local.page.server import PageServer
from pipeline.local.stack import Stack

pytestmark = pytest.mark.web
OpenTab = Callable[..., Tab]

OLD_TALK = [
    {"role": "user", "content": "When does the robot arm ship?", "timestamp": "2026-10-20T10:00:00Z"},
    {
        "role": "assistant",
        "content": "The arm ships on 12 December from Osaka.",
        "timestamp": "2026-10-20T10:00:05Z",
    },
    {
        "role": "user",
        "content": "請求書の宛名は田中商店でお願いします。",
        "timestamp": "2026-10-20T10:01:00Z",
    },
    {
        "role": "assistant",
        "content": "承知しました。田中商店宛てで発行します。",
        "timestamp": "2026-10-20T10:01:05Z",
    },
]


@pytest.fixture
def deployed(stack: Stack, person: Person) -> DeployedStack:
    return DeployedStack(stack, person.tenant_id)


def remember(
    deployed: DeployedStack, person: Person, key: str = "slack:old", talk: list[dict[str, str]] = OLD_TALK
) -> None:
    """Save a conversation as another channel of the chat app would, and wait until it is memory."""
    deployed.save(key, talk, user_id=person.user_id, updated_at="2026-10-20T10:01:05Z")
    last = talk[-1]["content"]
    until(lambda: any(last in one for one in deployed.contents(last, user=person.user_id)), "it is memory")


def test_a_first_visit_tells_what_to_do(open_tab: OpenTab, person: Person) -> None:
    tab = open_tab().visit(person)
    expect(tab.page.get_by_role("heading", name="What would you like to talk about?")).to_be_visible()
    expect(tab.page.get_by_role("heading", name="Related past conversations")).to_be_visible()
    expect(tab.page.get_by_text("No conversations yet.")).to_be_visible()
    tab.page.get_by_role("button", name="When does the arm ship?").click()
    expect(tab.page.get_by_label("Message", exact=True)).to_have_value("When does the arm ship?")
    expect(tab.page.get_by_label("Message", exact=True)).to_be_focused()
    expect(tab.page.locator("#related-state")).to_have_text("Nothing in memory bears on this.")


def test_a_chat_in_both_languages_is_saved_as_the_chat_app_saves(
    open_tab: OpenTab, person: Person, deployed: DeployedStack
) -> None:
    tab = open_tab().visit(person)
    tab.say("The spare key hangs behind the blue door.")
    expect(tab.page.locator("#messages")).to_contain_text("Memory holds nothing yet that bears on this.")
    tab.page.get_by_role("button", name="日本語").click()
    expect(tab.page.locator("html")).to_have_attribute("lang", "ja")
    expect(tab.page.get_by_role("heading", name="関連する過去の会話")).to_be_visible()
    tab.say("合鍵は青い扉の裏に掛けてあります。")
    expect(tab.page.locator("#messages")).to_contain_text("これに関わる記憶はまだありません。")
    [item] = deployed.stack.client("dynamodb").query(
        TableName=deployed.table(),
        KeyConditionExpression="tenant_id = :tenant",
        ExpressionAttributeValues={":tenant": {"S": person.tenant_id}},
    )["Items"]
    assert {name: next(iter(value)) for name, value in item.items()} == {
        "tenant_id": "S",
        "session_key": "S",
        "user_id": "S",
        "messages": "S",
        "created_at": "S",
        "updated_at": "S",
        "ttl": "N",
    }
    messages = json.loads(item["messages"]["S"])
    assert [message["role"] for message in messages] == ["user", "assistant"] * 2
    assert messages[2]["content"] == "合鍵は青い扉の裏に掛けてあります。"
    assert all(message["timestamp"] for message in messages)


def test_language_conversation_and_draft_outlast_a_reload(open_tab: OpenTab, person: Person) -> None:
    tab = open_tab().visit(person)
    tab.say("The spare key hangs behind the blue door.")
    tab.page.get_by_role("button", name="日本語").click()
    tab.page.fill("#draft", "書きかけ")
    tab.page.reload()
    tab.ready()
    expect(tab.page.locator("html")).to_have_attribute("lang", "ja")
    expect(tab.page.locator("#messages")).to_contain_text("blue door")
    expect(tab.page.locator("#draft")).to_have_value("書きかけ")


def test_a_related_conversation_appears_while_one_types_and_opens_at_its_place(
    open_tab: OpenTab, person: Person, deployed: DeployedStack
) -> None:
    remember(deployed, person)
    tab = open_tab().visit(person)
    tab.page.locator("#draft").press_sequentially("田中商店の請求書", delay=20)
    card = tab.page.locator("#related .card")
    expect(card).to_have_count(1)
    expect(card.locator("mark").first).to_have_text(re.compile("田中商店|請求書"))
    expect(card.locator(".why")).to_contain_text(re.compile(r"Why: meaning \d+ of 100, words \d+ of 100"))
    card.get_by_role("button").click()
    here = tab.page.locator("#messages .here")
    expect(here).to_contain_text("請求書の宛名")
    expect(here).to_be_focused()
    expect(here).to_be_in_viewport()
    expect(tab.page.locator("#draft")).to_have_value("田中商店の請求書")


def test_opening_a_conversation_shows_others_that_bear_on_it(
    open_tab: OpenTab, person: Person, deployed: DeployedStack
) -> None:
    remember(deployed, person)
    # A question that says nothing new is not told by a search, so that one could not wait for it.
    asked = "Has the robot arm been shipped from Osaka? I ordered the blue one with three fingers."
    remember(deployed, person, "line:new", [{"role": "user", "content": asked}])
    tab = open_tab().visit(person)
    tab.page.locator("#chats button", has_text="Has the robot arm").click()
    expect(tab.page.locator("#related .card")).to_contain_text("When does the robot arm ship?")
    expect(tab.page.locator("#related .card")).to_have_count(1)


def test_search_goes_across_all_memory_and_its_filters_hold(
    open_tab: OpenTab, person: Person, deployed: DeployedStack
) -> None:
    remember(deployed, person)
    remember(
        deployed,
        person,
        "app:other",
        [{"role": "user", "content": "The arm needs oil.", "timestamp": "2026-11-01T00:00:00Z"}],
    )
    tab = open_tab().visit(person)
    expect(tab.search("robot arm")).not_to_have_count(0)
    cards = tab.page.locator("#results .card")
    expect(cards.filter(has_text="needs oil")).to_have_count(1)
    tab.page.fill("#filter-until", "2026-10-31")
    expect(cards.filter(has_text="needs oil")).to_have_count(0)
    expect(cards).not_to_have_count(0)
    tab.page.fill("#filter-until", "")
    tab.page.select_option("#filter-role", "assistant")
    expect(cards.filter(has_text="needs oil")).to_have_count(0)
    tab.page.select_option("#filter-kind", "daily")
    expect(tab.page.locator("#search-state")).to_have_text(
        "Nothing found. Try other words, or fewer filters."
    )
    tab.page.select_option("#filter-kind", "session")
    cards.filter(has_text="12 December").first.get_by_role("button").click()
    expect(tab.page.locator("#messages .here")).to_be_focused()


@pytest.mark.parametrize("which", ["first", "second"])
def test_a_forgotten_message_leaves_the_conversation_and_memory(
    open_tab: OpenTab, person: Person, deployed: DeployedStack, which: str
) -> None:
    remember(deployed, person)
    doomed, kept = ("robot arm ship", "請求書") if which == "first" else ("12 December", "robot arm ship")
    tab = open_tab().visit(person)
    tab.page.locator("#chats button").click()
    message = tab.page.locator("#messages > li", has_text=doomed)
    message.hover()
    message.get_by_role("button", name="Forget").click()
    tab.page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(message).to_have_count(1)
    message.get_by_role("button", name="Forget").click()
    tab.page.get_by_role("dialog").get_by_role("button", name="Forget").click()
    expect(message).to_have_count(0)
    tab.settled("forget")
    left = deployed.contents(doomed, user=person.user_id)
    assert not [one for one in left if doomed in one]
    assert [one for one in left if kept in one]
    expect(tab.search(doomed).filter(has_text=doomed)).to_have_count(0)


def test_a_forgotten_conversation_is_gone(open_tab: OpenTab, person: Person, deployed: DeployedStack) -> None:
    remember(deployed, person)
    tab = open_tab().visit(person)
    tab.page.locator("#chats button").click()
    tab.page.get_by_role("button", name="Forget conversation").click()
    tab.page.get_by_role("dialog").get_by_role("button", name="Forget").click()
    expect(tab.page.get_by_text("No conversations yet.")).to_be_visible()
    tab.settled("forget")
    assert deployed.contents("robot arm", user=person.user_id) == []
    expect(tab.search("robot arm")).to_have_count(0)


def test_two_tenants_in_two_tabs_see_nothing_of_each_other(
    open_tab: OpenTab, person: Person, other: Person
) -> None:
    tab = open_tab().visit(person)
    foreign = Tab(tab.page.context.new_page(), tab.url).visit(other)
    tab.say("The code is plum.")
    foreign.say("The code is pear.")
    for mine, secret, seen in ((tab, "pear", "plum"), (foreign, "plum", "pear")):
        expect(mine.search("The code is").filter(has_text=seen)).to_have_count(1)
        mine.page.reload()
        mine.ready()
        mine.page.fill("#draft", "What is the code?")
        expect(mine.page.locator("#related-state")).not_to_be_empty()
        expect(mine.search(f"The code is {secret}").filter(has_text=secret)).to_have_count(0)
        assert secret not in mine.page.content()


def test_switching_leaves_nothing_of_the_person_before_on_the_page(
    open_tab: OpenTab, person: Person, other: Person
) -> None:
    tab = open_tab().visit(person)
    tab.say("The code is plum.")
    tab.page.fill("#draft", "plum, half a draft")
    tab.visit(other)
    expect(tab.page.get_by_text("No conversations yet.")).to_be_visible()
    assert "plum" not in tab.page.content()
    assert tab.page.input_value("#draft") == ""


def test_a_restarted_server_is_noticed_and_nothing_typed_is_lost(
    open_tab: OpenTab, person: Person, stack: Stack
) -> None:
    with PageServer(stack, {person: []}, patience_seconds=20) as first:
        port = first.port
        tab = open_tab(first.url, lost=True).visit(person)
        tab.say("Before the restart.")
    expect(tab.page.locator("#connection")).to_have_text("Connection lost. Trying again …")
    tab.page.fill("#draft", "Typed while it was away.")
    tab.page.press("#draft", "Enter")
    expect(tab.page.get_by_role("alert")).to_contain_text("Not sent")
    expect(tab.page.locator("#draft")).to_have_value("Typed while it was away.")
    with PageServer(stack, {person: []}, port, 20):
        expect(tab.page.locator("#connection")).to_have_text("The server was restarted. Connected again.")
        tab.page.press("#draft", "Enter")
        tab.settled("save")
        expect(tab.page.locator("#messages > li.user")).to_have_text(
            [re.compile("Before"), re.compile("Typed")]
        )


HOSTILE = [
    "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>",
    "</textarea></li><svg onload=window.hacked=3> {{constructor}} ${window.hacked=4} javascript:alert(1) \u202egnirts",
]


LONG = "The lighthouse keeper of Otaru writes: " + "<b>long</b> 長い " * 6000


@pytest.mark.parametrize("text", [*HOSTILE, LONG], ids=["script", "svg", "100 KB"])
def test_hostile_text_is_inert(open_tab: OpenTab, person: Person, text: str) -> None:
    tab = open_tab(width=360, height=780).visit(person)
    tab.say(text)
    bubble = tab.page.locator("#messages > li.user .bubble")
    assert bubble.text_content() == text.strip()
    assert tab.script("() => window.hacked") is None
    tab.page.fill("#draft", text[:200])
    tab.view("chats")
    expect(tab.page.locator("#chats button")).to_have_count(1)
    expect(tab.search(text[:200]).first).to_be_attached()
    assert tab.script("() => document.querySelectorAll('li img, li svg, li script, li b').length") == 0
    assert tab.script("() => window.hacked") is None
    tab.page.reload()
    tab.ready()
    expect(bubble).to_have_text(text.strip())
    if len(text) > 3000:
        tab.page.get_by_role("button", name=re.compile("Show all")).click()
        expect(tab.page.locator("#messages > li.user")).to_be_focused()


def test_a_typed_message_is_findable_from_the_page(open_tab: OpenTab, person: Person) -> None:
    """Prints how long it takes; what must hold is only that it can be found."""
    tab = open_tab().visit(person)
    tab.say("The first one warms everything up.")
    took = []
    for number in range(12):
        text = f"Parcel {number * 7919} lies on shelf {number}."
        tab.page.fill("#draft", text)
        started = time.perf_counter()
        tab.page.press("#draft", "Enter")
        tab.script(FIND, text)
        took.append((time.perf_counter() - started) * 1000)
        expect(tab.page.locator("#send")).to_be_enabled()
    tab.settled("save")
    expect(tab.search("Parcel 79190").first).to_contain_text("79190")
    took.sort()
    print(
        f"\nEnter → found from the page: p50 {took[len(took) // 2]:.0f} ms, longest {took[-1]:.0f} ms, n {len(took)}"
    )


FIND = """async (text) => {
  const headers = { "content-type": "application/json", authorization: `Bearer ${sessionStorage.getItem("token")}` };
  const body = JSON.stringify({ query: text });
  for (;;) {
    const answer = await fetch("/api/search", { method: "POST", headers, body });
    if (answer.ok && (await answer.json()).results.some((hit) => hit.text.includes(text))) return;
  }
}"""
