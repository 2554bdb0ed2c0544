"""Follows each change until it shows in memory, and tells the person's tabs."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.errors import StoreUnavailableError
from pipeline.local.page.function_log import Tail
from pipeline.local.page.journeys import Journey
from pipeline.local.page.news import News
from pipeline.local.page.people import Person

GIVE_UP_SECONDS = 120.0
TICK_SECONDS = 0.01
MAX_PAUSE_SECONDS = 1.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Watch:
    """Starts a thread a change; each ends when the change shows, or after a while.

    Searchable is what the store holds and a search may give to that person, not what ranks first for one question: a
    sentence that a better passage covers is as searchable as any.

    Args:
        held: person, key → what memory holds of a conversation, chunk by chunk, without headers.
        log: where the functions write their lines.
    """

    held: Callable[[Person, str], Sequence[str]]
    news: News
    log: Path
    clock: Callable[[], float] = time.time

    def begin(self, person: Person, journey: Journey, change: Callable[[], T]) -> T:
        """Make the change, follow it from then on, and return what it gave; if it raises, nothing is followed."""
        tail = Tail(self.log)
        list(tail.new_lines())
        given = change()
        saved = journey.at("saved", self.clock())
        self.news.publish(person, saved.told())
        threading.Thread(target=self._follow, args=(person, saved, tail), daemon=True).start()
        return given

    def _follow(self, person: Person, journey: Journey, tail: Tail) -> None:
        looked, pause = 0.0, TICK_SECONDS
        while not journey.done and self.clock() - journey.started < GIVE_UP_SECONDS:
            now = journey.read(tail.new_lines())
            if "notice" in now.reached and self.clock() - looked >= pause:
                if self._shows(person, now):
                    now = now.at("searchable", self.clock())
                looked, pause = self.clock(), min(pause * 1.3, MAX_PAUSE_SECONDS)
            if now != journey:
                self.news.publish(person, now.told())
            journey = now
            time.sleep(TICK_SECONDS)

    def _shows(self, person: Person, journey: Journey) -> bool:
        try:
            held = journey.held_in(self.held(person, journey.key))
        except (StoreUnavailableError, BotoCoreError, ClientError):
            return False
        return held == (journey.kind == "save")
