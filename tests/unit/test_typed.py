"""What is typed to the demo's memories is measured: what should be named, and what should not."""

import json

from support.words import SPACE, WordEmbedder

from lab.evaluation.remembered import RememberedEmbedder
from lab.evaluation.typed import DRAFTS, Typed, measured, typed
from pipeline.local.samples import shipped_questions
from pipeline.search.memory_search import MemorySearch
from pipeline.stores.memory import InMemoryStore


def test_the_drafts_are_what_they_say() -> None:
    written = json.loads(DRAFTS.read_text("utf-8"))
    assert len(written["nonsense"]) == 10
    assert len(set(written["drafts"])) == len(written["drafts"]) >= 60
    assert all(2 <= len(one) <= 200 for one in written["drafts"])
    japanese = [one for one in written["drafts"] if not one.isascii()]
    assert len(japanese) == len(written["drafts"]) / 2


def test_every_question_is_typed_to_its_memory_and_every_draft_to_each() -> None:
    store = InMemoryStore(SPACE)
    named, first, drafts, found, nonsense = typed(WordEmbedder(), store, store)
    asked = shipped_questions()
    users = len({(one.tenant_id, one.user_id) for one in asked})
    assert (named.asked, first.asked, nonsense.asked) == (len(asked), len(asked), 10 * users)
    assert drafts.asked == len(json.loads(DRAFTS.read_text("utf-8"))["drafts"]) * users
    assert named.right >= first.right > 0
    assert found.asked == nonsense.asked


def test_an_empty_memory_names_nothing() -> None:
    search = MemorySearch(WordEmbedder(), InMemoryStore(SPACE))
    told = list(measured(search, {"drafts": ["Hello there, how are you?"], "nonsense": ["asdf"]}))
    assert [one.right for one in told] == [0] * 5
    assert str(Typed("a", 1, 4)) == "a: 1 of 4 (0.250)"


def test_a_text_is_embedded_once() -> None:
    counting = WordEmbedder()
    embedder = RememberedEmbedder(counting)
    first = embedder.embed(["a b", "c", "a b"])
    assert embedder.embed(["c", "a b"]) == [first[1], first[0]]
    assert counting.texts == ["a b", "c"]
    assert (embedder.space, embedder.usage) == (counting.space, counting.usage)
