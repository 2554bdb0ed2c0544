"""Reads the project's pages: their links, anchors and code blocks."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Page:
    """A Markdown file of the project.

    Args:
        name: its path from the root, such as ``docs/api.md``.
    """

    name: str
    text: str

    def blocks(self, language: str) -> Sequence[str]:
        """Return its code blocks of ``language``, without their indentation."""
        return [
            re.sub(f"^{margin}", "", code, flags=re.MULTILINE)
            for margin, spoken, code in _FENCE.findall(self.text)
            if spoken == language
        ]

    def links(self) -> Iterator[str]:
        """Yield the targets of links and pictures."""
        prose = re.sub(r"`[^`\n]*`", "", _FENCE.sub("", self.text))
        yield from re.findall(r"\]\(([^)\s]+)\)", prose)
        yield from re.findall(r'(?:src|href)="([^"]+)"', prose)

    def anchors(self) -> frozenset[str]:
        """Return the anchors that GitHub makes of its headings."""
        headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", self.text), re.MULTILINE)
        return frozenset(map(_anchor, headings))

    def section(self, heading: str) -> str:
        """Return the text under ``heading``, given with its ``#`` signs, up to the next heading of its level or above."""
        level = heading.split(maxsplit=1)[0]
        _, found, rest = f"\n{self.text}".partition(f"\n{heading}\n")
        assert found, f"{self.name} has no heading {heading!r}"
        return re.split(f"^#{{1,{len(level)}}} ", rest, flags=re.MULTILINE)[0]


def page(name: str) -> Page:
    return Page(name, (ROOT / name).read_text("utf-8"))


def pages() -> Sequence[Page]:
    """Return every page that the project shows."""
    found = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "localstack" / "README.md"]
    found += [*(ROOT / ".github").glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return [page(str(path.relative_to(ROOT))) for path in sorted(found)]


def rows(table: str) -> Sequence[Sequence[str]]:
    """Return the cells of a table's rows, its head left out."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [row for row, line in zip(cells, lines, strict=True) if not set(line) <= set("|-: ")][1:]


def _anchor(heading: str) -> str:
    spoken = re.sub(r"\[(.*?)\]\(.*?\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", spoken.lower()).replace(" ", "-")
