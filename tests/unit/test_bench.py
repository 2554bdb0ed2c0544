import argparse
import json
from array import array
from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np
import pytest

from lab.bench import opensearch
from lab.bench.data import SPACE, InstantEmbedder, World
from lab.bench.imports import ROOT
from lab.bench.peaks import STREAM_BYTES, TEMPLATE_NAMES, configured_megabytes, session, stream_event
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
