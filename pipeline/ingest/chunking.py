"""Cuts a document into chunks. Pure, and stable: appending to a document never changes an earlier chunk.

The natural unit of an agent chat is the exchange: what the user said and the reply. The reply usually comes in a
later save, so an exchange grows, and each time it grows it is embedded again. The rule that bounds the cost:

    a chunk may take in the next entry only while all that was ever embedded for it, had every entry
    arrived in a save of its own, stays within GROWTH times its final size.

So a short question joins its longer answer, and a long question stands by itself. What a chunk says in front of the
text (date, speakers) is made only of what later saves cannot change, and is not embedded.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pipeline.embedding.tokens import estimate_tokens
from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.source.documents import Document, Entry
from pipeline.stores.chunks import Chunk, HeldChunk, StoredText

GROWTH = 1.4
"""Most that may be embedded for a chunk while it grows, in its final tokens. The promise is 1.5."""

_BULLET = re.compile(r"\s*(?:[-*+]|\d+[.)])\s*")

Splitter = Callable[[str, int], Sequence[str]]
"""Cuts a text into pieces of at most so many tokens, on meaning; the pieces joined are the text."""


@dataclass(frozen=True, slots=True)
class Chunker:
    """Cuts documents into chunks for one space.

    Args:
        excluded_roles: entries of these roles are left out.
        max_tokens: budget of a chunk, header included.
        split: cuts a long text.
        space: part of every chunk's fingerprint.
    """

    excluded_roles: frozenset[str]
    max_tokens: int
    split: Splitter
    space: EmbeddingSpace

    def eligible(self, document: Document) -> tuple[Entry, ...]:
        """Return the entries that become memory."""
        return tuple(entry for entry in document.entries if entry.role not in self.excluded_roles)

    def chunks(self, document: Document, without: frozenset[str] = frozenset()) -> tuple[Chunk, ...]:
        """Return the chunks of ``document``, leaving out entries whose ids are in ``without``.

        Entries that repeat word for word, without a timestamp to tell them apart, make one chunk: the first's, so
        that no later one changes it.
        """
        eligible = self.eligible(document)
        entries = [entry for entry in eligible if entry.id not in without]
        before = {entry.id: earlier.id for earlier, entry in pairwise(eligible)}
        groups = [group for unit in _units(entries) for group in self._groups(document, unit)]
        made = (
            self._chunk(document, group, _Place(place, part, before.get(group.entries[0].id)), text)
            for place, group in enumerate(groups)
            for part, text in enumerate(self._texts(group))
        )
        chunks: dict[str, Chunk] = {}
        for chunk in made:
            chunks.setdefault(chunk.id, chunk)
        return tuple(chunks.values())

    def _groups(self, document: Document, unit: Sequence[Entry]) -> Iterator["_Group"]:
        group: _Group | None = None
        size = spent = 0
        for entry in unit:
            line = _line(entry)
            own = estimate_tokens(line) + 1
            grown = size + own
            if group and grown <= group.room and spent + grown <= GROWTH * grown:
                group.entries.append(entry)
                group.lines.append(line)
                size, spent = grown, spent + grown
                continue
            if group:
                yield group
            header = _header(document, entry)
            room = self.max_tokens - estimate_tokens(header)
            group = _Group([entry], [line], header, room, fits=own - 1 <= room)
            size = spent = own
        if group:
            yield group

    def _texts(self, group: "_Group") -> list[str]:
        body = "\n".join(group.lines)
        pieces = [body] if group.fits else self._pieces(body, group.room)
        return [group.header + piece for piece in pieces]

    def _pieces(self, body: str, room: int) -> list[str]:
        """Return the pieces that say something: a long list item may be cut behind its bullet."""
        pieces = [piece for piece in self.split(body, room) if piece.strip()]
        return pieces[1:] if len(pieces) > 1 and _BULLET.fullmatch(pieces[0]) else pieces

    def _chunk(self, document: Document, group: "_Group", place: "_Place", text: str) -> Chunk:
        members = tuple(entry.id for entry in group.entries)
        metadata = _metadata(document, group.entries, place)
        return Chunk(
            id=_chunk_id(document, members, place.part),
            user_id=document.user_id,
            text=text,
            members=members,
            fingerprint=_fingerprint(text, metadata, self.space),
            created_at=document.said_at(group.entries[0]),
            metadata=metadata,
            line_lengths=tuple(map(len, group.lines)) if len(group.lines) > 1 else (),
            header_length=len(group.header),
        )

    def fingerprint(self, text: str, metadata: Mapping[str, Any]) -> str:
        """Return the fingerprint that a held chunk has in this space."""
        return _fingerprint(text, dict(metadata), self.space)

    def again(self, chunk: HeldChunk, stored: StoredText, user_id: str, clean: Callable[[str], str]) -> Chunk:
        """Return a held chunk as one to be written, made of what is stored of it, each message cleaned."""
        header = len(stored.content) - len(embedded_text(stored.content, stored.metadata))
        lines = [stored.content[header:]]
        if chunk.line_lengths:
            _, lines = _cut(stored.content, chunk, chunk.members)
        cleaned = [clean(line) for line in lines]
        text = stored.content[:header] + "\n".join(cleaned)
        return Chunk(
            id=chunk.id,
            user_id=user_id,
            text=text,
            members=chunk.members,
            fingerprint=_fingerprint(text, dict(stored.metadata), self.space),
            created_at=stored.created_at,
            metadata=stored.metadata,
            line_lengths=tuple(map(len, cleaned)) if chunk.line_lengths else (),
            header_length=header,
        )

    def part_of(
        self, item: tuple[str, str], chunk: HeldChunk, stored: StoredText, kept: Sequence[str], user_id: str
    ) -> Chunk:
        """Return what is left of a held chunk when only some of its messages may stay.

        Args:
            item: tenant and source.
            kept: ids of the messages that stay.
        """
        header, lines = _cut(stored.content, chunk, kept)
        text = header + "\n".join(lines)
        line_lengths = dict(zip(chunk.members, chunk.line_lengths, strict=True))
        return Chunk(
            id=_id_of(*item, kept, 0),
            user_id=user_id,
            text=text,
            members=tuple(kept),
            fingerprint=_fingerprint(text, dict(stored.metadata), self.space),
            created_at=stored.created_at,
            metadata=stored.metadata,
            line_lengths=tuple(line_lengths[id_] for id_ in kept) if len(kept) > 1 else (),
            header_length=len(header),
        )


def _units(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Yield exchanges: each begins where a user speaks after somebody else."""
    unit: list[Entry] = []
    for entry in entries:
        if unit and entry.role == "user" and unit[-1].role != "user":
            yield unit
            unit = []
        unit.append(entry)
    if unit:
        yield unit


def embedded_text(text: str, metadata: Mapping[str, Any]) -> str:
    """Return what of a held chunk's text its vector is made of: all but its header."""
    return text.removeprefix(_header_of(str(metadata.get("kind") or "session"), metadata.get("date")))


def _header(document: Document, first: Entry) -> str:
    return _header_of(document.kind, _date(document, first))


def _date(document: Document, first: Entry) -> str | None:
    return document.date or (first.time.date().isoformat() if first.time else None)


def _header_of(kind: str, date: str | None) -> str:
    words = [] if kind == "session" else [kind.replace("_", "-")]
    words += [date] if date else []
    return f"[{' '.join(words)}]\n" if words else ""


def _line(entry: Entry) -> str:
    label = entry.label if entry.label or entry.role in _NOTE_ROLES else entry.role
    return f"{label}: {entry.text}" if label else entry.text


_PASSING = frozenset({"place", "after", "embedded"})
"""Metadata that says where a chunk stood; other chunks' coming and going may change it."""
_NAMESPACE = uuid.UUID("6f0d1a52-3c0e-4d1b-9a55-7d1f6f0f7a11")
_NOTE_ROLES = frozenset({"long_term", "daily", "summary"})


@dataclass(frozen=True, slots=True)
class _Group:
    """What becomes one chunk; or several, of a single entry that does not fit.

    Args:
        entries: and the line of each.
        header: stands in front of them.
        room: tokens that are left beside the header.
        fits: whether the lines have room.
    """

    entries: list[Entry]
    lines: list[str]
    header: str
    room: int
    fits: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a chunk stood in its document when it was written: which group, which part of it, and after which entry."""

    group: int
    part: int
    after: str | None

    @property
    def metadata(self) -> dict[str, Any]:
        """Return what readers put neighbours together by. It never costs an embedding."""
        return {"place": self.group, "after": self.after}


def _metadata(document: Document, group: Sequence[Entry], place: _Place) -> dict[str, Any]:
    return {
        "key": document.name,
        "kind": document.kind,
        "roles": sorted({entry.role for entry in group}),
        "date": _date(document, group[0]),
        "part": place.part,
        "last": group[-1].id,
        **place.metadata,
    }


def _cut(content: str, chunk: HeldChunk, kept: Container[str]) -> tuple[str, list[str]]:
    """Return header and kept lines of ``content``: a header, then one line a member, joined by line breaks."""
    start = len(content) - sum(chunk.line_lengths) - len(chunk.line_lengths) + 1
    header, lines = content[:start], []
    for entry, span in zip(chunk.members, chunk.line_lengths, strict=True):
        if entry in kept:
            lines.append(content[start : start + span])
        start += span + 1
    return header, lines


def _chunk_id(document: Document, members: Sequence[str], part: int) -> str:
    return _id_of(document.tenant_id, document.key.source, members, part)


def _id_of(tenant_id: str, source: str, members: Sequence[str], part: int) -> str:
    return str(uuid.uuid5(_NAMESPACE, json.dumps([tenant_id, source, *members, part])))


_encoded = json.JSONEncoder(sort_keys=True).encode


def _fingerprint(text: str, metadata: dict[str, Any], space: EmbeddingSpace) -> str:
    """Return what tells that a chunk has to be embedded anew: not because of its owner, or of what was put in front of it."""
    lasting = {name: value for name, value in metadata.items() if name not in _PASSING}
    whole = _encoded([text, lasting, space.model, space.dimensions]).encode()
    return hashlib.blake2b(whole, digest_size=16).hexdigest()


def message_id(tenant_id: str, source: str, name: str, ordinal: int) -> str:
    """Return the id of a row of the message ledger, 32 hex digits."""
    whole = json.dumps([tenant_id, source, name, ordinal]).encode()
    return hashlib.blake2b(whole, digest_size=16).hexdigest()
