"""A save's way into memory, told as it happens: saved, notice, embedded, searchable. Pure, but for its clock's values."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pipeline.local.page.function_log import Line

Stage = Literal["saved", "notice", "embedded", "searchable"]
Kind = Literal["save", "forget"]
STAGES: Sequence[Stage] = ("saved", "notice", "embedded", "searchable")
NEEDLE_CHARACTERS = 80
QUERY_CHARACTERS = 300
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class IndexingProgress:
    """One change of one conversation.

    Of a forgotten message the stages read: taken out, notice, index updated, no longer found.

    Args:
        text: what is looked for in memory, or must be gone from it.
        started: epoch seconds at which the put was sent.
        reached: stage → milliseconds from ``started``.
    """

    id: str
    kind: Kind
    key: str
    text: str = field(repr=False)
    started: float
    reached: Mapping[Stage, int] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Tell whether the last stage is reached."""
        return "searchable" in self.reached

    @property
    def query(self) -> str:
        """The question that looks for it."""
        return self.text[:QUERY_CHARACTERS]

    def at(self, stage: Stage, time: float) -> "IndexingProgress":
        """Return it with ``stage`` reached at ``time`` (epoch seconds); a stage reached before stays as it was.

        Whatever is searchable has been announced and embedded before, even if the functions' lines come later.
        """
        if stage in self.reached:
            return self
        milliseconds = max(0, round((time - self.started) * 1000))
        reached = {**self.reached, stage: milliseconds}
        if stage == "searchable":
            reached = {one: min(reached.get(one, milliseconds), milliseconds) for one in STAGES}
        return replace(self, reached=reached)

    def read(self, lines: Iterable[Line]) -> "IndexingProgress":
        """Return it with what the functions' lines tell.

        Lines name no item. The first announcement after the put, and the first ingest after that, are taken for this
        progress's own; of two saves within a few milliseconds both may point at the same line.
        """
        progress = self
        for line in sorted(lines, key=lambda one: one.time):
            if line.message == "announced" and line.time >= progress.started - 0.001:
                progress = progress.at("notice", line.time)
            elif line.message == "ingested" and "notice" in progress.reached and _wrote(line):
                progress = progress.at("embedded", line.time)
        return progress

    def found_in(self, results: Iterable[Mapping[str, Any]]) -> bool:
        """Tell whether one of the hits holds the text, in this conversation."""
        wanted = squeezed(self.text)[:NEEDLE_CHARACTERS]
        return any(hit["key"] == self.key and wanted in squeezed(hit["content"]) for hit in results)

    def told(self) -> dict[str, Any]:
        """Return what the page is told of it."""
        return {
            "type": "progress",
            "id": self.id,
            "kind": self.kind,
            "key": self.key,
            "reached": dict(self.reached),
            "done": self.done,
        }


def squeezed(text: str) -> str:
    """Return ``text`` without white space: chunks may break lines elsewhere."""
    return _SPACE.sub("", text)


def _wrote(line: Line) -> bool:
    return bool(line.fields.get("chunks_embedded") or line.fields.get("chunks_deleted"))
