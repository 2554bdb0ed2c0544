import gc
from datetime import UTC, datetime

from pipeline.handlers import snapshot
from pipeline.stores.hit_columns import HitColumns, columns_of
from pipeline.stores.search_requests import Hit

THEN = datetime(2026, 11, 22, tzinfo=UTC)
HITS = [
    Hit("a", "tea", 0.5, THEN, {"key": "chat:1"}, 0.3, {"tea": 1}, 7),
    Hit("b", "kyoto", -0.25, THEN, {"key": "chat:2"}, 0.0, None, None),
]


def columns() -> HitColumns:
    return HitColumns(
        ["a", "b"], ["tea", "kyoto"], [0.5, -0.25], [THEN, THEN], [{"key": "chat:1"}, {"key": "chat:2"}], [0.3, 0.0],
        [{"tea": 1}, None], [7, None],
    )  # fmt: skip


def test_hits_are_made_of_their_columns_once() -> None:
    found = columns()
    assert found == HITS
    assert [*found] == HITS
    assert found[1] is found[1]
    assert found[-1] == HITS[-1]
    assert found[:1] == HITS[:1]
    assert (len(found), bool(HitColumns())) == (2, False)


def test_other_hits_are_not_the_same() -> None:
    assert columns() != HITS[:1]
    assert columns() != 2
    assert HitColumns() == []


def test_hits_that_are_there_already_get_columns() -> None:
    made = columns_of(HITS)
    assert made == columns()
    assert made[0] is HITS[0]
    for name in ("ids", "similarities", "metadatas", "counts", "tokens"):
        assert getattr(made, name) == getattr(columns(), name)
    assert columns_of(made) is made


def test_hits_show_no_text() -> None:
    assert "kyoto" not in repr(columns())


def test_the_query_function_lets_the_garbage_collector_come_seldom() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    try:
        snapshot.seldom_collect()
        assert gc.get_threshold()[0] == snapshot.OBJECTS_A_ROUND
        assert gc.get_freeze_count() > frozen
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
