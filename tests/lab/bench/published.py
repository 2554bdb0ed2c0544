"""What the docs show of a run: a table in a marked region of a page, and a chart beside it. Pure."""

import html
import re
from collections.abc import Mapping, Sequence

from lab.bench.repeated import Repeated

PUBLISHED = (
    "store upsert / COPY BINARY",
    "store upsert / same with an HNSW index",
    "one chunk from each of 50 tenants / 50 chunks of one tenant",
    "ingest handler / store upsert",
    "ingest handler, 50 tenants / one tenant",
    "ingest handler / best peer's add, tenants: 1",
    "ingest handler / best peer's add, tenants: 50",
    "query handler p50 / prepared SQL for the same candidates",
    "best peer's search p50 / query handler p50",
    "the same / the store's search of vectors alone, as theirs",
    "recall@10 / exact",
    "exact / bq, 10000 rows a user",
    "hybrid / vector-only, 10000 rows a user",
    "buffers at 1000 rows a user",
    "import + first answer",
)
"""Beginnings of the rows that the table has; where several rows begin so, it has all of them."""
BEGIN, END = "<!-- made by scripts/bench --docs: change nothing by hand -->", "<!-- end of what is made -->"
_REGION = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
_ROW, _LEFT, _WIDTH, _FONT = 22, 430, 860, 12
_LONGEST = 2.0
"""Times the target, where a bar ends: what is met four times over must not hide what is missed."""


def missing(rows: Sequence[Repeated]) -> list[str]:
    """Return the published rows that a run does not have."""
    return [name for name in PUBLISHED if not any(one.row.name.startswith(name) for one in rows)]


def published(rows: Sequence[Repeated]) -> list[Repeated]:
    """Return the rows that the docs show, in the order of :data:`PUBLISHED`."""
    return [one for name in PUBLISHED for one in rows if one.row.name.startswith(name)]


def table(rows: Sequence[Repeated], made_on: Mapping[str, str], command: str) -> str:
    """Return Markdown: what was run on what, and a row a line."""
    of = f"median of {len(rows[0].values)} runs, least and most" if len(rows[0].values) > 1 else "one run"
    on = ", ".join(f"{name} {said}" for name, said in made_on.items())
    head = f"`{command}`, {of}; {on}.\n\n![How much of its target each row has](benchmarks.svg)\n"
    lines = ["| row | target | measured | | figures |", "|---|---|---|---|---|", *map(_line, published(rows))]
    return "\n".join([head, *lines])


def _line(one: Repeated) -> str:
    outcome = {True: "met", False: "**missed**", None: ""}[one.row.met]
    least, most = one.spread
    spread = f" ({least:.3g} to {most:.3g})" if len(one.values) > 1 else ""
    return (
        f"| {one.row.name} | {one.row.target} | {one.row.value:.3g}{spread} | {outcome} | {one.row.detail} |"
    )


def in_page(page: str, made: str) -> str:
    """Return ``page`` with what is between its marks replaced.

    Raises:
        ValueError: the page has no marks.
    """
    if not _REGION.search(page):
        raise ValueError(f"the page has no region between {BEGIN} and {END}")
    return _REGION.sub(lambda _: f"{BEGIN}\n\n{made}\n\n{END}", page)


def region(page: str) -> str:
    """Return what is between the marks of ``page``; nothing if it has none."""
    found = _REGION.search(page)
    return found[0].removeprefix(BEGIN).removesuffix(END).strip() if found else ""


def reached(one: Repeated) -> float | None:
    """Return how many times its target a row has, 1 where it is just met; ``None`` without a target."""
    if one.row.least is not None:
        return one.row.value / one.row.least
    return None if one.row.most is None else one.row.most / one.row.value


def chart(rows: Sequence[Repeated]) -> str:
    """Return SVG: a bar for each row with a target, as long as it is times the target; the line is the target."""
    bars = [(one.row.name, share) for one in published(rows) if (share := reached(one)) is not None]
    height, unit = _ROW * (len(bars) + 1), (_WIDTH - _LEFT - 60) / _LONGEST
    drawn = [_bar(name, share, _ROW * at, unit) for at, (name, share) in enumerate(bars)]
    at = _LEFT + unit
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
        f'font-size="{_FONT}" role="img"><title>How many times its target each row has</title>'
    )
    foot = (
        f'<path d="M{at:.0f} 0V{height - _ROW + 4}" stroke="black"/>'
        f'<text x="{at:.0f}" y="{height - 4}" text-anchor="middle">target</text></svg>\n'
    )
    white = f'<rect width="{_WIDTH}" height="{height}" fill="white"/>'
    return "\n".join([head, white, *drawn, foot])


def _bar(name: str, share: float, top: int, unit: float) -> str:
    length, colour = unit * min(share, _LONGEST), "#5b9a68" if share >= 1 else "#c0504d"
    text, middle = html.escape(name), top + _ROW - 7
    return (
        f'<text x="{_LEFT - 6}" y="{middle}" text-anchor="end">{text}</text>'
        f'<rect x="{_LEFT}" y="{top + 3}" width="{length:.0f}" height="{_ROW - 6}" fill="{colour}"/>'
        f'<text x="{_LEFT + length + 4:.0f}" y="{middle}">{share:.2f}</text>'
    )
