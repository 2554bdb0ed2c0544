"""The local OpenSearch refuses what the service refuses, in both generations, whether a real one stands behind it or not."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from botocore.credentials import Credentials
from opensearchpy import OpenSearch
from opensearchpy.exceptions import AuthorizationException, NotFoundError, RequestError
from support.real_opensearch import engine

from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.errors import StoreUnavailableError
from pipeline.local.opensearch_rules import ID_REFUSED
from pipeline.local.opensearch_server import ACCESS_KEY, REFRESH_SECONDS, SECRET_KEY, OpenSearchServer
from pipeline.stores.opensearch.collection import Collection, connect
from pipeline.stores.opensearch.queries import closest, cosine, index_body, scope

SPACE = EmbeddingSpace("plane", 2)
INDEX = "memories"


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["memory", "real"])
def node(request: pytest.FixtureRequest) -> str | None:
    return engine(request, request.param)


@pytest.fixture(params=["classic", "nextgen"])
def server(request: pytest.FixtureRequest, node: str | None) -> Iterator[OpenSearchServer]:
    with OpenSearchServer(request.param, clock=Clock(), node=node) as running:
        yield running


def client_of(server: OpenSearchServer, secret: str = SECRET_KEY) -> OpenSearch:
    return connect(server.endpoint, "us-east-1", Credentials(ACCESS_KEY, secret))


@pytest.fixture
def client(server: OpenSearchServer) -> OpenSearch:
    made = client_of(server)
    made.indices.create(index=INDEX, body=index_body(SPACE, server.generation))
    return made


def later(server: OpenSearchServer, seconds: float) -> None:
    server.clock.now += seconds  # type: ignore[attr-defined]


def write(client: OpenSearch, *documents: dict[str, Any]) -> Any:
    lines = [json.dumps(line) for one in documents for line in ({"index": {}}, one)]
    return client.bulk(body="\n".join(lines) + "\n", index=INDEX)


def chunk(number: int, *vector: float, **fields: Any) -> dict[str, Any]:
    return {
        "chunk_id": f"c{number}",
        "tenant_id": "acme",
        "user_id": "mika",
        "version": "v",
        "source": "s",
        "embedding": vector,
        **fields,
    }


def test_writes_and_deletions_are_seen_after_a_refresh(server: OpenSearchServer, client: OpenSearch) -> None:
    refresh = REFRESH_SECONDS[server.generation]
    assert refresh == {"classic": 60.0, "nextgen": 10.0}[server.generation]
    answer = write(client, chunk(1, 1.0, 0.0))
    assert not answer["errors"]
    every = {"query": {"match_all": {}}}
    later(server, refresh - 0.1)
    assert client.search(index=INDEX, body=every)["hits"]["hits"] == []
    later(server, 0.1)
    [hit] = client.search(index=INDEX, body=every)["hits"]["hits"]
    client.bulk(body=json.dumps({"delete": {"_id": hit["_id"]}}) + "\n", index=INDEX)
    assert len(client.search(index=INDEX, body=every)["hits"]["hits"]) == 1
    later(server, refresh)
    assert client.search(index=INDEX, body=every)["hits"]["hits"] == []


def test_document_ids_of_ones_own(server: OpenSearchServer, client: OpenSearch) -> None:
    line = json.dumps({"index": {"_id": "mine"}}) + "\n" + json.dumps(chunk(1, 1.0, 0.0)) + "\n"
    [item] = client.bulk(body=line, index=INDEX)["items"]
    if server.generation == "classic":
        assert (item["index"]["status"], item["index"]["error"]["reason"]) == (400, ID_REFUSED)
    else:
        assert item["index"]["_id"] == "mine"


def test_a_line_of_a_bulk_ends_at_a_line_feed_alone(client: OpenSearch) -> None:
    lines = (
        json.dumps({"index": {}}),
        json.dumps(chunk(1, 1.0, 0.0, content="a\u2028b\u0085c"), ensure_ascii=False),
    )
    [item] = client.bulk(body="\n".join(lines) + "\n", index=INDEX)["items"]
    assert item["index"]["status"] == 201


def test_a_bulk_answers_200_with_an_error_an_item(client: OpenSearch) -> None:
    answer = write(client, chunk(1, 1.0, 0.0), chunk(2, 1.0), chunk(3, 0.0, 1.0, nonsense=1))
    assert answer["errors"] is True
    assert [item["index"]["status"] for item in answer["items"]] == [201, 400, 400]


MISSING = [
    ("GET", "/"),
    ("POST", f"/{INDEX}/_refresh"),
    ("GET", "/_cluster/health"),
    ("POST", "/_reindex"),
    ("POST", f"/{INDEX}/_update_by_query"),
    ("POST", f"/{INDEX}/_delete_by_query"),
    ("POST", "/_search/scroll"),
]


@pytest.mark.parametrize(("method", "path"), MISSING)
def test_a_missing_document_is_404(client: OpenSearch, method: str, path: str) -> None:
    with pytest.raises(NotFoundError):
        client.transport.perform_request(method, path, body={})


@pytest.mark.parametrize("refresh", ["true", "wait_for"])
def test_forced_refreshes_are_refused(client: OpenSearch, refresh: str) -> None:
    with pytest.raises(RequestError):
        client.bulk(body=json.dumps({"index": {}}) + "\n{}\n", index=INDEX, refresh=refresh)


def test_only_who_signs_with_the_right_key_for_aoss_gets_in(server: OpenSearchServer) -> None:
    with pytest.raises(AuthorizationException):
        client_of(server, "another secret").indices.exists_alias(name="x")
    assert urllib3.request("GET", f"{server.endpoint}/{INDEX}").status == 403
    client = client_of(server)
    client.transport.get_connection().http_auth.service = "es"
    client.transport.get_connection().http_auth.signer.service = "es"
    with pytest.raises(AuthorizationException):
        client.search(index=INDEX, body={})


def test_a_session_is_let_in_unproven_only_where_that_is_said() -> None:
    session = Credentials("ASIASOMEBODY", "nobody knows", "a token")
    with OpenSearchServer() as strict, OpenSearchServer(sessions=True) as trusting:
        for server, let_in in ((strict, False), (trusting, True)):
            signed = connect(server.endpoint, "us-east-1", session)
            with pytest.raises(NotFoundError if let_in else AuthorizationException):
                signed.search(index=INDEX, body={})
        with pytest.raises(AuthorizationException):
            client_of(trusting, "another secret").search(index=INDEX, body={})
        sign = connect(trusting.endpoint, "us-east-1", session).transport.get_connection().http_auth
        url = f"{trusting.endpoint}/{INDEX}/_search"
        headers = sign("POST", url, '{"size": 1}', {"content-type": "application/json"})
        assert urllib3.request("POST", url, body='{"size": 2}', headers=headers).status == 403


def test_a_body_that_was_changed_on_its_way_is_refused(server: OpenSearchServer) -> None:
    sign = client_of(server).transport.get_connection().http_auth
    url = f"{server.endpoint}/{INDEX}/_search"
    headers = sign("POST", url, '{"size": 1}', {"content-type": "application/json"})
    assert urllib3.request("POST", url, body='{"size": 2}', headers=headers).status == 403
    assert (
        urllib3.request("POST", url, body='{"size": 1}', headers=headers).status == 404
    )  # let in; no such index


def test_the_nearest_are_exact_and_filtered_before_they_are_counted(
    server: OpenSearchServer, client: OpenSearch
) -> None:
    write(
        client, chunk(1, 1.0, 0.0, user_id="ken"), chunk(2, 0.6, 0.8), chunk(3, -1.0, 0.0), chunk(4, 0.0, 1.0)
    )
    later(server, 60)
    found = Collection(client, INDEX, SPACE, server.generation).search(
        closest([2.0, 0.0], scope("acme", "mika"), 2)
    )
    assert [(one.chunk_id, round(cosine(one.score), 6)) for one in found] == [("c2", 0.6), ("c4", 0.0)]
    assert cosine(1 / (1 + 0.25)) == pytest.approx(-0.25)


def test_the_vector_is_in_the_source_where_the_service_has_it(
    server: OpenSearchServer, client: OpenSearch
) -> None:
    write(client, chunk(1, 1.0, 0.0))
    later(server, 60)
    [hit] = client.search(index=INDEX, body={"query": {"match_all": {}}})["hits"]["hits"]
    assert ("embedding" in hit["_source"]) is (server.generation == "classic")
    [hit] = client.search(index=INDEX, body={"query": {"match_all": {}}, "_source": True})["hits"]["hits"]
    assert "embedding" in hit["_source"]


def test_engines(server: OpenSearchServer) -> None:
    other = "nextgen" if server.generation == "classic" else "classic"
    client = client_of(server)
    body = index_body(SPACE, other)  # type: ignore[arg-type]  # one of the two
    if server.generation == "nextgen":
        with pytest.raises(RequestError):
            client.indices.create(index=INDEX, body=body)
        return
    client.indices.create(index=INDEX, body=body)
    write(client, chunk(1, 1.0, 0.0))
    later(server, 60)
    with pytest.raises(
        StoreUnavailableError, match="refused a request"
    ):  # the default engine has no filtered search
        Collection(client, INDEX, SPACE, "classic").search(closest([1.0, 0.0], scope("acme", "mika"), 2))


def test_a_new_index_takes_no_writes_for_a_while() -> None:
    clock = Clock()
    with OpenSearchServer("classic", ready_seconds=15, clock=clock) as server:
        collection = Collection(client_of(server), INDEX, SPACE, "classic")
        collection.make()
        with pytest.raises(StoreUnavailableError, match="up to 15 s") as caught:
            collection.add([chunk(1, 1.0, 0.0)])
        assert caught.value.retry_after_seconds == 5.0
        clock.now += 15
        assert len(collection.add([chunk(1, 1.0, 0.0)])) == 1


def test_more_than_ten_thousand_results_are_refused(client: OpenSearch) -> None:
    with pytest.raises(RequestError):
        client.search(index=INDEX, body={"size": 10_001})


def test_a_service_that_is_away_is_a_store_that_is_away() -> None:
    with OpenSearchServer() as server:
        endpoint = server.endpoint
    collection = Collection(connect(endpoint, "us-east-1", Credentials("a", "b")), INDEX, SPACE, "classic")
    for call in (
        collection.check,
        lambda: collection.search({}),
        lambda: collection.add([{"content": "secret"}]),
    ):
        with pytest.raises(StoreUnavailableError) as caught:
            call()  # type: ignore[operator]
        assert "secret" not in str(caught.value)
