import argparse
import json
from array import array
from collections.abc import Sequence
from itertools import count
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from lab.bench import opensearch, published
from lab.bench.data import SPACE, InstantEmbedder, World
from lab.bench.imports import ROOT
from lab.bench.machine import PEERS, pinned
from lab.bench.peaks import STREAM_BYTES, TEMPLATE_NAMES, configured_megabytes, session, stream_event
from lab.bench.repeated import Repeated, printed, read, repeated
from lab.bench.rows import Row, interleaved_ms, percentile, table, times_ms


@pytest.mark.parametrize(
    ("row", "target", "met"),
    [
        (Row("a", 2.0, least=2), ">= 2", True),
        (Row("a", 1.9, least=2), ">= 2", False),
        (Row("a", 1.5, most=1.5), "<= 1.5", True),
        (Row("a", 1.6, most=1.5), "<= 1.5", False),
        (Row("a", 1.6), "report", None),
    ],
)
def test_a_row_stands_beside_its_target(row: Row, target: str, met: bool | None) -> None:
    assert (row.target, row.met) == (target, met)
    assert row.as_json() == {"name": "a", "value": row.value, "target": target, "met": met, "detail": ""}


def test_the_table_says_what_was_missed() -> None:
    lines = table([Row("one", 1, least=2), Row("two", 3, least=2, detail="of four")]).splitlines()
    assert "MISSED" in lines[0]
    assert "MISSED" not in lines[1]
    assert lines[1].endswith("of four")


def test_works_take_turns() -> None:
    order: list[str] = []
    ticks = count()
    works = [lambda _: order.append("a"), lambda _: order.append("b")]
    assert interleaved_ms(works, 3, lambda: float(next(ticks))) == [1000.0, 1000.0]
    assert order == ["a", "b"] * 3


def test_percentiles_are_of_the_times() -> None:
    assert percentile([1.0, 2.0, 3.0], 50) == 2.0
    assert percentile([float(number) for number in range(101)], 95) == 95.0
    ticks = iter([0.0, 0.5, 1.0, 3.0])
    assert times_ms(lambda _: None, 2, lambda: next(ticks)) == [500.0, 2000.0]


def test_the_world_is_the_same_in_every_run_and_users_speak_of_their_own_topics() -> None:
    one, two = World(), World()
    assert one.text() == two.text()
    assert one.chunk(7, "mika") == two.chunk(7, "mika")
    assert one.friendly("mika") == two.friendly("mika")
    near, far = _closest(one, one.friendly("mika")), _closest(one, one.off_topic("mika"))
    assert near > 0.3 > far


def _closest(world: World, question: array) -> float:  # type: ignore[type-arg]
    held = world.vectors("mika", 500)
    asked = np.array(question)
    return float(max(held @ asked / ((held**2).sum(1) ** 0.5 * (asked**2).sum() ** 0.5)))


def test_the_instant_embedder_is_honest_about_what_it_was_asked() -> None:
    embedder = InstantEmbedder(World())
    [first, second, again] = embedder.embed(["a", "b", "a"])
    assert first == again != second
    assert len(first) == SPACE.dimensions
    assert (embedder.usage.requests, embedder.usage.tokens) == (1, 3)


class Counting:
    """Takes a collection's place, and counts what is written to it."""

    def __init__(self) -> None:
        self.owners: list[str] = []

    def add(self, documents: Sequence[Any]) -> None:
        self.owners += [one["user_id"] for one in documents]


@pytest.mark.parametrize(("minutes", "rows"), [(60.0, 50), (0.0, 30)])
def test_writing_ends_with_the_time_but_not_before_there_is_somebody_to_ask(
    minutes: float, rows: int
) -> None:
    collection, world = Counting(), World(dimensions=4)
    options = argparse.Namespace(rows=50, large=20, usual=10, minutes=minutes)
    memories, said = opensearch._written(collection, world, options)  # type: ignore[arg-type]
    assert [(one.user, len(one.vectors)) for one in memories] == [("large", 20), ("user 0", 10)]
    assert said["rows"] == rows == len(collection.owners)


def test_recall_counts_what_is_as_near_as_the_exactly_nearest_whatever_its_score() -> None:
    world = World(dimensions=8)
    memory = opensearch._Memory("mika", 1_000, world.vectors("mika", 100))
    question = array("f", memory.vectors[3].tobytes())
    unit = memory.vectors / np.linalg.norm(memory.vectors, axis=1, keepdims=True)
    nearest = np.argsort(-(unit @ unit[3]))

    def found(*ranks: int) -> list[Any]:
        places = [int(nearest[rank]) for rank in ranks]
        return [
            argparse.Namespace(chunk_id=world.chunk(1_000 + place, "mika").id, score=0.0) for place in places
        ]

    assert memory.recall(found(*range(10)), question) == 1.0
    assert memory.recall(found(0, 1, 2, *range(50, 57)), question) == pytest.approx(0.3)


def test_the_template_tells_what_memory_a_function_has() -> None:
    template = "Resources:\n  One:\n    Properties:\n      MemorySize: 512\n  Two:\n    Properties:\n      MemorySize: 1024\n"
    assert (configured_megabytes(template, "One"), configured_megabytes(template, "Two")) == (512, 1024)
    with pytest.raises(ValueError, match="Three"):
        configured_megabytes(template, "Three")
    ours = (ROOT / "template.yaml").read_text("utf-8")
    assert all(configured_megabytes(ours, name) >= 128 for name in TEMPLATE_NAMES.values())


def test_the_largest_inputs_are_what_aws_hands_over_at_most() -> None:
    world = World()
    sessions = [session(world, number) for number in range(10)]
    assert 380_000 < len(sessions[0]["messages"]["S"]) < 400_000
    records = stream_event(sessions)["Records"]
    assert len(records) >= 6
    assert len(json.dumps({"Records": records})) <= STREAM_BYTES


def run(*values: float) -> list[Row]:
    return [Row("a", values[0], least=2, detail="of one"), Row("a", values[1]), Row("b", values[2], most=1.5)]


def test_of_several_runs_the_middle_one_is_told_with_the_spread() -> None:
    rows = repeated([run(1, 5, 9), run(3, 4, 7), run(2, 6, 8)])
    assert [one.row.value for one in rows] == [2, 5, 8]
    assert [one.spread for one in rows] == [(1, 3), (4, 6), (7, 9)]
    assert printed(rows).splitlines()[0].endswith("of one  [1 to 3]")
    assert [read(json.loads(json.dumps(one.as_json()))) for one in rows] == rows


def test_one_run_has_no_spread_to_tell() -> None:
    assert printed(repeated([run(1, 5, 9)])) == table(run(1, 5, 9))


def test_runs_of_other_rows_are_not_mixed() -> None:
    with pytest.raises(ValueError, match="other rows"):
        repeated([run(1, 2, 3), run(1, 2, 3)[:2]])


def test_the_peers_are_named_with_the_versions_that_are_pinned() -> None:
    found = pinned((ROOT / "bench.lock").read_text("utf-8"))
    assert found.keys() == set(PEERS)
    assert all(number[0].isdigit() for number in found.values())


def all_published(value: float = 3.0) -> list[Repeated]:
    return repeated([[Row(name, value, least=2, detail="x & y") for name in reversed(published.PUBLISHED)]])


def test_the_page_gets_every_row_in_one_order_and_says_what_was_missed() -> None:
    made = published.table(all_published(1.0), {"cores": "2", "load": "0.1 to 0.2"}, "scripts/bench")
    lines = [line for line in made.splitlines() if line.startswith("| ")][1:]
    assert [line.split(" | ")[0] for line in lines] == [f"| {name}" for name in published.PUBLISHED]
    assert all("**missed**" in line and ">= 2" in line for line in lines)
    assert made.startswith("`scripts/bench`, one run; cores 2, load 0.1 to 0.2.")


def test_only_what_is_between_the_marks_is_replaced() -> None:
    page = f"before\n{published.BEGIN}\nold\n{published.END}\nafter"
    changed = published.in_page(page, "new \\1")
    assert published.region(changed) == "new \\1"
    assert changed.startswith("before\n")
    assert changed.endswith("\nafter")
    with pytest.raises(ValueError, match="no region"):
        published.in_page("nothing", "new")


def test_the_chart_is_a_drawing_with_a_bar_for_each_row_that_has_a_target() -> None:
    drawn = published.chart([*all_published(), *repeated([[Row("recall@10 / exact, no target", 1.0)]])])
    root = ET.fromstring(drawn)  # noqa: S314  # our own
    bars = root.findall("{http://www.w3.org/2000/svg}rect")[1:]
    assert len(bars) == len(published.PUBLISHED)
    assert {published.reached(one) for one in all_published()} == {1.5}


def test_a_run_that_left_rows_out_is_not_published() -> None:
    assert published.missing(all_published()) == []
    assert published.missing(all_published()[:-1]) == [published.PUBLISHED[0]]


def test_the_docs_show_every_row_of_the_list_and_a_chart_of_them() -> None:
    shown = published.region((ROOT / "docs" / "benchmarks.md").read_text("utf-8"))
    for name in published.PUBLISHED:
        assert f"\n| {name}" in shown
    assert all(said in shown for said in ("cores ", "load ", "Postgres ", *PEERS))
    drawn = ET.parse(ROOT / "docs" / "benchmarks.svg")  # noqa: S314  # our own
    assert drawn.getroot().tag.endswith("svg")
