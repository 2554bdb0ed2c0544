"""A table of the chat app's that is a dictionary, and what reads it."""

import json

from support.words import SPACE

from pipeline.ingest.chunking import Chunker
from pipeline.ingest.notices import Notice
from pipeline.settings import DEFAULT_ATTRIBUTE_NAMES
from pipeline.source.documents import EntryHasher, ItemKey
from pipeline.source.layouts import Item, Layouts

LAYOUTS = Layouts(DEFAULT_ATTRIBUTE_NAMES, EntryHasher(b"a key of tests only"))
CHUNKER = Chunker(frozenset({"system", "tool"}), 256, lambda text, _: [text], SPACE)


class OneTable:
    """Sessions of one tenant."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}

    def put(self, key: str, *texts: str) -> Notice:
        messages = json.dumps([{"role": "user", "content": text} for text in texts])
        item: Item = {"tenant_id": {"S": "acme"}, "session_key": {"S": key}, "messages": {"S": messages}}
        self.items[key] = item
        address = LAYOUTS.address("sessions", item)
        assert address
        return Notice(address)

    def get(self, key: ItemKey) -> Item | None:
        return self.items.get(key.range_value)
