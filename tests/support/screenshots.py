"""Takes the pictures that the pages show, of a demo of its own, with a real Chromium: see ``scripts/screenshots``."""

import argparse
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
from playwright.sync_api import Browser, expect
from support.browser import chromium
from support.pages import ROOT
from support.tab import Tab

from pipeline.local.page.people import Person

IMAGES = ROOT / ".github" / "images"
PROGRAM = str(Path(sys.prefix) / "bin" / "vector-memory")
FILLED = re.compile(r"Chat, and what memory holds: (http://127\.0\.0\.1:\d+/)")
UP_SECONDS = 600
HEIGHTS = {360: 780, 768: 1024, 1440: 900}
VIEWS = ("chat", "related", "search", "memory", "pipeline")
MIKA, OKAMI = Person("kitsune-robotics", "mika"), Person("yamabuki-ryokan", "okami")
ASKING = Person("acme", "mika")
"""Whose hits are short, so that why they were found fits beside them."""
ENGLISH: Mapping[str, str] = {
    "said": "Why will PO-2619 from Kurogane not arrive on 9 October?",
    "typed": "What did 40 units cost per reducer?",
    "asked": "When does the arm ship?",
}
JAPANESE: Mapping[str, str] = {
    "said": "紅葉プランの休前日の料金はいくらに決めた?",
    "typed": "甲殻類アレルギーのお客様の献立で、見落としやすい料理は?",
    "asked": "献立の中で甲殻類アレルギーのお客様に見落としやすい料理は?",
}
CLEARED, BROKEN = "slack:C042:deploy-friday", "slack:C099:imported"


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture.

    Args:
        width: of the window, in CSS pixels.
        scheme: ``light`` or ``dark``.
        language: ``en`` or ``ja``.
    """

    view: str
    width: int
    scheme: str
    language: str

    @property
    def name(self) -> str:
        return f"{self.view}-{self.width}-{self.scheme}-{self.language}.png"


SHOWN: Mapping[str, Shot] = {
    "page.png": Shot("chat", 1440, "light", "en"),
    "page-ja.png": Shot("chat", 1440, "light", "ja"),
    "page-phone.png": Shot("related", 360, "dark", "ja"),
    "page-search.png": Shot("search", 1440, "dark", "en"),
    "page-memory.png": Shot("memory", 1440, "light", "en"),
    "page-pipeline.png": Shot("pipeline", 768, "light", "en"),
}
"""File → what README and docs show."""


def every() -> Iterator[Shot]:
    """Yield every view in every width, theme and language."""
    yield from itertools.starmap(Shot, itertools.product(VIEWS, HEIGHTS, ("light", "dark"), ("en", "ja")))


@contextmanager
def running_demo() -> Iterator[dict[str, str]]:
    """Run a demo whose memory is filled; give its environment."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)  # as root, Postgres runs as another user
        environment = {**os.environ, "TMPDIR": name, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            [PROGRAM, "demo"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        lines: list[str] = []
        Thread(target=lambda: lines.extend(process.stdout or ()), daemon=True).start()
        try:
            until(lambda: any(map(FILLED.search, lines)) or process.poll() is not None, UP_SECONDS)
            told = subprocess.run(
                [PROGRAM, "demo", "env", "--json"],
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            )
            yield {**environment, **json.loads(told.stdout)}
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def until(holds: Callable[[], Any], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("the demo did not get there in time")
        time.sleep(0.2)


def prepare(environment: Mapping[str, str]) -> None:
    """Let something leave a conversation and something fail, and audit it, so that the pictures have it to show."""
    client = boto3.client(
        "dynamodb",
        environment["AWS_DEFAULT_REGION"],
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    table = environment["SESSIONS_TABLE"]
    key = {"tenant_id": {"S": MIKA.tenant_id}, "session_key": {"S": CLEARED}}
    item = client.get_item(TableName=table, Key=key)["Item"]
    client.put_item(TableName=table, Item={**item, "messages": {"S": "[]"}})
    broken = {
        "tenant_id": MIKA.tenant_id,
        "session_key": BROKEN,
        "user_id": MIKA.user_id,
        "messages": "{no json",
    }
    client.put_item(TableName=table, Item={name: {"S": value} for name, value in broken.items()})
    subprocess.run(
        [PROGRAM, "audit", "--demo"], env=environment, check=False, stdout=subprocess.DEVNULL, timeout=300
    )


def opened(browser: Browser, url: str, shot: Shot) -> Tab:
    context = browser.new_context(
        viewport={"width": shot.width, "height": HEIGHTS[shot.width]},
        locale={"en": "en-GB", "ja": "ja-JP"}[shot.language],
        color_scheme="dark" if shot.scheme == "dark" else "light",
        timezone_id="Asia/Tokyo",
        reduced_motion="reduce",
    )
    return Tab(context.new_page(), url)


@dataclass
class Studio:
    """Takes pictures of one demo.

    Args:
        chats: language → a tab in which something was said, and whose strip has followed it.
    """

    browser: Browser
    environment: Mapping[str, str]
    chats: dict[str, Tab] = field(default_factory=dict)
    prepared: bool = False

    def take(self, shot: Shot, file: Path) -> None:
        """Take one picture; what is said comes first, what left and failed after it."""
        said = shot.view in {"chat", "related"}
        if not said and not self.prepared:
            prepare(self.environment)
            self.prepared = True
        tab = self.chat(shot.language) if said else self.visited(shot)
        tab.page.set_viewport_size({"width": shot.width, "height": HEIGHTS[shot.width]})
        tab.page.emulate_media(color_scheme="dark" if shot.scheme == "dark" else "light")
        _SHOW[shot.view](tab, words_of(shot.language))
        tab.page.screenshot(path=file)
        if not said:
            tab.page.context.close()

    def chat(self, language: str) -> Tab:
        """Return the tab in which something was said in that language."""
        if language not in self.chats:
            words = words_of(language)
            tab = self.visited(Shot("chat", 1440, "light", language))
            tab.page.click("#new-chat")
            tab.say(words["said"])
            tab.paste(words["typed"])
            self.chats[language] = tab
        return self.chats[language]

    def visited(self, shot: Shot) -> Tab:
        tab = opened(self.browser, self.environment["PAGE_URL"], shot)
        english = ASKING if shot.view == "search" else MIKA
        return tab.visit(english if shot.language == "en" else OKAMI)


def words_of(language: str) -> Mapping[str, str]:
    return ENGLISH if language == "en" else JAPANESE


def show_chat(tab: Tab, _: Mapping[str, str]) -> None:
    """Show what was said, what it found, how it became memory, and what bears on what is typed next."""
    chat = tab.page.locator("#tabs [data-view=chat]")
    if chat.is_visible():
        chat.click()
    tab.page.focus("#draft")
    show_found(tab)


def show_related(tab: Tab, _: Mapping[str, str]) -> None:
    related = tab.page.locator("#tabs [data-view=related]")
    if related.is_visible():
        related.click()
    show_found(tab)


def show_found(tab: Tab) -> None:
    expect(tab.page.locator("#related")).to_have_attribute("aria-busy", "false")
    expect(tab.page.locator("#related .card")).not_to_have_count(0)


def show_search(tab: Tab, words: Mapping[str, str]) -> None:
    cards = tab.search(words["asked"])
    expect(cards).not_to_have_count(0)
    cards.first.locator("details summary").click()
    expect(cards.first.locator("[data-why=score]")).not_to_be_empty()
    tab.page.locator(".search .scroller").evaluate("scroller => scroller.scrollTo(0, 0)")


def show_memory(tab: Tab, _: Mapping[str, str]) -> None:
    tab.view("memory")
    expect(tab.page.locator("#holdings .holding")).not_to_have_count(0)
    holdings = tab.page.locator("#holdings .holding")
    kept = holdings.filter(has=tab.page.locator("summary", has_text=re.compile("Kept|保持")))
    (kept if kept.count() else holdings).first.locator("summary").click()


def show_pipeline(tab: Tab, _: Mapping[str, str]) -> None:
    tab.view("pipeline")
    expect(tab.page.locator("#letters li")).not_to_have_count(0)


_SHOW: Mapping[str, Callable[[Tab, Mapping[str, str]], None]] = {
    "chat": show_chat,
    "related": show_related,
    "search": show_search,
    "memory": show_memory,
    "pipeline": show_pipeline,
}


def main(arguments: Sequence[str]) -> int:
    """Write the pictures that README and docs show, or every one there could be into a folder."""
    parser = argparse.ArgumentParser(prog="scripts/screenshots", description=main.__doc__)
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="every view, width, theme and language")
    folder = parser.parse_args(arguments).all
    shots = {shot.name: shot for shot in every()} if folder else SHOWN
    to = folder or IMAGES
    to.mkdir(parents=True, exist_ok=True)
    with running_demo() as environment, chromium() as browser:
        studio = Studio(browser, environment)
        for name, shot in shots.items():
            studio.take(shot, to / name)
            print(to / name, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
