"""Follows each change until it shows in memory, and tells the person's tabs."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.errors import StoreUnavailableError
from pipeline.local.page.event_broker import EventBroker
from pipeline.local.page.function_log import Tail
from pipeline.local.page.indexing_progress import IndexingProgress
from pipeline.local.page.people import Person

GIVE_UP_SECONDS = 120.0
TICK_SECONDS = 0.01
MAX_PAUSE_SECONDS = 1.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ProgressWatcher:
    """Starts a thread a change; each ends when the change shows, or after a while.

    Searchable is what the store holds and a search may give to that person, not what ranks first for one question: a
    sentence that a better passage covers is as searchable as any.

    Args:
        held: person, key → what memory holds of a conversation, chunk by chunk, without headers.
        log: where the functions write their lines.
    """

    held: Callable[[Person, str], Sequence[str]]
    events: EventBroker
    log: Path
    clock: Callable[[], float] = time.time

    def begin(self, person: Person, progress: IndexingProgress, change: Callable[[], T]) -> T:
        """Make the change, follow it from then on, and return what it gave; if it raises, nothing is followed."""
        tail = Tail(self.log)
        list(tail.new_lines())
        given = change()
        saved = progress.at("saved", self.clock())
        self.events.publish(person, saved.told())
        threading.Thread(target=self._follow, args=(person, saved, tail), daemon=True).start()
        return given

    def _follow(self, person: Person, progress: IndexingProgress, tail: Tail) -> None:
        looked, pause = 0.0, TICK_SECONDS
        while not progress.done and self.clock() - progress.started < GIVE_UP_SECONDS:
            now = progress.read(tail.new_lines())
            if "notice" in now.reached and self.clock() - looked >= pause:
                if self._shows(person, now):
                    now = now.at("searchable", self.clock())
                looked, pause = self.clock(), min(pause * 1.3, MAX_PAUSE_SECONDS)
            if now != progress:
                self.events.publish(person, now.told())
            progress = now
            time.sleep(TICK_SECONDS)

    def _shows(self, person: Person, progress: IndexingProgress) -> bool:
        try:
            return progress.shows_in(self.held(person, progress.key))
        except (StoreUnavailableError, BotoCoreError, ClientError):
            return False
