"""What an agent reads of its memory: long-term notes and the passages that bear on a question, within a budget. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.embedding.tokens import estimate_tokens, token_share
from pipeline.search.fence import as_data, defused, fenced
from pipeline.search.passages import day, follows, is_japanese, position
from pipeline.search.quotations import GAP
from pipeline.search.ranking import Piece, Ranked
from pipeline.search.trace import Trace
from pipeline.source.recalled import NOTICES
from pipeline.stores.search_requests import Hit

NOTES_SHARE = 0.5
"""Most of the budget that long-term memory may take where passages want room too."""


@dataclass(frozen=True, slots=True)
class Context:
    """What to show an agent, as data and outside the system prompt.

    Args:
        text: Markdown between provenance markers; empty if there is nothing to tell.
        passages: those in the text, best first.
        tokens: estimated, markers and headings included; at most what was asked for.
        chunks: the ids of those in the text.
        confidence: see :class:`pipeline.search.found_passages.FoundPassages`.
        trace: the same.
    """

    text: str = field(repr=False)
    passages: Sequence[Ranked]
    tokens: int
    chunks: frozenset[str] = frozenset()
    confidence: float = 0.0
    trace: Trace | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Block:
    """What is chosen of one source and day; its pieces can forge no fence."""

    heading: str
    pieces: tuple[Piece, ...]

    @property
    def cost(self) -> float:
        """In tokens, with what sets it apart from the next."""
        return token_share(f"{self}\n\n")

    @property
    def began_at(self) -> datetime:
        return min(piece.hit.created_at for piece in self.pieces)

    def __str__(self) -> str:
        lines, before = [self.heading], None
        for piece in sorted(self.pieces, key=lambda one: position(one.hit)):
            lines += [GAP] if before and not follows(piece.hit, before.hit) else []
            lines.append(piece.text)
            before = piece
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Words:
    notice: str
    notes: str
    passages: str
    before: str


_ENGLISH = _Words(
    NOTICES[0],
    "## Long-term memory about the user",
    "## From earlier conversations, newest first",
    "said before that",
)
_JAPANESE = _Words(
    NOTICES[1],
    "## ユーザーの長期記憶",
    "## 以前の会話から(新しい順)",
    "それより前の発言",
)
_NOTHING = Context("", (), 0)


def assemble(
    long_term: str, ranked: Sequence[Ranked], values: Mapping[str, float], max_tokens: int, nonce: str
) -> Context:
    """Return ``long_term`` and as much of ``ranked`` (best first) as fits into ``max_tokens``.

    The chunks of most ``values`` (by id) are chosen, one by one, and shown newest first, so that of two that contradict
    each other the later one leads.
    """
    japanese = is_japanese([long_term, *(one.hit.content for one in ranked)])
    words = _JAPANESE if japanese else _ENGLISH
    room = max_tokens - estimate_tokens(fenced(f"{words.notice}\n", nonce))
    notes = _notes(words, long_term, room if not ranked else int(room * NOTES_SHARE))
    blocks = _fitting(words, ranked, values, room - estimate_tokens(f"{notes}\n\n{words.passages}\n"))
    if not notes and not blocks:
        return _NOTHING
    text = fenced("\n\n".join([words.notice, *filter(None, [notes, _passages(words, blocks)])]), nonce)
    told = frozenset(piece.id for block in blocks for piece in block.pieces)
    passages = tuple(one for one in ranked if not told.isdisjoint(one.chunks))
    return Context(text, passages, estimate_tokens(text), told)


def _notes(words: _Words, long_term: str, room: int) -> str:
    lines: list[str] = []
    left = room - estimate_tokens(words.notes) - 2
    for line in as_data(long_term).splitlines():
        left -= estimate_tokens(line) + 1
        if left < 0:
            break
        lines.append(line)
    return "\n".join([words.notes, *lines]) if any(line.strip() for line in lines) else ""


def _fitting(
    words: _Words, ranked: Sequence[Ranked], values: Mapping[str, float], room: float
) -> list[_Block]:
    """Return the pieces of most worth that there is room for; of equal worth, those of the better passage."""
    pieces = [Piece(piece.hit, as_data(piece.text).strip("\n")) for one in ranked for piece in one.pieces]
    before = {piece.id for one in ranked if one.superseded_by for piece in one.pieces}
    values = _newer_worth_more(ranked, values)
    chosen: dict[str, _Block] = {}
    for piece in sorted(pieces, key=lambda one: -values.get(one.id, 0.0)):
        if token_share(piece.text) > room:
            continue
        heading = _heading(piece.hit) + (f" · {words.before}" if piece.id in before else "")
        block = chosen.get(heading)
        after = _Block(heading, (*block.pieces, piece) if block else (piece,))
        cost = after.cost - (block.cost if block else 0.0)
        if cost <= room:
            chosen[heading] = after
            room -= cost
    return list(chosen.values())


def _newer_worth_more(ranked: Sequence[Ranked], values: Mapping[str, float]) -> Mapping[str, float]:
    """Return ``values``, of what was said before no more than of what says it anew: room for one is the newer one's."""
    best = {one.hit.id: max((values.get(id_, 0.0) for id_ in one.chunks), default=0.0) for one in ranked}
    most = {
        id_: min(values.get(id_, 0.0), best.get(one.superseded_by, math.inf))
        for one in ranked
        if one.superseded_by
        for id_ in one.chunks
    }
    return {**values, **most}


def _passages(words: _Words, blocks: Iterable[_Block]) -> str:
    newest_first = sorted(blocks, key=lambda block: (block.began_at, block.heading), reverse=True)
    return "\n\n".join([words.passages, *map(str, newest_first)]) if newest_first else ""


def _heading(hit: Hit) -> str:
    source = " ".join(str(hit.metadata.get("key", "")).split())
    return defused(f"### {day(hit.metadata, hit.created_at)} · {source}")
