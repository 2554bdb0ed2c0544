"""What a search tells: nothing rather than noise, the time asked for, the newest statement first, and why."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from support.user_memory import UserMemory
from support.words import WordEmbedder

from pipeline.search.empty_answers import answering
from pipeline.search.found_passages import FoundPassages
from pipeline.search.related import explained_sessions
from pipeline.search.trace import explained
from pipeline.search.updates import LOOKED_AT
from pipeline.search.wanted import Wanted

NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture
def memory() -> UserMemory:
    memory = UserMemory(WordEmbedder())
    memory.session("chat:1", "The launch of Heron is on May 3.", "Noted.", days=0)
    memory.session("chat:2", "The piano tuner comes tomorrow with new strings.", "Fine.", days=3)
    memory.session("chat:3", "The launch of Heron moved to May 24.", "Noted.", days=17)
    return memory


def search(memory: UserMemory, question: str, **wanted: object) -> FoundPassages:
    return memory.recall.search("acme", "mika", question, 5, wanted=Wanted(now=NOW, **wanted))  # type: ignore[arg-type]


def keys(found: FoundPassages) -> Sequence[object]:
    return [one.hit.metadata["key"] for one in found.passages]


@pytest.mark.parametrize(
    "question", ["colourless green ideas sleep furiously", "紫の象は月で税法を朗読する", "qwrt zxcv plmk"]
)
def test_nonsense_finds_nothing_and_a_request_may_widen_that(memory: UserMemory, question: str) -> None:
    found = search(memory, question)
    assert found.passages == []
    assert found.confidence < memory.recall.min_confidence
    assert len(search(memory, question, min_confidence=0.0).passages) == 3


def test_the_newest_statement_leads_and_the_earlier_is_marked(memory: UserMemory) -> None:
    found = search(memory, "When is the launch of Heron?")
    assert keys(found)[:2] == ["chat:3", "chat:1"]
    newest, earlier = found.passages[:2]
    assert (newest.superseded_by, earlier.superseded_by) == (None, newest.hit.id)
    text = memory.context("When is the launch of Heron?").text
    assert "chat:1 · said before that" in text
    assert "The launch of Heron is on May 3." in text


def test_a_question_about_a_time_prefers_statements_of_that_time(memory: UserMemory) -> None:
    assert keys(search(memory, "What was said of the launch of Heron on November 1?"))[0] == "chat:1"
    assert keys(search(memory, "What was said of the launch of Heron last week?"))[0] == "chat:3"


def test_where_only_a_time_is_asked_for_all_of_it_comes_and_nothing_else(memory: UserMemory) -> None:
    assert keys(search(memory, "What did we talk about on November 4?")) == ["chat:2"]


def test_a_question_without_an_answer_is_no_memory_of_it(memory: UserMemory) -> None:
    memory.session(
        "chat:4", "Where is the spare key of the shed?", "I could not find anything about that.", days=20
    )
    assert keys(search(memory, "Where is the spare key of the shed?")) == []
    memory.session("chat:5", "Where is the spare key of the shed?", "Under the blue pot.", days=21)
    assert keys(search(memory, "Where is the spare key of the shed?"))[0] == "chat:5"


def test_only_the_same_question_is_left_out() -> None:
    said = "user: Where is the key?\nassistant: I don't know.\nuser: It rains."
    assert answering(said, frozenset({"key", "shed"})) == "user: Where is the key?\nuser: It rains."
    assert answering(said, frozenset({"where", "key"})) != said


def test_an_explanation_tells_all_of_it_without_what_was_said(memory: UserMemory) -> None:
    found = search(memory, "When is the launch of Heron?")
    told = explained(found.trace)
    assert told["strategy"] == "exact"
    assert told["tokens"] == 6
    assert told["candidates"]["all"] == len(found.trace.hits)
    assert told["now"] == NOW.isoformat()
    assert set(told["passages"][0]["words"]) == {"launch", "heron"}
    assert [one["told"] for one in told["passages"]] == [True] * len(found.passages)
    assert [one["place"]["by_words"] for one in told["passages"]][:2] == [2, 1]
    assert told["passages"][1]["superseded_by"] == told["passages"][0]["id"]
    assert "piano" not in json.dumps(told)
    assert explained(search(memory, "When is the launch of Heron?").trace) == told


def test_an_explanation_says_why_nothing_is_told(memory: UserMemory) -> None:
    found = search(memory, "qwrt zxcv plmk")
    told = explained(found.trace)
    assert {one["left_out"] for one in told["passages"]} == {"nothing is sure enough"}
    assert told["confidence"] < told["min_confidence"]


def test_confidence_is_of_the_question_however_many_passages_are_asked_for() -> None:
    def like(word: str) -> str:
        """Return another word with the same vector."""
        one = WordEmbedder()
        return next(other for n in range(10_000) if one.embed([other := f"w{n}"]) == one.embed([word]))

    memory = UserMemory(WordEmbedder())
    for number in range(7):
        noise = " ".join(f"noise{number}x{n}" for n in range(30))
        memory.session(f"chat:{number}", f"alpha beta gamma {noise}", days=number)
    memory.session("chat:close", " ".join(map(like, ("alpha", "beta", "gamma"))), days=9)
    answers = [
        memory.recall.search(
            "acme", "mika", "alpha beta gamma", top_k, wanted=Wanted(now=NOW, min_confidence=0.0)
        )
        for top_k in (1, 5, 8, 50)
    ]
    answers.append(search(memory, "alpha beta gamma", min_similarity=0.1, min_confidence=0.0))
    assert keys(answers[3]).index("chat:close") >= LOOKED_AT
    assert len({one.confidence for one in answers}) == 1


def test_an_explanation_says_what_a_request_left_out(memory: UserMemory) -> None:
    one = memory.recall.search("acme", "mika", "When is the launch of Heron?", 1, wanted=Wanted(now=NOW))
    assert [passage["left_out"] for passage in explained(one.trace)["passages"]][:2] == [None, "beyond top_k"]
    alike = search(memory, "When is the launch of Heron?", min_similarity=1.0)
    assert alike.passages == []
    assert {one["left_out"] for one in explained(alike.trace)["passages"]} == {"less similar than asked for"}


def test_an_explanation_names_what_only_repeats(memory: UserMemory) -> None:
    said = "Heron carries two cameras, a star tracker and the spare battery from Kiruna."
    memory.session("chat:6", said, days=18)
    memory.session("chat:7", f'You told me: "{said}"', days=19)
    found = search(memory, "What does Heron carry?")
    assert len([one for one in found.passages if "Kiruna" in one.hit.content]) == 1
    assert len(explained(found.trace)["not_ranked"]["said_already"]) == 1


def test_a_context_explains_what_it_had_no_room_for(memory: UserMemory) -> None:
    question = "When is the launch of Heron?"
    wide, narrow = memory.context(question), memory.context(question, max_tokens=110)
    assert {one["left_out"] for one in explained(wide.trace, wide.chunks)["passages"]} <= {
        None,
        "beyond top_k",
    }
    told = explained(narrow.trace, narrow.chunks)["passages"]
    assert [one["told"] for one in told[:2]] == [True, False]
    assert told[1]["left_out"] == "no room"


@pytest.mark.parametrize("max_tokens", range(100, 200, 10))
def test_room_for_one_statement_is_the_newer_ones(max_tokens: int) -> None:
    memory = UserMemory(WordEmbedder())
    memory.session("chat:1", "When is the launch of Heron? The launch of Heron is on May 3.", days=0)
    memory.session("chat:2", "By the way, the launch of Heron moved to May 24.", days=17)
    text = memory.context("When is the launch of Heron?", max_tokens=max_tokens).text
    assert "May 24" in text or "May 3" not in text


def test_of_conversations_that_say_the_same_anew_the_later_is_named_first(memory: UserMemory) -> None:
    found = memory.recall.related("acme", "mika", None, ["the launch of Heron"], 5)
    assert [(one.key, one.superseded_by) for one in found.sessions] == [
        ("chat:3", None),
        ("chat:1", "chat:3"),
    ]
    assert found.trace
    told = explained_sessions(found.trace, found.judged)
    assert [(one["key"], one["left_out"]) for one in told["sessions"]] == [
        ("chat:3", None),
        ("chat:1", None),
        ("chat:2", "less sure than asked for"),
    ]
    assert "piano" not in json.dumps(told)


def test_a_typed_draft_names_its_conversation_and_small_talk_none(memory: UserMemory) -> None:
    related = memory.recall.related("acme", "mika", None, ["launch of Heron"], 5).sessions
    assert {one.key for one in related} == {"chat:1", "chat:3"}
    assert memory.recall.related("acme", "mika", None, ["qwrt zxcv plmk"], 5).sessions == []
