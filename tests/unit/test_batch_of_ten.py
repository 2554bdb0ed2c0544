"""One user's paste beside nine short saves in a batch: it is split once, and not at all when the notices come again."""

import json
import time
from collections.abc import Sequence
from typing import Any
from unittest.mock import Mock

import pytest

from pipeline.ingest import splitting
from pipeline.ingest.chunking import Chunker
from pipeline.ingest.fit_to_model import SAMPLE_CHARACTERS, fitting
from pipeline.ingest.notices import Notice
from pipeline.ingest.reconcile import Reconciler
from pipeline.ingest.splitting import split_markdown
from pipeline.source.documents import ItemKey
from pipeline.source.layouts import Item, Layouts
from pipeline.stores.memory import InMemoryStore

PASTE = ",".join(map(str, range(80_000)))[:390_000]
TENANTS = ["pasting", *(f"tenant{number}" for number in range(9))]


class Table:
    """A sessions table in which one tenant pasted numbers."""

    def get(self, key: ItemKey) -> Item:
        text = PASTE if key.hash_value == "pasting" else "I like tea"
        messages = json.dumps([{"role": "user", "content": text}])
        return {
            "tenant_id": {"S": key.hash_value},
            "session_key": {"S": "c"},
            "messages": {"S": messages},
        }


def test_a_paste_is_split_once_and_its_neighbours_are_indexed(
    layouts: Layouts, embedder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []
    real = splitting._splitter

    def counting(tokens: int) -> Mock:
        def chunks(text: str) -> Sequence[str]:
            given.append(len(text))
            return real(tokens).chunks(text)

        return Mock(chunks=chunks)

    monkeypatch.setattr(splitting, "_splitter", counting)
    splitting._pieces.cache_clear()
    chunker = Chunker(frozenset(), 256, fitting(split_markdown), embedder.space)
    reconciler = Reconciler(layouts, Table(), chunker, embedder, InMemoryStore(embedder.space), time.sleep)
    addresses = [
        layouts.address("sessions", {"tenant_id": {"S": tenant}, "session_key": {"S": "c"}})
        for tenant in TENANTS
    ]
    notices = {
        address.key.source: Notice(address, first_sent_at=time.time()) for address in addresses if address
    }
    for most in (len(PASTE) + 3 * SAMPLE_CHARACTERS, 0):
        given.clear()
        started = time.process_time()
        report = reconciler.run(notices)
        print(f"\na batch of ten: {time.process_time() - started:.2f} s of processor time")
        assert (len(report.indexed), len(report.failures)) == (10, 0)
        assert sum(given) <= most
