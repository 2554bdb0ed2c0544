"""The stand-in for OpenSearch and a real one are asked the same, and answer the same.

What the stand-in does not know it says with 501; it never guesses. Refusals are compared by their status, hits by their
order, scores and sources, and what is written by each item's status and kind of error.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import uuid4

import pytest
from support.real_opensearch import require_opensearch

from pipeline.local.opensearch_index import Index
from pipeline.local.opensearch_proxy import Node, NodeIndex
from pipeline.local.opensearch_rules import Refreshes, RefusedError, ServiceRules

VECTOR = {"name": "hnsw", "engine": "faiss", "space_type": "innerproduct"}
BODY: Mapping[str, Any] = {
    "settings": {"index": {"knn": True}},
    "mappings": {
        "dynamic": "strict",
        "properties": {
            **{name: {"type": "keyword"} for name in ("id", "tenant", "user", "roles", "key")},
            "content": {"type": "text", "index": False},
            "words": {"type": "text", "analyzer": "whitespace"},
            "said_at": {"type": "long"},
            "embedding": {"type": "knn_vector", "dimension": 2, "method": VECTOR},
        },
    },
}
REFRESH_SECONDS = 10
Asked = Callable[[Index | NodeIndex], Any]


@pytest.fixture(scope="module")
def both(opensearch_url: str) -> Iterator[tuple[Index, NodeIndex]]:
    """The two, each with the same documents, refreshed at 10 s."""
    require_opensearch()
    node, name = Node(opensearch_url), f"differences-{uuid4().hex}"
    parts = BODY, ServiceRules("classic", ready_at=0), Refreshes(0, REFRESH_SECONDS)
    pair = Index(*parts), NodeIndex(node, name, *parts)
    for one in pair:
        assert not one.bulk(bulk(*(line for document in CORPUS for line in (INDEX, document))), 0)["errors"]
    yield pair
    node.delete(name)


def bulk(*lines: Any) -> str:
    """A line is JSON, or text as it is."""
    return "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)


def document(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": f"d{number}", "tenant": "acme", "user": "mika", "said_at": number, **fields}


INDEX: Mapping[str, Any] = {"index": {}}
CORPUS = [
    document(1, words="aa bb cc", embedding=[1, 0], roles=["user"], key="k1"),
    document(2, words="aa aa", embedding=[0.6, 0.8], roles=["user", "assistant"]),
    document(3, words="dd " * 50 + "aa", embedding=[-1, 0], user="ken"),
    document(4, words="Aa", embedding=[0.28, 0.96], roles=[]),
    document(5, words="", key="k2"),
    document(6, words="bb " * 8, embedding=[0, 0], tenant="rival"),
    document(7, words="東京 京都 aa"),
    document(8, words="x" * 300 + " yy", key="z" * 8200),
]


def answered(ask: Asked, index: Index | NodeIndex) -> Any:
    try:
        return ask(index)
    except RefusedError as refused:
        return refused.status


def items(answer: Any) -> Any:
    if isinstance(answer, int):
        return answer
    told = [(verb, one) for item in answer["items"] for verb, one in item.items()]
    return [
        (verb, one["status"], one.get("result"), one.get("error", {}).get("type")) for verb, one in told
    ], answer["errors"]


def hits(answer: Any) -> Any:
    if isinstance(answer, int):
        return answer
    return [
        (
            one.get("_source", {}).get("id"),
            None if one["_score"] is None else pytest.approx(one["_score"], rel=1e-5),
            sorted(one["_source"]) if "_source" in one else None,
            one.get("sort"),
        )
        for one in answer["hits"]["hits"]
    ]


WRITES: Mapping[str, Any] = {
    "vector of another length": {"embedding": [1.0]},
    "empty vector": {"embedding": []},
    "no vector": {"embedding": None},
    "vector of words": {"embedding": ["a", "b"]},
    "nested vector": {"embedding": [[1, 2]]},
    "vector beyond 32 bits": {"embedding": [1e39, 0]},
    "vector of length zero": {"embedding": [0, 0]},
    "vector of whole numbers": {"embedding": [1, 2]},
    "unknown field": {"nonsense": 1},
    "keyword beyond Lucene's bytes": {"key": "x" * 40_000},
    "keyword beyond Lucene's bytes in Japanese": {"key": "あ" * 11_000},
    "number for a keyword": {"key": 5},
    "truth for a keyword": {"key": True},
    "object for a keyword": {"key": {"a": 1}},
    "list for a keyword": {"key": ["a", "b"]},
    "empty list": {"roles": []},
    "nothing for a keyword": {"key": None},
    "text for a number": {"said_at": "12"},
    "word for a number": {"said_at": "x"},
    "fraction for a number": {"said_at": 1.5},
    "number beyond 64 bits": {"said_at": 2**63},
    "truth for a number": {"said_at": True},
    "number for a text": {"words": 5},
    "list for a text": {"words": ["a b", "c"]},
    "object for a text": {"words": {"a": 1}},
    "word beyond a token's length": {"words": "w" * 40_000},
    "text of a megabyte that is not searched": {"content": "x" * 1_000_000},
}


@pytest.mark.parametrize("fields", WRITES.values(), ids=WRITES)
def test_documents_are_taken_or_refused_alike(
    both: tuple[Index, NodeIndex], fields: Mapping[str, Any]
) -> None:
    text = bulk(INDEX, {**document(90), **fields})
    mine, real = (items(answered(lambda one: one.bulk(text, 0), index)) for index in both)
    assert mine == real


BULKS = {
    "not a number": bulk(INDEX, '{"id": "n", "embedding": [NaN, 1]}'),
    "list for a document": bulk(INDEX, [1]),
    "no JSON for a document": bulk(INDEX, "x"),
    "empty document": bulk(INDEX, {}),
    "delete what is not there": bulk({"delete": {"_id": "zz"}}),
    "delete without an id": bulk({"delete": {}}),
    "delete an endless id": bulk({"delete": {"_id": "z" * 600}}),
    "some of it wrong": bulk(INDEX, document(91), {"delete": {"_id": "zz"}}, INDEX, document(92, x=1)),
    "create": bulk({"create": {}}, document(93)),
    "nothing": "\n",
    "no JSON": "{\n",
    "no such verb": bulk({"frob": {}}, {}),
    "no such option": bulk({"index": {"bogus": 1}}, document(94)),
    "last line without its end": bulk(INDEX, document(95))[:-1],
}


@pytest.mark.parametrize("text", BULKS.values(), ids=BULKS)
def test_bulks_are_taken_or_refused_alike(both: tuple[Index, NodeIndex], text: str) -> None:
    mine, real = (items(answered(lambda one: one.bulk(text, 0), index)) for index in both)
    assert mine == real


def knn(size: int = 10, **asked: Any) -> dict[str, Any]:
    return {"query": {"knn": {"embedding": asked}}, "size": size}


def words(query: str, **more: Any) -> dict[str, Any]:
    return {"query": {"match": {"words": {"query": query, **more}}}}


def only(*conditions: Mapping[str, Any]) -> dict[str, Any]:
    return {"query": {"bool": {"filter": list(conditions)}}, "sort": [{"id": "asc"}]}


def sorted_by(*parts: Mapping[str, str], **more: Any) -> dict[str, Any]:
    return {"query": {"match_all": {}}, "sort": list(parts), **more}


EAST = [1, 0]
HERS = {"bool": {"filter": [{"term": {"user": "mika"}}, {"term": {"tenant": "acme"}}]}}
SEARCHES: Mapping[str, Any] = {
    "everything": sorted_by({"id": "asc"}),
    "nothing asked": {"sort": [{"id": "asc"}]},
    "no hit wanted": {"size": 0},
    "less than none": {"size": -1},
    "beyond the window": {"size": 10_001},
    "beyond the window from a place": {"from": 9_999, "size": 2},
    "from a place": sorted_by({"id": "asc"}, **{"from": 2, "size": 2}),
    "no such option": {"frob": 1},
    "nearest": knn(vector=EAST, k=2),
    "nearest, fewer shown": knn(2, vector=EAST, k=3),
    "nearest, of length zero": {**knn(vector=[0, 0], k=10_000), "size": 0},
    "nearest, the other way": knn(vector=[-1, 0], k=9),
    "nearest, k 0": knn(vector=EAST, k=0),
    "nearest, k too high": knn(vector=EAST, k=10_001),
    "nearest, k highest": knn(vector=EAST, k=10_000),
    "nearest, no k": knn(vector=EAST),
    "nearest, no vector": knn(k=2),
    "nearest, null": knn(vector=None, k=2),
    "nearest, a word": knn(vector="x", k=2),
    "nearest, another length": knn(vector=[1], k=2),
    "nearest, no such option": knn(vector=EAST, k=2, bogus=1),
    "nearest, no such field": {"query": {"knn": {"nope": {"vector": EAST, "k": 2}}}},
    "nearest, by a keyword": {"query": {"knn": {"key": {"vector": EAST, "k": 2}}}},
    "nearest among hers": knn(vector=EAST, k=9, filter=HERS),
    "nearest among nobody's": knn(vector=EAST, k=9, filter={"term": {"user": "nobody"}}),
    "word": words("aa"),
    "words": words("aa bb"),
    "word twice": words("bb bb"),
    "all words": words("aa bb", operator="and"),
    "no word": words(""),
    "word that is nowhere": words("zz"),
    "capitals": words("AA"),
    "Japanese": words("京都"),
    "long word": words("x" * 300),
    "long word's first token": words("x" * 255),
    "short form": {"query": {"match": {"words": "aa"}}},
    "most words": words(" ".join(f"w{number}" for number in range(1_024))),
    "too many words": words(" ".join(f"w{number}" for number in range(1_025))),
    "too many words, one of them there": words("aa " + " ".join(f"w{number}" for number in range(2_000))),
    "no such operator": words("aa", operator="xor"),
    "word among hers": {
        "query": {"bool": {"must": [{"match": {"words": {"query": "aa"}}}], "filter": [HERS]}}
    },
    "word of hers, should or not": {
        "query": {"bool": {"must": [{"match": {"words": "aa"}}], "should": [], "filter": [HERS]}}
    },
    "term": only({"term": {"user": "ken"}}),
    "term in a list": only({"term": {"roles": "assistant"}}),
    "term of a number": only({"term": {"said_at": 3}}),
    "term of no such field": only({"term": {"nope": "x"}}),
    "two terms in one": only({"term": {"user": "ken", "tenant": "acme"}}),
    "terms": only({"terms": {"key": ["k1", "k2"]}}),
    "no terms": only({"terms": {"key": []}}),
    "terms without a list": only({"terms": {"key": "k1"}}),
    "long term": only({"term": {"key": "z" * 8200}}),
    "most terms": only({"terms": {"key": [str(number) for number in range(65_536)]}}),
    "too many terms": only({"terms": {"key": [str(number) for number in range(65_537)]}}),
    "range": only({"range": {"said_at": {"gte": 2, "lt": 5}}}),
    "range, the other ends": only({"range": {"said_at": {"gt": 2, "lte": 5}}}),
    "range without ends": only({"range": {"said_at": {}}}),
    "range of text": only({"range": {"key": {"gte": "k2"}}}),
    "range by text": only({"range": {"said_at": {"gte": "2"}}}),
    "range by a fraction": only({"range": {"said_at": {"gte": 2.5}}}),
    "range, no such end": only({"range": {"said_at": {"from_": 2}}}),
    "must not": only({"bool": {"must_not": [{"terms": {"key": ["k1"]}}]}}),
    "should": only({"bool": {"should": [{"term": {"user": "ken"}}], "minimum_should_match": 1}}),
    "should, of itself": only({"bool": {"should": [{"term": {"user": "ken"}}]}}),
    "should, beside a filter": only(
        {"bool": {"should": [{"term": {"user": "ken"}}], "filter": [{"term": {"tenant": "acme"}}]}}
    ),
    "should, of nothing": only({"bool": {"should": [], "minimum_should_match": 1}}),
    "bool of nothing": only({"bool": {}}),
    "too many conditions": only(*[{"term": {"tenant": "acme"}}] * 1_100),
    "no such query": only({"frob": {"a": 1}}),
    "two queries in one": {"query": {"match_all": {}, "match": {"words": "a"}}},
    "sorted": sorted_by({"said_at": "desc"}, {"id": "asc"}, size=3),
    "sorted, next page": sorted_by({"said_at": "desc"}, {"id": "asc"}, size=3, search_after=[6, "d6"]),
    "sorted, a field missing": sorted_by({"key": "asc"}, {"id": "asc"}),
    "sorted, a field missing, backwards": sorted_by({"key": "desc"}, {"id": "asc"}),
    "sorted, after what lacks it": sorted_by({"key": "asc"}, {"id": "asc"}, search_after=[None, "d3"]),
    "sorted by lists": sorted_by({"roles": "asc"}, {"id": "asc"}),
    "sorted by lists, backwards": sorted_by({"roles": "desc"}, {"id": "asc"}),
    "sorted by a text": sorted_by({"words": "asc"}),
    "sorted by no such field": sorted_by({"nope": "asc"}),
    "sorted, no such way": sorted_by({"id": "up"}),
    "next page, too few places": sorted_by({"said_at": "desc"}, {"id": "asc"}, search_after=[6]),
    "next page, not sorted": {"query": {"match_all": {}}, "search_after": [6]},
    "some of the source": sorted_by({"id": "asc"}, _source=["id", "nope"]),
    "source by a pattern": sorted_by({"id": "asc"}, _source=["i*", "key"]),
    "source by a name": sorted_by({"id": "asc"}, _source="id"),
    "no source": sorted_by({"id": "asc"}, _source=False),
    "source of no names": sorted_by({"id": "asc"}, _source=[]),
}


@pytest.mark.parametrize("body", SEARCHES.values(), ids=SEARCHES)
def test_searches_are_answered_or_refused_alike(
    both: tuple[Index, NodeIndex], body: Mapping[str, Any]
) -> None:
    mine, real = (hits(answered(lambda one: one.search(body, REFRESH_SECONDS), index)) for index in both)
    assert mine == real


ONLY_REAL: Mapping[str, Any] = {
    "exists": only({"exists": {"field": "key"}}),
    "term of a text": only({"term": {"words": "aa"}}),
    "term in full": only({"term": {"user": {"value": "ken"}}}),
    "match of a keyword": {"query": {"match": {"key": {"query": "k1"}}}},
    "sorted by the index's own id": sorted_by({"_id": "asc"}, size=0),
}


@pytest.mark.parametrize("body", ONLY_REAL.values(), ids=ONLY_REAL)
def test_the_stand_in_names_a_request_that_it_does_not_know(
    both: tuple[Index, NodeIndex], body: Mapping[str, Any]
) -> None:
    mine, real = (answered(lambda one: one.search(body, REFRESH_SECONDS), index) for index in both)
    assert (mine, isinstance(real, dict)) == (501, True)


def test_equal_scores_may_come_in_any_order_and_a_search_cuts_among_them(
    both: tuple[Index, NodeIndex],
) -> None:
    """So whoever needs an order asks for more than it shows, and sorts by itself."""
    for index in both:
        found = index.search({**knn(vector=[0, 0], k=3), "_source": ["id"]}, REFRESH_SECONDS)["hits"]["hits"]
        assert [one["_score"] for one in found] == [1.0, 1.0, 1.0]
        assert {one["_source"]["id"] for one in found} <= {"d1", "d2", "d3", "d4", "d6"}


def test_a_refresh_shows_all_that_was_written_until_then(opensearch_url: str) -> None:
    """A write may be seen long before a whole interval has passed, and what was deleted meanwhile never is."""
    parts = BODY, ServiceRules("classic", ready_at=0), Refreshes(0, REFRESH_SECONDS)
    node, name = Node(opensearch_url), f"differences-{uuid4().hex}"
    for index in (Index(*parts), NodeIndex(node, name, *parts)):
        written = [index.bulk(bulk(INDEX, document(number)), at) for number, at in ((1, 0), (2, 9), (3, 9.5))]
        gone = written[2]["items"][0]["index"]["_id"]
        index.bulk(bulk({"delete": {"_id": gone}}), 9.9)
        assert index.search({}, 9.9)["hits"]["hits"] == []
        assert [one["id"] for one in index.documents] == ["d1", "d2"]
        assert len(index.search({}, 10)["hits"]["hits"]) == 2
        index.bulk(bulk(INDEX, document(4)), 10)
        assert len(index.search({}, 19.9)["hits"]["hits"]) == 2
        assert len(index.search({}, 20)["hits"]["hits"]) == 3
    node.delete(name)


def test_a_real_one_counts_deleted_documents_in_its_scores_until_it_merges(opensearch_url: str) -> None:
    """The one difference that stays: a word's idf mass is that of the index's files, not of what searches see."""
    parts = BODY, ServiceRules("classic", ready_at=0), Refreshes(0, REFRESH_SECONDS)
    node, name = Node(opensearch_url), f"differences-{uuid4().hex}"
    scores = []
    for index in (Index(*parts), NodeIndex(node, name, *parts)):
        lines = (line for number in range(3) for line in (INDEX, document(number, words="aa bb")))
        answer = index.bulk(bulk(*lines), 0)["items"]
        before = index.search(words("aa"), 10)["hits"]["hits"][0]["_score"]
        for item in answer[1:]:
            index.bulk(bulk({"delete": {"_id": item["index"]["_id"]}}), 10)
        [hit] = index.search(words("aa"), 20)["hits"]["hits"]
        scores.append((before, hit["_score"]))
    node.delete(name)
    (mine, later), (real, same) = scores
    assert real == pytest.approx(mine, rel=1e-5)
    assert (same, later) == (pytest.approx(real), pytest.approx(0.2876821 * 2.2 / 2.2, rel=1e-5))
