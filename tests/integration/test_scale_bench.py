"""The benchmark of scale runs on small tables, and says what it promises to say."""

from lab.bench.data import World
from lab.bench.rows import Row
from lab.bench.scale import scale_rows
from pipeline.local.postgres import Postgres


def test_it_measures_a_table_beside_one_of_a_tenth_and_partitions_beside_none(postgres: Postgres) -> None:
    said: list[str] = []
    rows = {
        row.name: row for row in scale_rows(postgres, World(), rows=2_000, repeats=20, report=said.append)
    }
    beside, parted = ": 2000 rows / 200", "16 partitions by tenant / none, 200 rows: "
    assert {name.removesuffix(beside) for name in rows if name.endswith(beside)} >= {
        "query handler, p50",
        "store's search, p50",
        "buffers of a search",
        "store upsert, chunks/s",
        "tables and indexes a chunk",
        "VACUUM of memories after 5% of the rows",
    }
    assert "store's search, p50, 2000 rows: users who have not asked / who have" in rows
    assert f"{parted}store's search, p50" in rows
    assert rows[f"query handler, p50{beside}"].target == "<= 1.2"
    assert all(row.value > 0 for row in rows.values())
    assert _figures(rows[f"buffers of a search{beside}"])[0] > 100  # a page for each of a user's rows
    assert 8 < _figures(rows[f"memories a chunk{beside}"])[0] < 9  # kB: a row is a page
    assert 0.8 < rows["kB on disk a chunk, ledgers and all / the cost model's"].value < 1.2
    assert "questions, writing, and vacuum" in said


def _figures(row: Row) -> tuple[float, float]:
    of_large, _, rest = row.detail.partition(" and ")
    return float(of_large), float(rest.split()[0].rstrip(";"))
