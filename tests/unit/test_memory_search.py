"""Context, related and notes, on the store in memory and an embedder that counts words."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest
from support.user_memory import UserMemory
from support.words import WordEmbedder

from pipeline.embedding.tokens import estimate_tokens
from pipeline.embedding.vectors import Vector
from pipeline.errors import EmbeddingUnavailableError
from pipeline.search.memory_search import Notes
from pipeline.stores.usage import Meter


@pytest.fixture
def memory() -> UserMemory:
    return UserMemory(WordEmbedder())


def test_an_empty_memory_tells_nothing(memory: UserMemory) -> None:
    assert memory.context("soba").text == ""
    assert memory.context().tokens == 0
    assert memory.recall.related("acme", "mika", "chat:1", None, 5).sessions == ()
    assert memory.recall.notes("acme", "mika") == Notes("", "")


def test_notes_come_back_in_their_order_and_the_newest_day(memory: UserMemory) -> None:
    memory.note("long_term", "memory:long_term", *(f"- fact {number}" for number in range(30)))
    memory.note("daily", "memory:daily:2026-11-21", "- old", date="2026-11-21")
    memory.note("daily", "memory:daily:2026-11-22", "- Q: one", "- Q: two", date="2026-11-22")

    notes = memory.recall.notes("acme", "mika")
    assert notes.long_term == "\n".join(f"- fact {number}" for number in range(30))
    assert notes.daily == "- Q: one\n- Q: two"


def test_context_tells_notes_and_passages_with_date_and_source_newest_first(memory: UserMemory) -> None:
    memory.note("long_term", "memory:long_term", "- likes soba")
    memory.session("chat:1", "where is the office?", "The office is in Osaka.", days=0)
    memory.session("chat:2", "the office moved", "The office is in Kyoto now.", days=9)

    found = memory.context("where is the office?")
    assert "## Long-term memory about the user\n- likes soba" in found.text
    assert found.text.index("### 2026-11-10 · chat:2") < found.text.index("### 2026-11-01 · chat:1")
    assert found.tokens == estimate_tokens(found.text)


def test_notes_of_days_stand_among_the_sessions_newest_first(memory: UserMemory) -> None:
    for day in ("2026-10-30", "2026-11-05"):
        memory.note("daily", f"memory:daily:{day}", f"- the office on {day}", date=day)
    memory.session("chat:1", "the office is in Osaka", "I see.", days=0)

    text = memory.context("office").text
    headings = [line.split()[1] for line in text.splitlines() if line.startswith("### ")]
    assert headings == ["2026-11-05", "2026-11-01", "2026-10-30"]


def test_context_of_a_japanese_memory_has_japanese_headings(memory: UserMemory) -> None:
    memory.note("long_term", "memory:long_term", "- 蕎麦が好き")
    assert "## ユーザーの長期記憶\n- 蕎麦が好き" in memory.context("蕎麦").text


@pytest.mark.parametrize("max_tokens", [1, 60, 100, 600, 900])
def test_context_stays_within_its_budget(memory: UserMemory, max_tokens: int) -> None:
    memory.note("long_term", "memory:long_term", *(f"- fact number {number}" for number in range(40)))
    memory.session("chat:1", *(f"a sentence about soba {number} " * 5 for number in range(20)))

    found = memory.context("soba", max_tokens=max_tokens, top_k=20)
    assert estimate_tokens(found.text) <= max_tokens
    assert (max_tokens >= 600) == bool(found.passages)


def test_context_leaves_out_what_the_agent_sees_and_keeps_what_its_session_has_lost(
    memory: UserMemory,
) -> None:
    memory.session("chat:1", "soba for lunch", "A fine soba.", retained=True)
    memory.session("chat:1", "soba for dinner", "Again?", days=5)

    text = memory.context("soba", "chat:1").text
    assert "lunch" in text
    assert "dinner" not in text


def test_context_leaves_out_what_long_term_memory_says(memory: UserMemory) -> None:
    memory.note("long_term", "memory:long_term", "- likes soba")
    memory.note("daily", "memory:daily:2026-11-22", "- likes soba", date="2026-11-22")
    assert memory.context("soba").passages == ()


def test_without_a_query_the_sessions_last_messages_stand_in(memory: UserMemory) -> None:
    memory.session("chat:1", "soba is best in winter", "Certainly.")
    memory.session("chat:2", "the printer is broken", "Turn it off.", days=3)
    memory.session("chat:3", "shall we have soba?", "Yes.", days=5)

    assert memory.context(None, "chat:3", top_k=1).passages[0].hit.metadata["key"] == "chat:1"


def test_without_anything_to_ask_the_newest_passages_come(memory: UserMemory) -> None:
    memory.session("chat:1", "soba", "yes")
    memory.session("chat:2", "udon", "no", days=3)

    assert [one.hit.metadata["key"] for one in memory.context(top_k=1).passages] == ["chat:2"]


def trip(key: str, memory: UserMemory, days: int) -> None:
    memory.session(
        key,
        "Let me tell you of Kanazawa.\nOf Kanazawa!",
        "Kenrokuen garden, gold leaf ice cream, Omicho market, the Shinkansen, samurai houses, and Mika's wedding.",
        "We shall stay at the ryokan beside the river Asano, drink matcha, and buy lacquer bowls for grandmother.",
        days=days,
    )


def test_related_gives_one_entry_a_session_and_not_the_session_itself(memory: UserMemory) -> None:
    trip("chat:1", memory, 0)
    memory.session("chat:2", "the printer is broken", "Turn it off.", days=3)
    trip("chat:3", memory, 5)

    related = memory.recall.related("acme", "mika", "chat:3", None, 5).sessions
    assert [one.key for one in related] == ["chat:1"]
    assert related[0].title == "Let me tell you of Kanazawa."
    assert related[0].date == "2026-11-01"
    assert 0 < related[0].score <= 1


def test_messages_stand_in_for_a_session(memory: UserMemory) -> None:
    trip("chat:1", memory, 0)
    memory.session("chat:2", "the printer is broken", "Turn it off.", days=3)

    [found] = memory.recall.related(
        "acme",
        "mika",
        None,
        ["Kenrokuen garden, gold leaf ice cream, Omicho market, the Shinkansen, samurai houses"],
        1,
    ).sessions
    assert found.key == "chat:1"


def test_nothing_rather_than_noise_is_related(memory: UserMemory) -> None:
    trip("chat:1", memory, 0)
    memory.session("chat:2", "Lunch was late.", "Glad to hear it.", days=3)

    assert memory.recall.related("acme", "mika", "chat:2", None, 5).sessions == []


class Tally:
    """A ledger that adds up."""

    several = None

    def __init__(self) -> None:
        self.tokens = 0

    def reserve(self, tenant_id: str, tokens: int, day: date) -> bool:  # noqa: ARG002
        self.tokens += tokens
        return True

    def correct(self, tenant_id: str, tokens: int, day: date) -> None:
        self.reserve(tenant_id, tokens, day)


def test_everything_that_a_question_has_embedded_is_counted(memory: UserMemory) -> None:
    memory.session("chat:1", "The boat trip is on the 14th.")
    ledger = Tally()
    asking = replace(memory.recall, meter=Meter(ledger))
    before = memory.embedder.usage.tokens
    asking.search("acme", "mika", "when is the boat trip?", 5)
    asking.search("acme", "mika", "which pier?", 5)
    assert ledger.tokens == memory.embedder.usage.tokens - before > 0


class PaidForNothing(WordEmbedder):
    """A provider whose answer costs, and cannot be used."""

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        super().embed(texts)
        raise EmbeddingUnavailableError("the answer has vectors of another length")


def test_a_question_whose_embedding_failed_is_counted_too(memory: UserMemory) -> None:
    ledger = Tally()
    asking = replace(memory.recall, embedder=PaidForNothing(), meter=Meter(ledger))
    with pytest.raises(EmbeddingUnavailableError):
        asking.search("acme", "mika", "when is the boat trip?", 5)
    assert ledger.tokens == 5
