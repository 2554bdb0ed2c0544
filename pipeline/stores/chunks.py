"""Chunks, as they are written, held and read back. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

ChunkStatus = Literal["live", "mixed", "kept"]
"""What a chunk says is in its item: all of it, some of it, or none of it (memory alone has it)."""

NOBODY = ""
"""Owner of a withheld chunk. No user id is empty, so no search finds it; its text and vector wait under that name."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A text that is embedded and found.

    Args:
        id: UUID, deterministic: the same entries of the same item give the same id.
        members: ids of the messages whose text it holds.
        fingerprint: changes whenever the text, what its metadata says for good, or the space do; ``""`` for one that
            waits to be embedded.
        status: see :data:`ChunkStatus`.
        metadata: ``key, kind, roles, date`` for readers, ``"embedded": false`` if only its words find it, and where it stood in its document when it was written: which
            group (``place``), which part of it (``part``), its last entry (``last``) and the one before its first
            (``after``); JSON.
        line_lengths: characters of each member's line at the end of the text, if there are several members.
        header_length: how many characters at the beginning of the text only readers and words need: they are not embedded.
    """

    id: str
    user_id: str
    text: str = field(repr=False)
    members: tuple[str, ...]
    fingerprint: str
    created_at: datetime | None
    metadata: Mapping[str, Any] = field(repr=False)
    line_lengths: tuple[int, ...] = ()
    header_length: int = 0
    status: ChunkStatus = "live"

    @property
    def embedded(self) -> str:
        """The text that its vector is made of."""
        return self.text[self.header_length :]


@dataclass(frozen=True, slots=True)
class StoredText:
    """A held chunk as it can be read back."""

    content: str = field(repr=False)
    user_id: str
    created_at: datetime
    metadata: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class HeldChunk:
    """What the index holds of a chunk, as far as deciding needs it.

    Args:
        members: ids of the messages whose text it holds.
        fingerprint: of the text that its vector is made of; ``""`` while that is not embedded.
        user_id: whose it is; :data:`NOBODY` while it is withheld.
        line_lengths: characters of each member's line at the end of the text, if there are several members.
    """

    id: str
    members: tuple[str, ...]
    fingerprint: str
    user_id: str
    status: ChunkStatus = "live"
    line_lengths: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ChunkMove:
    """A held chunk's new owner and status. Its text and vector stay as they are."""

    user_id: str
    status: ChunkStatus


@dataclass(frozen=True, slots=True)
class ListedChunk:
    """A chunk read back without a question.

    Args:
        retained: some of what it says is no longer in its item (cleared, capped, expired): only memory has it.
    """

    id: str
    content: str = field(repr=False)
    created_at: datetime
    metadata: Mapping[str, Any] = field(repr=False)
    retained: bool = False
