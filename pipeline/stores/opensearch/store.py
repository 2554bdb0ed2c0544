"""Finds in OpenSearch, and shows only what the ledger in DynamoDB lists: a chunk, at the version that it lists.

Nothing in OpenSearch can be fenced, and what is written is searchable some time later. So documents are written first,
each under a version of its own; then the ledger moves, which makes them count and the old ones not, at once; then the
old ones are deleted. Whatever is left behind by a crash is hidden, and :meth:`OpenSearchStore.sweep` deletes it.
"""

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.errors import StoreUnavailableError
from pipeline.stores.backend import Swept
from pipeline.stores.chunks import NOBODY, Chunk, ListedChunk, StoredText
from pipeline.stores.index_state import PlannedWrite
from pipeline.stores.ledger.client import Client
from pipeline.stores.ledger.forget_requests import ForgetRequests
from pipeline.stores.ledger.keys import key, name_of
from pipeline.stores.ledger.ledger import READ_AGAIN_SECONDS, Ledger, Runtime
from pipeline.stores.ledger.mutations import ChunkMutation, ExtraOperations, Op
from pipeline.stores.ledger.records import ChunkRecord, user_weight
from pipeline.stores.ledger.store import LedgerStore, Listed
from pipeline.stores.opensearch.candidates import WALK, Adopted, Candidates, Mapper
from pipeline.stores.opensearch.collection import Collection
from pipeline.stores.opensearch.queries import (
    SHOWN,
    Found,
    document,
    only,
    scope,
)
from pipeline.stores.opensearch.sweep import NAMES, Sweep
from pipeline.stores.search_requests import Filters, SearchRequest, SearchResult

LOOK_AGAIN_SECONDS = 0.5
_IDS_AT_ONCE = 500

Result = TypeVar("Result")


class OpenSearchStore(LedgerStore):
    """The index in OpenSearch, its ledger in DynamoDB.

    Args:
        client: of DynamoDB.
        map_concurrently: as the builtin ``map``, in threads or not.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # its collaborators
        self,
        collection: Collection,
        client: Client,
        ledger: Ledger,
        space: EmbeddingSpace,
        runtime: Runtime,
        map_concurrently: Mapper,
    ) -> None:
        super().__init__(ledger, ForgetRequests(client, ledger.table, runtime))
        self._collection, self._client, self.space = collection, client, space
        self._runtime = runtime
        self._candidates = Candidates(collection, self._listed, map_concurrently)

    def apply(self, tenant_id: str, writes: Sequence[PlannedWrite]) -> frozenset[str]:
        """Write each by itself: documents, then the ledger, then away with what it no longer lists."""
        return frozenset(write.source for write in writes if not self._apply(tenant_id, write))

    def texts(self, tenant_id: str, source: str, ids: Sequence[str]) -> Mapping[str, StoredText]:
        """Return what is stored of these chunks; from the ledger's table, since a search may not see them yet."""
        listed = self._ledger.chunks(tenant_id, ((source, id_) for id_ in ids))
        users = {id_: record.user_id for (_, id_), record in listed.items()}
        keys = [_text_key(tenant_id, id_) for id_ in sorted(users)]
        found = {item["id"]["S"]: item for item in self._client.get_all(self._ledger.table, keys)}
        return {id_: _stored_text(item, users[id_]) for id_, item in found.items()}

    def _lost(self, tenant_id: str, source: str, listed: Listed) -> Mapping[str, StoredText | None]:
        """Return the chunks of which the document or the text in the ledger's table is not there; one has what both say."""
        kept = self.texts(tenant_id, source, list(listed))
        documents = self._documents(tenant_id, source, listed)
        whole = kept.keys() & documents.keys()
        return {id_: kept.get(id_) or documents.get(id_) for id_ in listed if id_ not in whole}

    def _documents(self, tenant_id: str, source: str, listed: Listed) -> dict[str, StoredText]:
        """Return what the documents of an item's chunks say, of those that a search sees at the version that is listed."""
        conditions = [{"term": {"tenant_id": tenant_id}}, {"term": {"source": source}}, only(list(listed))]
        found = (one for page in self._collection.walk(conditions, WALK, SHOWN) for one in page)
        ours = (one for one in found if listed[one.chunk_id].version == one.version)
        return {
            one.chunk_id: StoredText(one.content, listed[one.chunk_id].user_id, one.said_at, one.metadata)
            for one in ours
        }

    def check(self) -> None:
        """Ask the ledger and the collection one thing."""
        self._ledger.check()
        self._collection.check()

    def search(self, request: SearchRequest) -> SearchResult:
        """Return the closest chunks of one user and those that share words, closest first; ties by id.

        Raises:
            StoreUnavailableError: an item of the user's is half written at this moment.
        """
        hits = self._undisturbed(
            request.tenant_id, request.user_id, lambda adopted: self._candidates.hits(request, adopted)
        )
        return SearchResult(hits, "hnsw")  # what the collection's k-NN fields are made of

    def passages(
        self, tenant_id: str, user_id: str, filters: Filters, limit: int, *, oldest_first: bool = False
    ) -> Sequence[ListedChunk]:
        """Return one user's chunks that a search can see, newest or oldest first; ties by id."""

        def read(adopted: Adopted) -> list[ListedChunk]:
            order = ({"said_at": "asc" if oldest_first else "desc"}, *WALK)
            passages: dict[str, ListedChunk] = {}
            for page in self._collection.walk(scope(tenant_id, user_id, filters, adopted), order, SHOWN):
                for one, record in self._listed(tenant_id, user_id, page):
                    passages.setdefault(
                        one.chunk_id,
                        ListedChunk(
                            one.chunk_id, one.content, one.said_at, one.metadata, record.status != "live"
                        ),
                    )
                if len(passages) >= limit:
                    break
            return list(passages.values())[:limit]

        return self._undisturbed(tenant_id, user_id, read)

    def wait_until_searchable(self, tenant_id: str, user_id: str, timeout_seconds: float) -> bool:
        """Wait until a search sees every chunk of the user's that the ledger lists; tell whether it came to that."""
        if user_id == NOBODY:
            return True
        deadline = time.monotonic() + timeout_seconds
        while not self._all_searchable(tenant_id, user_id):
            if time.monotonic() >= deadline:
                return False
            time.sleep(min(LOOK_AGAIN_SECONDS, timeout_seconds / 100))
        return True

    def sweep(
        self, seconds_left: Callable[[], float] = lambda: math.inf, every: timedelta = timedelta(0)
    ) -> Swept:
        """Delete searchable documents that the ledger does not list; say how many, and whether a pass is finished.

        Run it from time to time: what a crash or a slow index left of a forgotten text is hidden at once, and gone
        from the index after the first pass that begins GRACE and one refresh (60 s at most) later.

        Args:
            every: from the beginning of one pass to that of the next; by default each run begins one, if none is under way.
        """
        sweep = Sweep(self._collection, self._client, self._ledger, self._runtime, every)
        return sweep.run(seconds_left)

    def _apply(self, tenant_id: str, write: PlannedWrite) -> bool:
        versions, written = self._write(tenant_id, write)
        gone: list[ChunkRecord] = []
        if not self._ledger.apply(tenant_id, write, self._extra_operations(gone), versions):
            self._clear_away(written)
            return False
        self._remove(tenant_id, gone)
        return True

    def _write(self, tenant_id: str, write: PlannedWrite) -> tuple[Mapping[str, str], list[str]]:
        """Write the documents, which nobody sees before the ledger lists them; return versions and ids."""
        self._collection.make()
        now = self._runtime.now()
        versions = {chunk.id: self._runtime.token() for chunk, _ in write.upserts}
        contents = {chunk.id: (chunk, vector) for chunk, vector in write.upserts}
        documents = [
            document(tenant_id, write.source, *content, versions[id_], now)
            for id_, content in contents.items()
        ]
        return versions, self._collection.add(documents)

    def _extra_operations(self, gone: list[ChunkRecord]) -> ExtraOperations:
        """Return what keeps chunks' texts in the ledger's table, and notes in ``gone`` whose documents are in the way.

        A chunk that only moves keeps its document: the ledger says whose it is.
        """

        def operations(tenant_id: str, _: str, mutations: Sequence[ChunkMutation]) -> list[list[Op]]:
            gone[:] = [one.old for one in mutations if one.old and (one.content or one.new is None)]
            return [self._text_operations(tenant_id, one) for one in mutations]

        return operations

    def _text_operations(self, tenant_id: str, one: ChunkMutation) -> list[Op]:
        place = {"TableName": self._ledger.table}
        if one.content:
            return [{"Put": {**place, "Item": _text_item(tenant_id, one.content[0], self._runtime.now())}}]
        if one.new is None:
            return [{"Delete": {**place, "Key": _text_key(tenant_id, one.id)}}]
        return []

    def _remove(self, tenant_id: str, gone: Sequence[ChunkRecord]) -> None:
        """Delete the documents of chunks at versions that the ledger no longer lists, as far as a search sees them."""
        versions = {(row.id, row.version) for row in gone}
        ids = sorted({row.id for row in gone})
        for start in range(0, len(ids), _IDS_AT_ONCE):
            conditions = [{"term": {"tenant_id": tenant_id}}, only(ids[start : start + _IDS_AT_ONCE])]
            with suppress(StoreUnavailableError):  # hidden already; the sweep deletes what is left
                for page in self._collection.walk(conditions, WALK, NAMES):
                    self._clear_away(
                        [one.document_id for one in page if (one.chunk_id, one.version) in versions]
                    )

    def _clear_away(self, document_ids: Sequence[str]) -> None:
        with suppress(StoreUnavailableError):  # hidden already; the sweep deletes what is left
            self._collection.remove(document_ids)

    def _undisturbed(self, tenant_id: str, user_id: str, read: Callable[[Adopted], Result]) -> Result:
        """Return what ``read`` returns at a moment when nothing of the user's memory is half written or moving."""
        self._ledger.check_space()
        for pause in (*READ_AGAIN_SECONDS, None):
            before = self._ledger.state(tenant_id, user_id)
            if not before.applying:
                result = read(before.adopted)
                if not result and before.total:
                    self._collection.require()
                if pause is None or self._ledger.state(tenant_id, user_id) == before:
                    return result
            if pause is not None:
                self._runtime.sleep(pause)
        raise StoreUnavailableError("an item of this memory is being written", retry_after_seconds=1.0)

    def _listed(
        self, tenant_id: str, user_id: str, found: Sequence[Found]
    ) -> list[tuple[Found, ChunkRecord]]:
        """Return those that the ledger lists for this user at the version that was found."""
        rows = self._ledger.chunks(tenant_id, ((one.source, one.chunk_id) for one in found))
        pairs = ((one, rows.get((one.source, one.chunk_id))) for one in found)
        return [
            (one, row) for one, row in pairs if row and row.version == one.version and row.user_id == user_id
        ]

    def _all_searchable(self, tenant_id: str, user_id: str) -> bool:
        state = self._ledger.state(tenant_id, user_id)
        if state.applying:
            return False
        seen = {
            (row.id, row.version)
            for page in self._collection.walk(scope(tenant_id, user_id, adopted=state.adopted), WALK, NAMES)
            for _, row in self._listed(tenant_id, user_id, page)
        }
        return sum(user_weight(*one) for one in seen) == state.total


def _text_key(tenant_id: str, id_: str) -> dict[str, Any]:
    return key(name_of("text", tenant_id, id_), "text")


def _text_item(tenant_id: str, chunk: Chunk, now: datetime) -> dict[str, Any]:
    return {
        **_text_key(tenant_id, chunk.id),
        "id": {"S": chunk.id},
        "content": {"S": chunk.text},
        "said_at": {"S": (chunk.created_at or now).isoformat()},
        "metadata": {"S": json.dumps(chunk.metadata, ensure_ascii=False)},
    }


def _stored_text(item: Mapping[str, Any], user_id: str) -> StoredText:
    said_at = datetime.fromisoformat(item["said_at"]["S"])
    return StoredText(item["content"]["S"], user_id, said_at, json.loads(item["metadata"]["S"]))
