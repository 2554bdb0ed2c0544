from array import array
from itertools import count

import numpy as np
import pytest

from lab.bench.data import SPACE, InstantEmbedder, World
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
