"""A browser tab on the chat page, in the words of somebody who uses it."""

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Locator, Page, expect

from pipeline.local.page.people import Person

DEADLINE_MS = 60_000
expect.set_options(timeout=DEADLINE_MS)


@dataclass
class Tab:
    """One tab."""

    page: Page
    url: str

    def visit(self, person: Person) -> "Tab":
        """Open the page and speak as ``person``."""
        self.page.goto(self.url)
        self.ready()
        names = [person.user_id, person.tenant_id]
        options = self.page.locator("#person option").all_text_contents()
        wanted = [
            one for one in options if all(name.replace("-", " ").lower() in one.lower() for name in names)
        ]
        if self.page.locator("#person option:checked").text_content() != wanted[0]:
            self.page.locator("body").evaluate("body => delete body.dataset.ready")
            self.page.select_option("#person", label=wanted[0])
            self.ready()
        return self

    def ready(self) -> None:
        expect(self.page.locator("body[data-ready=true]")).to_be_attached()

    def view(self, name: str) -> None:
        """Go to a view, as the width of the page allows."""
        tab = self.page.locator(f"#tabs [data-view={name}]")
        if tab.is_visible():
            tab.click()
        elif name in {"search", "memory", "pipeline"}:
            self.page.click(f"#open-{name}")
        elif name == "chat":
            self.open_oldest()

    def open_oldest(self) -> None:
        """Open the conversation at the end of the list, and wait for what is related to it."""
        oldest = self.page.locator("#chats button").last
        oldest.click()
        expect(self.page.locator("#chat-title")).to_have_text(oldest.locator(".title").text_content() or "")
        expect(self.page.locator("#related")).to_have_attribute("aria-busy", "false")

    def say(self, text: str) -> None:
        """Type a message and send it, then wait until memory has it."""
        self.send(text)
        self.settled("save")

    def send(self, text: str) -> None:
        messages = self.page.locator("#messages > li:not(.sending)")
        before = messages.count()
        self.paste(text)
        self.page.press("#draft", "Enter")
        expect(messages).to_have_count(before + 2)

    def paste(self, text: str) -> None:
        """Put a text into the draft at once; typing 100 KB into a browser takes it minutes."""
        self.page.locator("#draft").evaluate(
            "(draft, text) => { draft.focus(); draft.value = text; draft.dispatchEvent(new Event('input', { bubbles: true })); }",
            text,
        )

    def settled(self, kind: str) -> None:
        """Wait until the strip says that the last change has gone all the way."""
        expect(self.page.locator(f"#strip.{kind}[data-done=true]")).to_be_visible()

    def search(self, query: str) -> Locator:
        """Search all memory; return the cards."""
        self.view("search")
        self.page.fill("#query", query)
        self.page.press("#query", "Enter")
        expect(self.page.locator("#results")).to_have_attribute("aria-busy", "false")
        return self.page.locator("#results .card")

    def script(self, source: str, argument: Any = None) -> Any:
        return self.page.evaluate(source, argument)
