"""What counts as searchable, and for whom."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support.repeated import BESIDES, TOLD
from support.user_memory import UserMemory
from support.words import WordEmbedder

from pipeline.errors import StoreUnavailableError
from pipeline.local.page.hits import body
from pipeline.local.page.index import Index
from pipeline.local.page.indexing_progress import IndexingProgress
from pipeline.local.page.people import Person
from pipeline.local.page.progress_watcher import ProgressWatcher
from pipeline.search.wanted import Wanted
from pipeline.source.documents import ItemKey
from pipeline.stores.chunks import NOBODY
from pipeline.stores.inventory import StoredChunk

MIKA = Person("acme", "mika")


def chunk(text: str, user: str = "mika", tenant: str = "acme", key: str = "chat:1") -> StoredChunk:
    source = ItemKey("sessions", "tenant_id", tenant, "session_key", key).source
    return StoredChunk(tenant, source, f"id of {text}", user, f"[2026-11-20]\n{text}", (), "live")


class Rows:
    def __init__(self, *rows: StoredChunk) -> None:
        self.all = rows

    def rows(self, sources: Sequence[str]) -> list[StoredChunk]:
        return [row for row in self.all if row.source in sources]


def test_searchable_means_the_persons_own_chunk_of_that_conversation_not_withheld() -> None:
    inventory: Any = Rows(
        chunk("user: plum"),
        chunk("user: pear", user="ken"),
        chunk("user: quince", user=NOBODY),
        chunk("user: apple", key="chat:2"),
        chunk("user: fig", tenant="other"),
    )
    assert Index(inventory, "sessions").texts(MIKA, "chat:1") == ["user: plum"]


class Watched:
    def __init__(self) -> None:
        self.pieces: list[dict[str, Any]] = []
        self.done = threading.Event()

    def publish(self, _: Person, piece: dict[str, Any]) -> None:
        self.pieces.append(piece)
        if piece["done"]:
            self.done.set()


def watched(tmp_path: Path, kind: Any, *answers: Any, **known: bool) -> Watched:
    """Follow a change whose text memory holds, or not, as ``answers`` say, one after the other."""
    log, told, left = tmp_path / "aws.log", Watched(), list(answers)
    log.touch()

    def held(person: Person, key: str) -> list[str]:
        assert (person, key) == (MIKA, "chat:1")
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return [str(answer)]

    def announced() -> None:
        with log.open("a") as out:
            out.write(f'{{"level":"INFO","message":"announced","timestamp":"{stamp()}","records":1}}\n')
            out.write(f'{{"level":"INFO","message":"ingested","timestamp":"{stamp()}","chunks_deleted":1}}\n')

    events: Any = told
    ProgressWatcher(held, events, log).begin(
        MIKA, IndexingProgress("j", kind, "chat:1", "the code is plum", time.time(), **known), announced
    )
    assert told.done.wait(20)
    return told


def stamp() -> str:
    seconds = time.time() + 0.1
    whole = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
    return f"{whole},{int(seconds % 1 * 1000):03}+0000"


def test_a_save_is_searchable_once_the_store_holds_it_and_a_store_that_is_away_is_asked_again(
    tmp_path: Path,
) -> None:
    told = watched(tmp_path, "save", StoreUnavailableError("away"), "user: else", "user: the code is plum")
    assert [piece["done"] for piece in told.pieces][-1]
    assert set(told.pieces[-1]["reached"]) == {"saved", "notice", "embedded", "searchable"}


def test_a_forgotten_message_is_gone_once_the_store_lacks_it(tmp_path: Path) -> None:
    told = watched(tmp_path, "forget", "user: the code is plum", StoreUnavailableError("away"), "user: else")
    assert told.pieces[-1]["done"]


def test_a_forgotten_message_that_the_conversation_says_twice_is_gone_once_the_index_is_updated(
    tmp_path: Path,
) -> None:
    told = watched(tmp_path, "forget", "user: the code is plum", said_elsewhere=True)
    assert told.pieces[-1]["done"]


def test_a_message_whose_beginning_a_better_passage_covers_is_held_though_no_hit_shows_it(
    embedder: WordEmbedder,
) -> None:
    memory, message = UserMemory(embedder), f"{TOLD} {BESIDES}"
    memory.session("chat:old", TOLD, "Noted.")
    memory.session("chat:1", message, "Noted.", days=3)
    found = memory.recall.search("acme", "mika", TOLD, 50, wanted=Wanted(min_confidence=0.0))
    shown = [one.hit.content for one in found.passages if one.hit.metadata["key"] == "chat:1"]
    progress = IndexingProgress("j", "save", "chat:1", message, 0.0)
    assert not progress.held_in(body(content) for content in shown)
    held = [row.chunk.text for row in memory.store._rows.values() if row.chunk.metadata["key"] == "chat:1"]
    assert progress.held_in(body(text) for text in held)
