"""How much of an item is still to be embedded, in estimated tokens; nothing is written."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.embedding.tokens import estimate_tokens
from pipeline.errors import MalformedItemError
from pipeline.ingest.chunking import Chunker
from pipeline.ingest.plan import make_plan
from pipeline.source.documents import Document
from pipeline.source.layouts import Address, Item, Layouts
from pipeline.stores.protocol import Chunk, Held, Markers, Store

Entries = Mapping[str, tuple[Address, Item]]
"""Source → address and item."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What is to be done with some items.

    Args:
        tokens: source → tokens to embed, for the items that the index does not match.
        malformed: sources of those that cannot be read.
    """

    tokens: Mapping[str, int]
    malformed: Sequence[str] = ()


class Scales(Protocol):
    """Weighs items."""

    def weigh(self, entries: Entries) -> Weights:
        """Say what of ``entries`` is still to be done."""
        ...


@dataclass(frozen=True, slots=True)
class TextScales:
    """Weighs every item by all of its text: for items that may not be as the table holds them now, or without an index.

    An item that cannot be read weighs nothing, and is announced all the same: what it is now decides.
    """

    layouts: Layouts
    chunker: Chunker

    def weigh(self, entries: Entries) -> Weights:
        """Return the tokens of all chunks."""
        documents, _ = _parsed(self.layouts, entries)
        chunks = {source: self.chunker.chunks(document) for source, document in documents.items()}
        return Weights({source: _tokens(chunks.get(source, ())) for source in entries})


@dataclass(frozen=True, slots=True)
class IndexScales:
    """Weighs what the index lacks of each item; an item that it matches is left out."""

    layouts: Layouts
    chunker: Chunker
    store: Store

    def weigh(self, entries: Entries) -> Weights:
        """Return the tokens of the chunks that are missing."""
        documents, malformed = _parsed(self.layouts, entries)
        by_tenant: defaultdict[str, dict[str, Document]] = defaultdict(dict)
        for source, document in documents.items():
            by_tenant[document.tenant_id][source] = document
        tokens: dict[str, int] = {}
        for tenant_id, group in by_tenant.items():
            tokens |= self._weigh(tenant_id, group)
        return Weights(tokens, malformed)

    def _weigh(self, tenant_id: str, documents: Mapping[str, Document]) -> dict[str, int]:
        held = self.store.read(tenant_id, sorted(documents))
        markers = self._markers(tenant_id, documents, held)
        plans = {
            source: make_plan(
                held[source],
                document,
                "",
                (),
                self.chunker,
                markers.banned(document, held[source].created_at, None),
            )
            for source, document in documents.items()
        }
        return {
            source: _tokens(plan.missing)
            for source, plan in plans.items()
            if plan.missing or plan.deletes or plan.lost
        }

    def _markers(
        self, tenant_id: str, documents: Mapping[str, Document], held: Mapping[str, Held]
    ) -> Markers:
        marked = [document for source, document in documents.items() if held[source].epoch]
        if not marked:
            return Markers()
        return self.store.markers(tenant_id, {one.user_id for one in marked}, {one.name for one in marked})


def _parsed(layouts: Layouts, entries: Entries) -> tuple[dict[str, Document], list[str]]:
    documents: dict[str, Document] = {}
    malformed = []
    for source, (address, item) in entries.items():
        try:
            document = layouts.parse(address.key.table, item, address.key.to_dynamodb())
        except MalformedItemError:
            malformed.append(source)
            continue
        if document is not None:
            documents[source] = document
    return documents, malformed


def _tokens(chunks: Sequence[Chunk]) -> int:
    return sum(estimate_tokens(chunk.text) for chunk in chunks)
