"""What kept messages said. Their items no longer have them, so it is read out of the chunks that hold them. Pure.

A message's row says by a keyed hash what its text is, so a line of a chunk is taken apart where the hash fits. Where a
secret was left out, it fits nowhere, and the line is taken apart at its first colon.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.ingest.chunking import embedded_text
from pipeline.source.layouts import normalised
from pipeline.source.notes import section
from pipeline.stores.chunks import HeldChunk, StoredText
from pipeline.stores.message_rows import MessageRow


@dataclass(frozen=True, slots=True)
class Said:
    """A message as it stands in chunks.

    Args:
        line: what the chunks say of it, its label included.
        place: sorts the messages of an item: when its chunk was said, where it stood, and which line it is.
        roles: of whom its chunk is.
    """

    line: str = field(repr=False)
    place: tuple[datetime, int, int]
    roles: tuple[str, ...]
    kind: str = "session"
    date: str | None = None


def said_in(chunks: Sequence[HeldChunk], texts: Mapping[str, StoredText]) -> dict[str, Said]:
    """Return what chunks say, by message id; a message that was cut into several chunks comes whole."""
    pieces: defaultdict[str, dict[int, Said]] = defaultdict(dict)
    for chunk in chunks:
        if stored := texts.get(chunk.id):
            part = int(stored.metadata.get("part") or 0)
            for id_, said in _lines(chunk, stored):
                pieces[id_].setdefault(part, said)
    return {id_: _joined([parts[part] for part in sorted(parts)]) for id_, parts in pieces.items()}


def taken_apart(said: Said, row: MessageRow, named: Callable[..., str]) -> tuple[str, str | None, str]:
    """Return role, name (of a note's block: heading) and text of what a chunk says of a message.

    Args:
        named: the hash that names texts, see :class:`pipeline.source.documents.EntryHasher`.
    """
    candidates = _of_note(said) if said.kind != "session" else _of_session(said)
    fitting = (each for each in candidates if row.name in _names(each, said, named))
    return next(fitting, None) or next(iter(_guesses(said)))


def _lines(chunk: HeldChunk, stored: StoredText) -> Iterator[tuple[str, Said]]:
    content, metadata = stored.content, stored.metadata
    kind, roles = str(metadata.get("kind") or "session"), tuple(metadata.get("roles") or ())
    lines = [embedded_text(content, metadata)]
    if chunk.line_lengths:
        start = len(content) - sum(chunk.line_lengths) - len(chunk.line_lengths) + 1
        starts = [
            start + sum(chunk.line_lengths[:number]) + number for number in range(len(chunk.line_lengths))
        ]
        lines = [content[at : at + span] for at, span in zip(starts, chunk.line_lengths, strict=True)]
    for number, (id_, line) in enumerate(zip(chunk.members, lines, strict=False)):
        place = (stored.created_at, int(metadata.get("place") or 0), number)
        yield id_, Said(line, place, roles, kind, metadata.get("date"))


def _joined(parts: Sequence[Said]) -> Said:
    first = parts[0]
    return Said("".join(part.line for part in parts), first.place, first.roles, first.kind, first.date)


def _of_session(said: Said) -> Iterator[tuple[str, str | None, str]]:
    for label, text in _splits(said.line):
        for role in said.roles:
            yield role, None if label == role else label, text


def _of_note(said: Said) -> Iterator[tuple[str, str | None, str]]:
    yield said.kind, None, said.line
    for label, text in _splits(said.line):
        yield said.kind, label, text


def _names(candidate: tuple[str, str | None, str], said: Said, named: Callable[..., str]) -> set[str]:
    role, name, text = candidate
    if said.kind == "session":
        return {named(role, normalised(text))}
    headings = [name] if name else [None, *([said.date] if section(said.date, said.date) is None else [])]
    return {named(said.kind, normalised(heading or ""), normalised(text)) for heading in headings}


def _guesses(said: Said) -> Iterator[tuple[str, str | None, str]]:
    if said.kind != "session":
        yield said.kind, None, said.line
    label, _, text = said.line.partition(": ")
    if label in said.roles:
        yield label, None, text
    yield next(iter(said.roles), "user"), label if text else None, text or said.line


def _splits(line: str) -> Iterator[tuple[str, str]]:
    at = line.find(": ")
    while at >= 0:
        yield line[:at], line[at + 2 :]
        at = line.find(": ", at + 1)
