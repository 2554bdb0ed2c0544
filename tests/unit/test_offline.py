import logging
import subprocess
import sys

import pytest

from pipeline.embedding.offline import MAX_PIECE_CHARACTERS, OfflineEmbedder, pieces_of
from pipeline.stores.memory import cosine


@pytest.fixture(scope="module")
def offline() -> OfflineEmbedder:
    return OfflineEmbedder()


def test_it_makes_the_same_512_numbers_every_time(offline: OfflineEmbedder) -> None:
    texts = ["the crate ships on Friday", "木箱は金曜日に届きます"]
    one, two = offline.embed(texts), OfflineEmbedder().embed(texts)
    assert [len(vector) for vector in one] == [offline.space.dimensions] * 2 == [512, 512]
    assert [list(vector) for vector in one] == [list(vector) for vector in two]


def test_a_text_has_the_same_vector_in_any_company(offline: OfflineEmbedder) -> None:
    alone = offline.embed(["a crate"])[0]
    together = offline.embed(["something much longer to be padded against", "a crate"])[1]
    assert cosine(alone, together) == pytest.approx(1.0, abs=1e-6)


def test_similar_texts_are_closer(offline: OfflineEmbedder) -> None:
    question, answer, other = offline.embed(
        ["when does the parcel ship", "the parcel ships on Friday", "she plays the piano"]
    )
    assert cosine(question, answer) > cosine(question, other)


@pytest.mark.parametrize("text", ["🦊", "\u200b", "?", "\ufffd", "葛\U000e0100", "x" * 20_000])
def test_odd_texts_have_vectors_too(offline: OfflineEmbedder, text: str) -> None:
    assert len(offline.embed([text])[0]) == 512


def test_a_question_is_close_to_its_answer_in_another_language(offline: OfflineEmbedder) -> None:
    question, answer, other = offline.embed(
        ["when does the parcel ship?", "荷物は金曜日に発送されます", "彼女はピアノを弾きます"]
    )
    assert cosine(question, answer) > cosine(question, other) + 0.2


def test_a_long_text_is_embedded_in_pieces_of_bounded_length() -> None:
    pieces = pieces_of("ab" * 5_000)
    assert "".join(pieces) == "ab" * 5_000
    assert all(len(piece) <= MAX_PIECE_CHARACTERS for piece in pieces)


def test_a_long_text_stays_close_to_what_it_says(offline: OfflineEmbedder) -> None:
    said = "The robot arm ships to Osaka on Friday, and the spare parts follow on Monday. "
    long, short, other = offline.embed([said * 40, said, "She plays the piano on Sundays."])
    assert cosine(long, short) > 0.7 > cosine(long, other)


def test_usage_counts_requests_and_tokens(offline: OfflineEmbedder) -> None:
    requests, tokens = offline.usage.requests, offline.usage.tokens
    offline.embed(["one", "two words"])
    assert offline.usage.requests == requests + 1
    assert offline.usage.tokens >= tokens + 3


def test_nothing_to_embed_is_no_request(offline: OfflineEmbedder) -> None:
    requests = offline.usage.requests
    assert offline.embed([]) == []
    assert offline.usage.requests == requests


def test_the_root_logger_is_left_as_it_was() -> None:
    # In a process of its own: only a first import could touch the root logger.
    program = (
        "import logging; from pipeline.embedding.offline import MAX_PIECE_CHARACTERS, OfflineEmbedder, pieces_of; OfflineEmbedder();"
        "print(logging.getLogger().handlers, logging.getLogger().level)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )  # our own words
    assert done.stdout.split() == ["[]", str(logging.WARNING)]
