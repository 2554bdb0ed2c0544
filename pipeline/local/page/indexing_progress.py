"""A save's way into memory, told as it happens: saved, notice, embedded, searchable. Pure, but for its clock's values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pipeline.local.inspection import covered, squeezed, storable
from pipeline.local.page.function_log import Line

Stage = Literal["saved", "notice", "embedded", "searchable"]
Kind = Literal["save", "forget"]
STAGES: Sequence[Stage] = ("saved", "notice", "embedded", "searchable")
NEEDLE_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class IndexingProgress:
    """One change of one conversation.

    Of a forgotten message the stages read: taken out, notice, index updated, no longer found.

    Args:
        text: what is looked for in memory, or must be gone from it.
        started: epoch seconds at which the put was sent.
        reached: stage → milliseconds from ``started``.
        said_elsewhere: the conversation has the text once more, so that it is found all the same.
    """

    id: str
    kind: Kind
    key: str
    text: str = field(repr=False)
    started: float
    reached: Mapping[Stage, int] = field(default_factory=dict)
    said_elsewhere: bool = False

    @property
    def done(self) -> bool:
        """Tell whether the last stage is reached."""
        return "searchable" in self.reached

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

    def held_in(self, texts: Iterable[str]) -> bool:
        """Tell whether the conversation's texts hold this one from beginning to end.

        It is looked for as it may be stored, without secrets; long texts are cut into chunks anywhere.
        """
        wanted, held = squeezed(storable(self.text)), [squeezed(text) for text in texts]
        return covered(wanted[:NEEDLE_CHARACTERS], held) and covered(wanted[-NEEDLE_CHARACTERS:], held)

    def shows_in(self, texts: Iterable[str]) -> bool:
        """Tell whether the conversation's texts show the change: what was saved is there, what was forgotten is not."""
        if self.said_elsewhere:
            return "embedded" in self.reached
        return self.held_in(texts) == (self.kind == "save")

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


def _wrote(line: Line) -> bool:
    return bool(line.fields.get("chunks_embedded") or line.fields.get("chunks_deleted"))
