"""The page shows memory: what is held and why, why a hit, what an agent gets, and the pipeline. In a real browser."""

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from support.deployed_stack import DeployedStack, until
from support.tab import Tab

from pipeline.local.page.commands import Commands
from pipeline.local.page.people import Person
from pipeline.local.page.server import PageServer
from pipeline.local.stack import Stack

pytestmark = pytest.mark.web
OpenTab = Callable[..., Tab]
TALK = [
    {"role": "user", "content": "Where is the copper kettle?", "timestamp": "2026-10-20T16:30:00Z"},
    {"role": "assistant", "content": "The copper kettle hangs in the pantry.", "timestamp": "2026-10-20T16:30:05Z"},
    {"role": "user", "content": "How often is the kettle descaled?", "timestamp": "2026-10-21T10:00:00Z"},
    {"role": "assistant", "content": "The kettle is descaled every second month.", "timestamp": "2026-10-21T10:00:05Z"},
]  # fmt: skip


@pytest.fixture
def deployed(stack: Stack, person: Person) -> DeployedStack:
    return DeployedStack(stack, person.tenant_id)


def remember(deployed: DeployedStack, person: Person, key: str = "slack:kettle") -> None:
    deployed.save(key, TALK, user_id=person.user_id, updated_at="2026-10-21T10:00:05Z")
    until(
        lambda: any(
            "second month" in one for one in deployed.contents("kettle descaled", user=person.user_id)
        ),
        "it is memory",
    )


def browse(tab: Tab) -> None:
    tab.page.click("#open-memory")
    expect(tab.page.locator("#holdings")).to_have_attribute("aria-busy", "false")


def test_everything_held_is_shown_with_dates_in_the_readers_zone(
    open_tab: OpenTab, person: Person, deployed: DeployedStack
) -> None:
    remember(deployed, person)
    tab = open_tab().visit(person)  # in Tokyo, where the first exchange was said after midnight
    browse(tab)
    holding = tab.page.locator("#holdings .holding")
    expect(holding).to_have_count(1)
    holding.locator("summary").click()
    expect(holding.locator(".piece.live").first).to_contain_text("copper kettle")
    expect(holding.locator(".piece").first).to_contain_text(
        "21 Oct 2026" if _british(tab) else "Oct 21, 2026"
    )
    expect(holding.locator(".piece").first).to_contain_text("searches find it")
    tab.page.select_option("#memory-by", "day")
    expect(tab.page.locator("#holdings .holding")).to_have_count(1)  # both of the 21st there


def _british(tab: Tab) -> bool:
    return bool(
        tab.script("() => new Intl.DateTimeFormat('en', { dateStyle: 'medium' }).format(0).startsWith('1 ')")
    )


def test_a_message_that_left_or_was_erased_says_so_and_why(
    open_tab: OpenTab, person: Person, deployed: DeployedStack
) -> None:
    remember(deployed, person)
    deployed.save("slack:kettle", [], user_id=person.user_id)  # cleared: kept
    tab = open_tab().visit(person)

    def kept() -> bool:
        tab.page.click("#new-chat")
        browse(tab)
        return tab.page.locator("#holdings .holding summary", has_text="Kept").count() == 1

    until(kept, "the cleared conversation is kept")
    tab.page.locator("#holdings summary").click()
    expect(tab.page.locator(".piece.kept").first).to_contain_text("The conversation was cleared.")
    event = {
        "method": "DELETE",
        "path": "/api/v1/memory",
        "tenant_id": deployed.tenant,
        "user_id": person.user_id,
    }
    assert deployed.invoke(event)[0] == 202

    def erased() -> bool:
        tab.page.click("#new-chat")
        browse(tab)
        return tab.page.locator("#holdings .holding summary", has_text="Erased").count() == 1

    until(erased, "the request was carried out", 120)
    expect(tab.page.locator(".piece.erased").first).to_contain_text("No text is left")
    expect(tab.page.locator("#holdings")).not_to_contain_text("pantry")
    tab.page.select_option("#memory-only", "live")
    expect(tab.page.locator("#memory-state")).to_have_text("Memory holds nothing of this.")


def test_it_is_live_and_switching_leaves_nothing_of_the_person_before(
    open_tab: OpenTab, person: Person, other: Person, deployed: DeployedStack
) -> None:
    tab = open_tab().visit(person)
    browse(tab)
    expect(tab.page.locator("#memory-state")).to_have_text("Memory holds nothing of this.")
    second = Tab(tab.page.context.new_page(), tab.url).visit(person)
    second.say("The plum jam stands on the third shelf.")
    expect(tab.page.locator("#holdings .holding")).to_have_count(1)
    tab.page.locator("#holdings summary").click()
    expect(tab.page.locator(".piece").first).to_contain_text("plum jam")
    tab.visit(other)
    expect(tab.page.locator("#holdings .holding")).to_have_count(0)
    assert "plum jam" not in tab.page.content()
    assert deployed.tenant == person.tenant_id


def test_a_hit_says_why_with_the_numbers_and_a_conversation_is_one_card(
    open_tab: OpenTab, person: Person, deployed: DeployedStack
) -> None:
    remember(deployed, person)
    tab = open_tab().visit(person)
    cards = tab.search("Where is the copper kettle?")
    expect(cards).to_have_count(1)
    cards.first.get_by_text("Why this?").click()
    expect(cards.first.locator("[data-why=words]")).to_contain_text(re.compile(r"copper \d"))
    expect(cards.first.locator("[data-why=similarity]")).to_contain_text(re.compile(r"\d.*usual is .*\d"))
    score = float(cards.first.locator("[data-why=score]").text_content() or "")
    assert 0 < score <= 1


def test_the_context_is_shown_as_an_agent_gets_it(
    open_tab: OpenTab, person: Person, deployed: DeployedStack
) -> None:
    remember(deployed, person)
    tab = open_tab().visit(person)
    expect(tab.search("Where is the copper kettle?")).not_to_have_count(0)
    tab.page.get_by_text("What an agent is given for this").click()
    expect(tab.page.locator("#agent-text")).to_contain_text("pantry")
    expect(tab.page.locator("#agent-text")).to_contain_text("recalled-memory")
    expect(tab.page.locator("#agent-state")).to_contain_text(re.compile(r"\d+ tokens"))


def test_the_speakers_filter_shows_that_speaker(
    open_tab: OpenTab, person: Person, deployed: DeployedStack
) -> None:
    remember(deployed, person)
    tab = open_tab().visit(person)
    expect(tab.search("copper kettle")).not_to_have_count(0)
    tab.page.select_option("#filter-role", "assistant")
    quote = tab.page.locator("#results .quote").first
    expect(quote).to_contain_text("Assistant:")
    expect(quote).not_to_contain_text("You:")


def test_the_question_and_its_best_hit_stay_in_view(
    open_tab: OpenTab, person: Person, deployed: DeployedStack
) -> None:
    for number in range(4):
        remember(deployed, person, f"slack:kettle-{number}")
    tab = open_tab(height=700).visit(person)
    for number in range(3):
        tab.say(f"Filler number {number}.\n" * 12)
    tab.say("The copper kettle hangs in the pantry, says Filomena.")
    expect(tab.page.locator("#messages > li.user").last).to_be_in_viewport()
    expect(tab.page.locator("#messages > li").last.locator(".card").first).to_be_in_viewport()


def test_the_pipeline_tells_its_figures_and_what_failed(
    open_tab: OpenTab, person: Person, deployed: DeployedStack
) -> None:
    remember(deployed, person)
    deployed.save("broken", "{no json", user_id=person.user_id)
    tab = open_tab().visit(person)
    tab.page.click("#open-pipeline")
    expect(tab.page.locator("[data-figure=tokens]")).to_have_text(re.compile(r"[1-9]"))
    expect(tab.page.locator("[data-figure=lag]")).to_have_text(re.compile(r"[1-9].*ms"))
    own = tab.page.locator("#letters li[data-cause=malformed_item]", has_text="broken")
    expect(own).to_have_count(1)  # it comes by itself
    expect(tab.page.locator("#letters-help")).to_contain_text("vector-memory dlq list --demo")
    deployed.stack.client("sqs").purge_queue(QueueUrl=deployed.stack.outputs["DeadLetterQueueUrl"])
    expect(tab.page.locator("[data-figure=dead]")).to_have_text("0")


def test_dead_letters_are_sent_again_once_somebody_says_yes_and_only_those_of_the_tenant(
    open_tab: OpenTab, person: Person, other: Person, deployed: DeployedStack, stack: Stack
) -> None:
    deployed.save("broken", "{no json", user_id=person.user_id)
    foreign = DeployedStack(stack, other.tenant_id)
    foreign.save("theirs", "{no json", user_id=other.user_id)
    until(lambda: {deployed.tenant, other.tenant_id} <= set(letters_of(stack)), "both are dead letters")
    tab = open_tab().visit(person)
    tab.page.click("#open-pipeline")
    again = tab.page.get_by_role("button", name="Send again: malformed_item")
    again.click()
    tab.page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(tab.page.locator("#redrive-state")).to_be_empty()
    expect(again).to_be_focused()
    deployed.save("broken", TALK, user_id=person.user_id)  # mended
    again.click()
    dialog = tab.page.get_by_role("dialog")
    expect(dialog).to_contain_text("malformed_item")
    dialog.get_by_role("button", name="Send again").click()
    expect(tab.page.locator("#redrive-state")).to_have_text("1 notice was sent again.")
    expect(again).to_have_count(0)
    until(lambda: letters_of(stack).count(deployed.tenant) == 0, "its letter is gone")
    assert letters_of(stack).count(other.tenant_id) == 1
    tab.visit(other)
    tab.view("pipeline")
    expect(tab.page.locator("#redrive-state")).to_be_empty()
    expect(tab.page.locator("#letters li", has_text="theirs")).to_have_count(1)
    tab.page.click("#language")
    tab.page.get_by_role("button", name="再送する: malformed_item").click()
    tab.page.get_by_role("dialog").get_by_role("button", name="再送する").click()
    expect(tab.page.locator("#redrive-state")).to_have_text("通知を1件、再送しました。")
    until(lambda: letters_of(stack).count(other.tenant_id) == 1, "what is still broken is back")
    stack.client("sqs").purge_queue(QueueUrl=stack.outputs["DeadLetterQueueUrl"])


def letters_of(stack: Stack) -> list[str]:
    """Return the tenants of the dead letters."""
    answer = stack.client("sqs").receive_message(
        QueueUrl=stack.outputs["DeadLetterQueueUrl"], MaxNumberOfMessages=10, VisibilityTimeout=0
    )
    keys = [json.loads(message["Body"])["key"] for message in answer.get("Messages", [])]
    return [next(iter(key["tenant_id"].values())) for key in keys]


def test_the_last_audit_is_shown_once_there_was_one(
    open_tab: OpenTab, person: Person, deployed: DeployedStack, stack: Stack
) -> None:
    remember(deployed, person)
    stack.audit_file.unlink(missing_ok=True)
    tab = open_tab().visit(person)
    tab.page.click("#open-pipeline")
    shown = tab.page.locator("#audit")
    expect(shown).to_contain_text("None yet.")
    report = Commands(stack.environment()).json("audit")
    kinds = sum(report["counts"].values())
    expect(shown).to_contain_text(f"{report['items']} items looked at")
    expect(shown).to_contain_text(
        "no differences" if not kinds else re.compile(r"\d (missing|stale|extra|malformed)")
    )
    tab.page.click("#language")
    expect(shown).to_contain_text(f"{report['items']}項目を調べました")


def test_a_japanese_browser_begins_in_japanese_with_somebody_who_is_asked_in_japanese(
    open_tab: OpenTab, person: Person, other: Person, stack: Stack
) -> None:
    with PageServer(stack, {person: ["When?", "Where?"], other: ["いつ発送しますか"]}) as serving:
        tab = open_tab(serving.url, locale="ja-JP")
        tab.page.goto(serving.url)
        tab.ready()
        assert tab.script("() => document.documentElement.lang") == "ja"
        assert (
            json.loads(tab.script("() => sessionStorage.getItem('person')"))["tenant_id"] == other.tenant_id
        )
        english = open_tab(serving.url)
        english.page.goto(serving.url)
        english.ready()
        spoken = json.loads(english.script("() => sessionStorage.getItem('person')"))
        assert spoken["tenant_id"] == person.tenant_id
        expect(english.page.locator(".tagline")).to_have_text(re.compile("Long-term memory"))
