"""Names and rows in DynamoDB, and exact search over them: nothing here talks to anything."""

import struct
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.lexical.terms import terms
from pipeline.stores.chunks import Chunk
from pipeline.stores.dynamodb.matrix import UserMatrix
from pipeline.stores.dynamodb.vectors import VectorRow, pack, partition, to_item, unpack, vector_row
from pipeline.stores.ledger.keys import marker_key, name_of, request_key
from pipeline.stores.search_requests import SearchRequest

NAMES = st.text(st.sampled_from("ab#%:1 \n23é"), max_size=6)
TIME = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


@given(NAMES, NAMES, NAMES, NAMES)
def test_no_two_users_share_a_partition(tenant: str, user: str, other_tenant: str, other_user: str) -> None:
    same = (tenant, user) == (other_tenant, other_user)
    assert (partition(tenant, user) == partition(other_tenant, other_user)) is same


@given(st.lists(NAMES, min_size=1, max_size=3), st.lists(NAMES, min_size=1, max_size=3))
def test_no_two_things_share_a_name(one: list[str], two: list[str]) -> None:
    assert (name_of("item", *one) == name_of("item", *two)) is (one == two)


def test_the_chat_app_knows_the_partition_of_a_user_who_is_the_tenant() -> None:
    assert partition("mika", "mika") == "MEMORY#mika"
    assert partition("acme", "mika") == "MEMORY#acme#mika"


@pytest.mark.parametrize("length", [1_024, 5_000])
def test_names_stay_within_dynamodbs_limits(length: int) -> None:
    long = "長" * (length // 3)
    assert len(name_of("item", long, long).encode()) <= 2_048
    assert len(partition(long, long + "#").encode()) <= 2_048
    for key in (marker_key("t", "user", long), request_key("t", long)):
        assert len(key["sk"]["S"].encode()) <= 1_024
    assert marker_key("t", "user", long) != marker_key("t", "session", long)
    assert marker_key("t", "user", long) != marker_key("t", "user", long + "x")


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=8))
def test_a_vector_is_packed_as_float32_little_endian_bit_by_bit(values: list[float]) -> None:
    assert pack(values) == struct.pack(f"<{len(values)}f", *values)
    assert struct.pack(f"<{len(values)}f", *unpack(pack(values))) == pack(values)


def row(number: int, *vector: float, terms: str = "") -> VectorRow:
    return VectorRow(f"{number:04}", f"text {number}", pack(vector), TIME, {}, "s", "v", terms.split())


def test_a_row_has_what_the_chat_app_reads_and_comes_back_as_it_was() -> None:
    chunk = Chunk("c1", "mika", "tea tea 田中", ("m1",), "f", TIME, {"key": "chat:1"})
    item = to_item("acme", "source", chunk, [1.0, 2.0], "v1", TIME)
    assert item["tenant_id"] == {"S": "MEMORY#acme#mika"}
    assert item["embedding"] == {"B": b"\x00\x00\x80\x3f\x00\x00\x00\x40"}
    assert item["timestamp"] == {"N": "1795339800"}
    back = vector_row(item, 2)
    assert back
    assert (back.id, back.content, back.version, list(back.terms)) == (
        "c1",
        "tea tea 田中",
        "v1",
        ["tea", "tea", "田", "中", "田中"],
    )
    assert vector_row(item, 3) is None


def test_a_row_of_the_chat_apps_own_is_read_by_what_it_has() -> None:
    item = {
        "tenant_id": {"S": "MEMORY#mika"},
        "session_key": {"S": "memory:long_term"},
        "content": {"S": "drank tea"},
        "embedding": {"B": pack([1.0, 0.0])},
        "timestamp": {"N": "1795339800"},
    }
    found = vector_row(item, 2)
    assert found
    assert (found.id, found.said_at, found.metadata, found.version) == (
        "memory:long_term",
        TIME,
        {"key": "memory:long_term"},
        "",
    )
    assert tuple(found.terms) == terms("drank tea")


@pytest.mark.parametrize("seed", range(5))
def test_the_top_ten_are_those_of_float64(seed: int) -> None:
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((700, 64)).astype(np.float32)
    vectors[350:] = vectors[:350] + random.standard_normal((350, 64)).astype(np.float32) * 1e-4
    matrix = UserMatrix([row(number, *vector) for number, vector in enumerate(vectors)], 64)
    exact = vectors.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    for _ in range(100):
        question = random.standard_normal(64).astype(np.float32)
        expected = exact @ (question / np.linalg.norm(question.astype(np.float64)))
        best = np.argsort(-expected, kind="stable")[:10]
        hits = matrix.hits(SearchRequest("t", "u", question.tolist(), 10))
        assert [int(hit.id) for hit in hits] == best.tolist()
        assert [hit.similarity for hit in hits] == pytest.approx(expected[best].tolist(), abs=1e-12)


def test_rarer_words_weigh_more_and_long_texts_less() -> None:
    rows = [
        row(1, 1.0, terms="tea rice"),
        row(2, 1.0, terms="tea cobra"),
        row(3, 1.0, terms="tea tea rice " + "x " * 50),
    ]
    hits = UserMatrix(rows, 1).hits(SearchRequest("t", "u", [1.0], 3, ("cobra", "rice", "rice", "nothing")))
    lexical = {hit.id: hit.lexical for hit in hits}
    assert lexical["0002"] > lexical["0001"] > lexical["0003"] > 0


def test_an_empty_matrix_and_a_zero_question_answer_with_nothing_wrong() -> None:
    assert UserMatrix([], 2).hits(SearchRequest("t", "u", [1.0, 0.0], 3, ("tea",))) == []
    [hit] = UserMatrix([row(1, 3.0, 4.0)], 2).hits(SearchRequest("t", "u", [0.0, 0.0], 3))
    assert hit.similarity == 0.0
