"""Takes over vectors that the chat app itself had made, so that nobody pays for them twice.

Such an item has ``MEMORY#<user>`` as its tenant, a memory key, ``content``, and ``embedding``: float32, little-endian. Its
bytes do not say which model made them; whoever runs the import does. It becomes one chunk, its text and vector as they
are. Where the index has memory of the same name already, the note itself lives on and is indexed from there: the
vector is left out. No stream tells when such an item goes; ``vector-memory forget`` reaches what was imported.
"""

import hashlib
import sys
import time
import uuid
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline.embedding.vectors import EmbeddingSpace, Vector, check_vectors
from pipeline.errors import EmbeddingUnavailableError, MalformedItemError
from pipeline.source.documents import ItemKey
from pipeline.source.layouts import (
    LEGACY_PREFIX,
    Address,
    Item,
    check_storable,
    note_of,
    read_time,
    safe_text,
)
from pipeline.stores.chunks import Chunk
from pipeline.stores.index_state import IndexState, PlannedWrite
from pipeline.stores.message_rows import MessageRow
from pipeline.stores.protocol import Store
from pipeline.stores.search_requests import Filters, SearchRequest

_NAMESPACE = uuid.UUID("0b7c2f64-51d3-4c0a-8a8e-7d5c90a4c1de")


@dataclass(frozen=True, slots=True)
class Legacy:
    """A legacy vector, read."""

    address: Address
    text: str
    vector: Vector
    timestamp: float | None

    @property
    def _id(self) -> str:
        return str(uuid.uuid5(_NAMESPACE, self.address.key.source))

    def write(self, state: IndexState, now: float) -> PlannedWrite:
        """Return the write that indexes it."""
        row = MessageRow(self._id, self._id, 0, "live", self.address.tenant_id, self.timestamp, met_at=now)
        return PlannedWrite(
            self.address.key.source,
            state.revision,
            state.epoch,
            replace(state.facts, read_at=now, present=True, user_id=self.address.tenant_id),
            messages=[row],
            upserts=[(self._chunk(), self.vector)],
            key=self.address.key,
            name=self.address.key.range_value,
        )

    def _chunk(self) -> Chunk:
        address = self.address
        metadata = {
            "key": address.key.range_value,
            "kind": address.kind,
            "roles": [address.kind],
            "date": address.date,
            "place": 0,
            "part": 0,
            "legacy": True,
        }
        said = read_time(self.timestamp)
        return Chunk(self._id, address.tenant_id, self.text, (self._id,), self.fingerprint, said, metadata)

    @property
    def fingerprint(self) -> str:
        """Changes with text or vector."""
        whole = self.text.encode() + array("f", self.vector).tobytes()
        return hashlib.blake2b(whole, digest_size=16).hexdigest()


def is_legacy(item: Item, names: Mapping[str, str]) -> bool:
    """Tell whether ``item`` is a legacy vector, readable or not."""
    owner = item.get(names["tenant_id"], {}).get("S", "")
    return owner.startswith(LEGACY_PREFIX) and "B" in item.get("embedding", {})


def read_legacy(table: str, item: Item, names: Mapping[str, str], space: EmbeddingSpace) -> Legacy | None:
    """Read a legacy vector; ``None`` if it is of another length, broken, or no note of a user."""
    try:
        owner, name = item[names["tenant_id"]]["S"], item[names["session_key"]]["S"]
        text, raw = item[names["content"]]["S"], item["embedding"]["B"]
        vector = _vector(raw)
        check_vectors([vector], 1, space)
        user = owner.removeprefix(LEGACY_PREFIX)
        key = ItemKey(table, names["tenant_id"], owner, names["session_key"], name)
        kind, date = note_of(name) or ("long_term", None)
        address = Address(key, user, user, kind, date)
        check_storable(address)
    except (KeyError, TypeError, ValueError, EmbeddingUnavailableError, MalformedItemError):
        return None
    if not user or not text.strip():
        return None
    return Legacy(address, safe_text(text), vector, _number(item.get("timestamp", {}).get("N")))


def take_over(legacy: Legacy, store: Store) -> bool:
    """Index it, unless it is there, forgotten, or covered by a note of the same name; tell whether that was done.

    Nobody knows when it was saved, so any request to forget its user or its name covers it.
    """
    tenant_id, source, name = (
        legacy.address.tenant_id,
        legacy.address.key.source,
        legacy.address.key.range_value,
    )
    state = store.read(tenant_id, {source: frozenset()})[source]
    held = store.detail(tenant_id, {source: None})[source].chunks
    if any(chunk.fingerprint == legacy.fingerprint for chunk in held):
        return True
    markers = store.markers(tenant_id, {tenant_id}, {name}) if state.epoch else None
    if (markers and markers.times) or _covered(legacy, store):
        return False
    return not store.apply(tenant_id, [legacy.write(state, time.time())])


def _covered(legacy: Legacy, store: Store) -> bool:
    """Tell whether the index holds memory of the same name, in either layout, that did not come this way."""
    name = legacy.address.key.range_value
    kind, _, day = name.removeprefix("memory:").partition(":")
    other = f"{kind.upper()}#{day}" if day else kind.upper()
    tenant_id = legacy.address.tenant_id
    hits = store.search(
        SearchRequest(tenant_id, tenant_id, legacy.vector, 1, filters=Filters(keys=frozenset({name, other})))
    ).hits
    return any(not hit.metadata.get("legacy") for hit in hits)


def _vector(raw: Any) -> Vector:  # noqa: ANN401  # bytes, or boto3's Binary
    vector = array("f")
    vector.frombytes(bytes(raw))
    if sys.byteorder == "big":
        vector.byteswap()
    return vector


def _number(value: object) -> float | None:
    try:
        return None if value is None else float(str(value))
    except ValueError:
        return None
