"""What the page and an agent ask while somebody types: the demo's questions, drafts that nothing bears on, and nonsense."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.evaluation.memory import Memory
from pipeline.embedding.vectors import Embedder
from pipeline.local.samples import shipped_items, shipped_questions
from pipeline.search.memory_search import MemorySearch
from pipeline.search.requests import DEFAULT_TOP_K
from pipeline.stores.protocol import Store

DRAFTS = Path(__file__).parent / "drafts.json"
"""``drafts`` bear on nothing in the demo's memories, ``nonsense`` on nothing at all; half Japanese, written before any result."""

User = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Typed:
    """What was asked, and how often it was answered as it should be.

    Args:
        what: in words.
        right: how many were.
        asked: how many there were.
    """

    what: str
    right: int
    asked: int

    def __str__(self) -> str:
        """Tell it."""
        share = self.right / self.asked if self.asked else 0.0
        return f"{self.what}: {self.right} of {self.asked} ({share:.3f})"


def typed(embedder: Embedder, store: Store, questions: Store) -> Iterator[Typed]:
    """Fill an empty store with the demo's sample, and yield what is found there.

    Args:
        store: may write.
        questions: the same, as those who ask see it.
    """
    memory = Memory(embedder, store, questions)
    for save in shipped_items():
        memory.save_item(save.table, save.item)
    written = json.loads(DRAFTS.read_text("utf-8"))
    yield from measured(MemorySearch(embedder, questions), written)


def measured(search: MemorySearch, written: Mapping[str, Sequence[str]]) -> Iterator[Typed]:
    """Yield what a search over the demo's sample finds.

    Args:
        written: as in :data:`DRAFTS`.
    """
    asked = shipped_questions()
    users = sorted({(one.tenant_id, one.user_id) for one in asked})
    told = [_sessions(search, (one.tenant_id, one.user_id), one.text) for one in asked]
    right = [one.key in keys for one, keys in zip(asked, told, strict=True)]
    first = [keys[:1] == [one.key] for one, keys in zip(asked, told, strict=True)]
    yield Typed("the demo's questions typed: the right session is named", sum(right), len(asked))
    yield Typed("the same: it is named first", sum(first), len(asked))
    yield _every("drafts with nothing related: something is named", written["drafts"], users, _named(search))
    yield _every("nonsense: something is found", written["nonsense"], users, _found(search))
    yield _every("nonsense typed: something is named", written["nonsense"], users, _named(search))


def _every(
    what: str, texts: Sequence[str], users: Sequence[User], answered: Callable[[User, str], Any]
) -> Typed:
    answers = [bool(answered(user, text)) for user in users for text in texts]
    return Typed(what, sum(answers), len(answers))


def _sessions(search: MemorySearch, user: User, text: str) -> list[str]:
    return [one.key for one in search.related(*user, None, [text], DEFAULT_TOP_K).sessions]


def _named(search: MemorySearch) -> Callable[[User, str], Any]:
    return lambda user, text: _sessions(search, user, text)


def _found(search: MemorySearch) -> Callable[[User, str], Any]:
    return lambda user, text: search.search(*user, text, DEFAULT_TOP_K).passages
