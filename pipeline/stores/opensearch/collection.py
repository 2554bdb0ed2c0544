"""Talks to one index of a collection: real signing, every item's error looked at, nothing quoted."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from opensearchpy import OpenSearch, Urllib3AWSV4SignerAuth, Urllib3HttpConnection
from opensearchpy.exceptions import OpenSearchException, TransportError

from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.errors import StoreUnavailableError
from pipeline.store_settings import Generation
from pipeline.stores.opensearch.queries import Found, found, in_order, index_body

for _name in ("opensearch", "opensearchpy.trace"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)  # they write requests, text and all

SERVICE = "aoss"
TIMEOUT_SECONDS = 10
PAGE = 1_000
MAX_BULK_BYTES = 4_000_000
MAX_BULK_DOCUMENTS = 500
_MISSING, _EXISTS = 404, 400


def connect(endpoint: str, region: str, credentials: Any) -> OpenSearch:  # noqa: ANN401  # botocore's
    """Return a client of the collection at ``endpoint``, which signs each request.

    Nothing is sent twice by the client itself: a bulk whose answer was lost may have been done.
    """
    parts = urlsplit(endpoint)
    tls = parts.scheme == "https"
    return OpenSearch(
        hosts=[{"host": parts.hostname, "port": parts.port or (443 if tls else 80)}],
        http_auth=Urllib3AWSV4SignerAuth(credentials, region, SERVICE),
        use_ssl=tls,
        verify_certs=tls,
        connection_class=Urllib3HttpConnection,
        max_retries=0,
        retry_on_timeout=False,
        timeout=TIMEOUT_SECONDS,
        pool_maxsize=16,
    )


class Collection:
    """One index.

    Args:
        client: opensearch-py's.
        index: its name.
    """

    def __init__(self, client: OpenSearch, index: str, space: EmbeddingSpace, generation: Generation) -> None:
        self._client, self._index, self._space, self._generation = client, index, space, generation
        self._made = False

    def make(self) -> None:
        """Make the index if it is not there. It may refuse writes for some 15 s afterwards."""
        if self._made:
            return
        with translated():
            if not self._client.indices.exists(index=self._index):
                try:
                    self._client.indices.create(
                        index=self._index, body=index_body(self._space, self._generation)
                    )
                except TransportError as error:
                    if error.status_code != _EXISTS or "already_exists" not in str(error.error):
                        raise
        self._made = True

    def check(self) -> None:
        """Ask one thing."""
        with translated():
            self._client.indices.exists(index=self._index)

    def require(self) -> None:
        """Raise StoreUnavailableError if the index is not there: it was deleted, or is another's name."""
        with translated():
            there = self._client.indices.exists(index=self._index)
        if not there:
            raise _unavailable(_MISSING)

    def search(self, body: Mapping[str, Any]) -> list[Found]:
        """Return the hits, best first; an index that was never made has none."""
        with translated():
            try:
                answer = self._client.search(index=self._index, body=body)
            except TransportError as error:
                if error.status_code == _MISSING:
                    return []
                raise
        if answer.get("timed_out") or answer.get("_shards", {}).get("failed"):
            raise StoreUnavailableError("OpenSearch answered in part only", retry_after_seconds=1.0)
        return [found(hit) for hit in answer["hits"]["hits"]]

    def walk(
        self,
        conditions: Sequence[Mapping[str, Any]],
        sort: Sequence[Mapping[str, str]],
        shown: Sequence[str],
        after: Sequence[Any] | None = None,
    ) -> Iterator[list[Found]]:
        """Yield everything that meets the conditions, page by page; only what comes ``after`` a place, if one is given."""
        while True:
            page = self.search(in_order(conditions, sort, PAGE, after, shown))
            if page:
                yield page
            if len(page) < PAGE:
                return
            after = page[-1].sort

    def add(self, documents: Sequence[Mapping[str, Any]]) -> list[str]:
        """Write documents; return the ids that the index gave them.

        Raises:
            StoreUnavailableError: one of them was refused; the others may be there.
        """
        lines: list[tuple[Mapping[str, Any], ...]] = [({"index": {}}, one) for one in documents]
        return [item["index"]["_id"] for batch in _batches(lines) for item in self._bulk(batch, "index")]

    def remove(self, document_ids: Sequence[str]) -> None:
        """Delete documents by the index's own ids; those that are gone already count as deleted."""
        lines: list[tuple[Mapping[str, Any], ...]] = [({"delete": {"_id": id_}},) for id_ in document_ids]
        for batch in _batches(lines):
            self._bulk(batch, "delete")

    def _bulk(self, lines: Sequence[str], verb: str) -> list[Any]:
        with translated():
            answer = self._client.bulk(body="\n".join(lines) + "\n", index=self._index)
        items: list[Any] = answer["items"]
        refused = {
            int(item[verb]["status"])
            for item in items
            if item[verb].get("error") and not (verb == "delete" and item[verb]["status"] == _MISSING)
        }
        if refused:
            raise _unavailable(max(refused))
        return items


def _batches(entries: Sequence[tuple[Mapping[str, Any], ...]]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = count = 0
    for entry in entries:
        lines = [json.dumps(part, ensure_ascii=False) for part in entry]
        weight = sum(len(line.encode()) for line in lines)
        if count and (size + weight > MAX_BULK_BYTES or count == MAX_BULK_DOCUMENTS):
            yield batch
            batch, size, count = [], 0, 0
        batch += lines
        size, count = size + weight, count + 1
    if batch:
        yield batch


@contextmanager
def translated() -> Iterator[None]:
    """Turn OpenSearch's errors into ours, without what they quote."""
    try:
        yield
    except TransportError as error:
        raise _unavailable(error.status_code if isinstance(error.status_code, int) else 0) from None
    except OpenSearchException as error:
        raise StoreUnavailableError(f"OpenSearch was not reached: {type(error).__name__}") from None


def _unavailable(status: int) -> StoreUnavailableError:
    advice = {
        0: "was not reached",
        400: "refused a request: is the index one of ours, in this space?",
        401: "answered 401: check the function's role and the data-access policy",
        403: "answered 403: check the data-access policy, the network policy, and aoss:APIAccessAll of the role",
        404: "has no such index: a new one takes up to 15 s; else check its name, or if it was deleted run `vector-memory audit --repair`",
        429: "is throttled",
    }
    retry_after = 5.0 if status in {_MISSING, 429} else None
    return StoreUnavailableError(
        f"OpenSearch {advice.get(status, f'answered {status}')}", retry_after_seconds=retry_after
    )
