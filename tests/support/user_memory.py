"""What one user saved, on the store in memory."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from support.chunks import put
from support.words import SPACE, WordEmbedder

from pipeline.ingest.chunking import Chunker
from pipeline.ingest.splitting import split_markdown
from pipeline.search.memory_search import MemorySearch
from pipeline.source.documents import Document, Entry, ItemKey, Kind
from pipeline.stores.memory import InMemoryStore

START = datetime(2026, 11, 1, 9, tzinfo=UTC)
CHUNKER = Chunker(frozenset(), 256, split_markdown, SPACE)


class UserMemory:
    """What one user saved."""

    def __init__(self, embedder: WordEmbedder) -> None:
        self.embedder, self.store, self._ids = embedder, InMemoryStore(SPACE), count()
        self.recall = MemorySearch(embedder, self.store)

    def save(self, document: Document, *, retained: bool = False) -> None:
        chunks = CHUNKER.chunks(document)
        vectors = self.embedder.embed([chunk.text for chunk in chunks])
        source = document.key.source
        told = [replace(chunk, status="kept") if retained else chunk for chunk in chunks]
        put(self.store, *zip(told, vectors, strict=True), source=source)

    def session(self, key: str, *texts: str, days: int = 0, **options: Any) -> None:
        entries = [
            Entry(
                f"{next(self._ids):032x}",
                ("user", "assistant")[number % 2],
                text,
                START + timedelta(days=days, minutes=number),
            )
            for number, text in enumerate(texts)
        ]
        self.save(self.document(key, "session", entries), **options)

    def note(self, kind: Kind, key: str, *blocks: str, date: str | None = None) -> None:
        entries = [Entry(f"{next(self._ids):032x}", kind, block) for block in blocks]
        created_at = datetime.fromisoformat(date).replace(tzinfo=UTC) if date else None
        self.save(self.document(key, kind, entries, date=date, created_at=created_at))

    @staticmethod
    def document(key: str, kind: Kind, entries: list[Entry], **fields: Any) -> Document:
        item = ItemKey("sessions", "tenant_id", "acme", "session_key", key)
        return Document(item, "acme", "mika", kind, tuple(entries), **fields)

    def context(
        self, query: str | None = None, session: str | None = None, max_tokens: int = 1000, top_k: int = 5
    ) -> Any:
        return self.recall.context("acme", "mika", query, session, max_tokens, top_k)
