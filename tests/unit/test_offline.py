import logging
import subprocess
import sys

import pytest

from pipeline.embedding.offline import OfflineEmbedder
from pipeline.stores.memory import cosine


@pytest.fixture(scope="module")
def offline() -> OfflineEmbedder:
    return OfflineEmbedder()


def test_it_makes_the_same_256_numbers_every_time(offline: OfflineEmbedder) -> None:
    texts = ["the crate ships on Friday", "木箱は金曜日に届きます"]
    one, two = offline.embed(texts), OfflineEmbedder().embed(texts)
    assert [len(vector) for vector in one] == [offline.space.dimensions] * 2 == [256, 256]
    assert [list(vector) for vector in one] == [list(vector) for vector in two]


def test_a_text_has_the_same_vector_in_any_company(offline: OfflineEmbedder) -> None:
    alone = offline.embed(["a crate"])[0]
    together = offline.embed(["something much longer to be padded against", "a crate"])[1]
    assert cosine(alone, together) == pytest.approx(1.0, abs=1e-6)


def test_what_is_alike_is_closer(offline: OfflineEmbedder) -> None:
    question, answer, other = offline.embed(
        ["when does the parcel ship", "the parcel ships on Friday", "she plays the piano"]
    )
    assert cosine(question, answer) > cosine(question, other)


@pytest.mark.parametrize("text", ["🦊", "\u200b", "?", "\ufffd", "葛\U000e0100", "x" * 20_000])
def test_odd_texts_have_vectors_too(offline: OfflineEmbedder, text: str) -> None:
    assert len(offline.embed([text])[0]) == 256


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
    # In a process of its own: only the first import of wordllama touches the root logger.
    program = (
        "import logging; from pipeline.embedding.offline import OfflineEmbedder; OfflineEmbedder();"
        "print(logging.getLogger().handlers, logging.getLogger().level)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )  # our own words
    assert done.stdout.split() == ["[]", str(logging.WARNING)]
