"""How much of an item is still to be embedded, in estimated tokens; nothing is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.embedding.tokens import estimate_tokens
from pipeline.errors import MalformedItemError
from pipeline.ingest.chunking import Chunker
from pipeline.ingest.reconcile import Reconciler
from pipeline.operations.items.dry_run import dry_run
from pipeline.source.documents import Document
from pipeline.source.layouts import Address, Item, Layouts
from pipeline.stores.chunks import Chunk

Entries = Mapping[str, tuple[Address, Item]]
"""Source → address and item."""


@dataclass(frozen=True, slots=True)
class EmbeddingEstimate:
    """What is to be done with some items.

    Args:
        tokens: source → tokens to embed, for the items that the index does not match.
        malformed: sources of those that cannot be read.
    """

    tokens: Mapping[str, int]
    malformed: Sequence[str] = ()


class EmbeddingEstimator(Protocol):
    """Weighs items."""

    def estimate(self, entries: Entries) -> EmbeddingEstimate:
        """Say what of ``entries`` is still to be done."""
        ...


@dataclass(frozen=True, slots=True)
class TextEstimator:
    """Weighs every item by all of its text: for items that may not be as the table holds them now, or without an index.

    An item that cannot be read weighs nothing, and is announced all the same: what it is now decides.
    """

    layouts: Layouts
    chunker: Chunker

    def estimate(self, entries: Entries) -> EmbeddingEstimate:
        """Return the tokens of all chunks."""
        documents, _ = _parsed(self.layouts, entries)
        chunks = {source: self.chunker.chunks(document) for source, document in documents.items()}
        return EmbeddingEstimate({source: _tokens(chunks.get(source, ())) for source in entries})


@dataclass(frozen=True, slots=True)
class IndexEstimator:
    """Weighs what the index lacks of each item; an item that it matches is left out."""

    reconciler: Reconciler

    def estimate(self, entries: Entries) -> EmbeddingEstimate:
        """Return the tokens of the chunks that are missing."""
        done = dry_run(self.reconciler, entries)
        tokens = {
            work.source: _tokens(work.plan.missing)
            for work in done.works
            if work.plan.missing or work.plan.deletes or work.plan.moves or work.settled.changed
        }
        return EmbeddingEstimate(tokens, done.malformed)


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
