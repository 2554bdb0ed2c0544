"""What a context takes first of the passages it has room for."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.lexical.terms import terms
from pipeline.search.calibration import evidence
from pipeline.search.chunk_selection import SPEAKER_WEIGHT, chunk_values
from pipeline.search.context import assemble
from pipeline.search.ranking import Judge, rank
from pipeline.stores.search_requests import Hit

TIME = datetime(2026, 11, 22, tzinfo=UTC)
SMALL_TALK = "and then we talked for a long while about nothing that anybody would want to remember " * 4


def chain(*lines: str, key: str = "chat:1") -> list[Hit]:
    return [
        Hit(
            f"{key}-{number}",
            f"[2026-11-22]\n{line}",
            0.5,
            TIME + timedelta(minutes=number),
            {
                "key": key,
                "kind": "session",
                "last": str(number),
                "after": str(number - 1) if number else None,
            },
        )
        for number, line in enumerate(lines)
    ]


def judge(hits: list[Hit], question: str) -> Judge:
    return Judge(evidence(hits, frozenset(terms(question))))


def values_of(question: str, *lines: str) -> list[float]:
    hits = chain(*lines)
    return list(chunk_values(hits, terms(question), judge(hits, question)).values())


def test_of_a_passage_the_chunk_that_answers_is_worth_most() -> None:
    found = values_of("who likes soba?", "Ken: hello", "Mika: I like soba", "Ken: fine")
    assert max(found) == found[1]


def test_a_chunk_beside_an_answer_outranks_a_distant_one() -> None:
    far = f"Ken: {SMALL_TALK}"
    found = values_of("who likes soba?", far, far, far, far, "Ken: fine", "Mika: I like soba")
    assert found[5] > found[4] > found[0]


@pytest.mark.parametrize(
    ("question", "more"),
    [
        ("What does Mika like?", (SPEAKER_WEIGHT, 0.0)),
        ("What does KEN like?", (0.0, SPEAKER_WEIGHT)),
        ("What do Ken and Mika like?", (SPEAKER_WEIGHT, SPEAKER_WEIGHT)),
        ("What do they like?", (0.0, 0.0)),
    ],
)
def test_a_chunk_by_the_speaker_in_question_outranks_others(question: str, more: tuple[float, float]) -> None:
    hits = [*chain("Mika: it is green", key="chat:1"), *chain("Ken: it is green", key="chat:2")]
    nobody = [Hit(one.id, one.content.replace(": ", "; "), 0.5, TIME, one.metadata) for one in hits]
    said, told = (chunk_values(these, terms(question), judge(these, question)) for these in (hits, nobody))
    assert [said[one.id] - told[one.id] for one in hits] == pytest.approx(more)


def test_a_chunk_of_two_speakers_counts_for_half() -> None:
    both, one = (values_of("Mika?", text)[0] for text in ("Mika: a\nKen: b", "Mika: a\nMika: b"))
    assert one - both == pytest.approx(SPEAKER_WEIGHT / 2)


def context(hits: list[Hit], question: str, max_tokens: int, passages: int = 20) -> str:
    query_terms = terms(question)
    ranked = rank(hits, query_terms, passages)
    return assemble(
        "",
        ranked,
        chunk_values(hits, query_terms, Judge(evidence(hits, frozenset(query_terms)))),
        max_tokens,
        "0" * 16,
    ).text


def test_pieces_of_one_session_and_day_stand_under_one_heading_in_their_order() -> None:
    hits = chain(
        "Ken: soba first", *[f"Ken: {number} {SMALL_TALK}" for number in range(8)], "Mika: soba last"
    )
    text = context(hits, "soba", 130)
    assert text.count("### 2026-11-22 · chat:1") == 1
    assert "Ken: soba first\n…\nMika: soba last\n" in text


def test_neighbours_are_told_without_a_gap_and_a_message_in_pieces_as_one() -> None:
    hits = chain("Ken: soba one", "Mika: soba two")
    pieces = [
        Hit(f"p{part}", f"[2026-11-22]\nsoba {part}", 0.5, TIME, {"key": "chat:2", "last": "9", "part": part})
        for part in (0, 1)
    ]
    text = context([*hits, *pieces], "soba", 300)
    assert "Ken: soba one\nMika: soba two\n" in text
    assert "soba 0\nsoba 1\n" in text
    assert "…" not in text


def test_little_room_goes_to_what_answers_wherever_it_stands() -> None:
    hits = [
        *chain(
            f"Ken: {SMALL_TALK}", "Mika: the soba shop is at Shinbashi", f"Ken: {SMALL_TALK}", key="chat:1"
        ),
        *chain(f"Ken: {SMALL_TALK} soba", key="chat:2"),
    ]
    text = context(hits, "where is the soba shop?", 120)
    assert "Shinbashi" in text
    assert "nothing that anybody" not in text
