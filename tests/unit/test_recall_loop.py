"""What an agent saves of what it recalled does not become memory a second time, nor crowd out what it quotes.

Fifty rounds of recall and save by each of three scripted agents, on the offline embedder.
"""

import re
from collections.abc import Callable, Iterator

import pytest

from lab.evaluation.memory import Memory
from lab.evaluation.sets import Conversation, Message, Session
from pipeline.embedding.offline import OfflineEmbedder
from pipeline.search.context import Context
from pipeline.search.memory_search import MemorySearch
from pipeline.stores.memory import InMemoryStore
from pipeline.stores.search_requests import Filters

ROUNDS = 50
FACT = "The spare key of the Osaka office lies under the third flower pot on the left side."
QUESTION = "Where is the spare key of the Osaka office?"
COPY = re.compile("third flower pot on the left", re.IGNORECASE)
SMALL_TALK = (
    "The printer is broken again.",
    "Soba for lunch, as always.",
    "Mika's train was late today.",
    FACT,
)


@pytest.fixture(scope="module")
def embedder() -> OfflineEmbedder:
    return OfflineEmbedder()


Agent = Callable[[Context, MemorySearch], str]


def copies_the_fence(context: Context, recall: MemorySearch) -> str:  # noqa: ARG001  # an agent's own signature
    return f"This is what I remember:\n{context.text}\nI hope it helps."


def quotes_without_it(context: Context, recall: MemorySearch) -> str:  # noqa: ARG001  # the same
    quoted = next((line for line in context.text.splitlines() if COPY.search(line)), "nothing")
    return f"You once told me: “{quoted.removeprefix('user: ')}” Is that what you were looking for?"


def paraphrases(context: Context, recall: MemorySearch) -> str:  # noqa: ARG001  # the same
    return "Look beneath flower pot number three, to the left: that is where the key to Osaka is kept."


class Life:
    """One user, whose agent recalls and saves."""

    def __init__(self, embedder: OfflineEmbedder, agent: Agent) -> None:
        self.store = InMemoryStore(embedder.space)
        self.memory = Memory(embedder, self.store, self.store)
        self.recall = MemorySearch(embedder, self.store)
        self.agent = agent
        self._said("chat:0", *SMALL_TALK)

    def rounds(self) -> Iterator[list[str]]:
        """Live through the rounds; yield the top five of each."""
        for number in range(1, ROUNDS + 1):
            context = self.recall.context("acme", "acme", QUESTION, None, 1_000, 5)
            self._said(f"chat:{number}", f"{QUESTION} ({number})", self.agent(context, self.recall))
            yield [hit.hit.content for hit in self.recall.search("acme", "acme", QUESTION, 5).passages]

    def copies(self) -> int:
        """Return how many chunks hold the fact, the first telling aside."""
        return sum(bool(COPY.search(text)) for text in self.texts()) - 1

    def texts(self) -> list[str]:
        filters = self.recall.store.passages("acme", "acme", Filters(), 1_000)
        return [passage.content for passage in filters]

    def _said(self, key: str, *texts: str) -> None:
        messages = [
            Message(
                f"{key}-{number}",
                {
                    "role": ("user", "assistant")[number % 2],
                    "content": text,
                    "timestamp": f"2026-11-{1 + int(key[5:]) % 28:02}T09:{number:02}:00Z",
                },
            )
            for number, text in enumerate(texts)
        ]
        self.memory.save(Conversation("acme", [Session(key, messages)], []))


def test_a_copied_fence_is_never_indexed(embedder: OfflineEmbedder) -> None:
    life = Life(embedder, copies_the_fence)
    for top_five in life.rounds():
        assert sum(bool(COPY.search(text)) for text in top_five) == 1
    assert life.copies() == 0
    assert not any("recalled-memory" in text for text in life.texts())
    assert sum("I hope it helps" in text for text in life.texts()) == ROUNDS


def test_a_quotation_is_in_a_top_five_at_most_once(embedder: OfflineEmbedder) -> None:
    life = Life(embedder, quotes_without_it)
    for top_five in life.rounds():
        assert sum(len(COPY.findall(text)) for text in top_five) == 1
    assert life.copies() == ROUNDS


def test_paraphrases_are_memories_of_their_own_and_do_not_hide_the_fact(embedder: OfflineEmbedder) -> None:
    life = Life(embedder, paraphrases)
    told = [sum(bool(COPY.search(text)) for text in top_five) for top_five in life.rounds()]
    assert set(told) == {1}
