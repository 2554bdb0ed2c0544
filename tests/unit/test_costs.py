from dataclasses import replace
from pathlib import Path

import pytest

from lab.metered import Row, compared, workload
from pipeline.operations.costs.__main__ import main
from pipeline.operations.costs.estimate import (
    DISK,
    HOSTINGS,
    HOT_SHARE,
    STORES,
    acus,
    bill,
    bills,
    crossovers,
)
from pipeline.operations.costs.limits import limits
from pipeline.operations.costs.proposal import ROWS, now
from pipeline.operations.costs.workload import Workload, demand
from pipeline.prices import AWS, CHAT, EMBEDDING, SUPABASE, SUPABASE_COMPUTE

WORK = Workload()
MODEL = "text-embedding-3-small"


def total(store: str, work: Workload = WORK, region: str = "us-east-1") -> float:
    return bill(store, work, region, MODEL).total  # type: ignore[arg-type]  # one of both


def test_a_months_load_follows_from_user_behaviour() -> None:
    asked = demand(WORK)
    assert asked.saves == 10_000 * 2 * 30
    assert asked.tokens == 600_000 * 220 + 600_000 * 20
    assert asked.rows == 600_000 * 1.1 * 6
    assert asked.stored_gigabytes == pytest.approx(asked.rows * asked.row_kilobytes / 1e6)


def test_embeddings_cost_what_the_list_says() -> None:
    asked = demand(WORK)
    parts = bill("pgvector", WORK, "us-east-1", MODEL).parts
    assert parts["embeddings"] == pytest.approx(asked.tokens / 1e6 * 0.02)


def test_the_part_of_a_serverless_store_grows_and_that_of_a_database_has_a_floor() -> None:
    few = replace(WORK, users=10)
    assert bill("pgvector", few, "us-east-1", MODEL).parts["database"] == pytest.approx(0.5 * 730 * 0.12)
    assert bill("opensearch classic", few, "us-east-1", MODEL).parts["database"] == pytest.approx(
        730 * 0.24, rel=0.01
    )
    safe = replace(few, standby_replicas=1)
    assert bill("opensearch classic", safe, "us-east-1", MODEL).parts["database"] == pytest.approx(
        2 * 730 * 0.24, rel=0.01
    )
    assert bill("dynamodb", few, "us-east-1", MODEL).parts["database"] < 1


def test_a_vpc_needs_a_nat_gateway_and_only_then() -> None:
    assert "nat" in bill("pgvector", WORK, "us-east-1", MODEL).parts
    assert "nat" not in bill("pgvector", WORK, "us-east-1", MODEL, vpc=False).parts
    assert all("nat" not in bill(store, WORK, "us-east-1", MODEL).parts for store in STORES[1:])


@pytest.mark.parametrize("store", [*STORES, *HOSTINGS])
def test_more_users_never_cost_less(store: str) -> None:
    totals = [total(store, replace(WORK, users=10.0**exponent)) for exponent in range(2, 10)]
    assert totals == sorted(totals)


def test_tokyo_is_dearer_where_its_prices_are() -> None:
    assert all(total(store, region="ap-northeast-1") > total(store) for store in STORES)


def test_at_each_crossover_the_cheapest_store_changes() -> None:
    found = crossovers(WORK, "us-east-1", MODEL)
    assert found
    for users, below, above in found:
        work = replace(WORK, users=users)
        assert total(above, work) <= total(below, work)
        assert total(below, replace(WORK, users=users / 1.2)) <= total(
            above, replace(WORK, users=users / 1.2)
        )


def test_the_tightest_limit_comes_first_and_ten_times_the_users_press_ten_times_harder() -> None:
    small, large = limits(WORK), limits(replace(WORK, users=WORK.users * 10))
    assert [limit.load for limit in small] == sorted((limit.load for limit in small), reverse=True)
    name = "embedding tokens a minute (OpenAI tier 1, recalled)"
    loads = [next(limit.load for limit in found if limit.name == name) for found in (small, large)]
    assert loads[1] == pytest.approx(10 * loads[0])


def test_disk_and_memory_hold_pages_and_not_bare_rows() -> None:
    asked = demand(WORK)
    on_disk = next(limit.demand for limit in limits(WORK) if limit.name == "database storage (GB)")
    assert on_disk == pytest.approx(asked.stored_gigabytes * DISK)
    assert on_disk > asked.rows * 8.192 / 1e6  # a row fills a page
    assert acus(WORK, asked) == pytest.approx(on_disk * HOT_SHARE / 2)


def test_aurora_never_goes_below_its_floor() -> None:
    assert acus(WORK, demand(replace(WORK, users=1))) == 0.5


def test_every_price_has_a_source_and_a_date_and_both_regions() -> None:
    for prices in AWS.values():
        assert prices.keys() == {"us-east-1", "ap-northeast-1"}
        assert all(price.source and price.date and price.dollars > 0 for price in prices.values())
    others = [*EMBEDDING.values(), *SUPABASE.values(), *SUPABASE_COMPUTE.values()]
    others += [price for model in CHAT.values() for price in (model.read, model.written)]
    assert all(price.source and price.date for price in others)
    assert {name for name, prices in AWS.items() for price in prices.values() if not price.verified} == {
        "opensearch GB-month",
        "aurora GB-month",
    }
    assert all(price.verified for price in others)


def test_the_report_names_every_store_and_what_was_not_looked_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--users", "10000", "--region", "tokyo"]) == 0
    said = capsys.readouterr().out
    assert all(store in said for store in STORES)
    assert "not looked up" in said
    assert "100,000,000 users" in said


def test_the_order_of_magnitude_is_the_proposals_and_the_differences_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for row in ROWS:
        found = now(row, WORK, "us-east-1", MODEL)
        assert row.least / 10 <= found <= 10 * max(row.most, 10.0), row
    main([])
    said = capsys.readouterr().out
    assert all(row.name in said for row in ROWS)
    assert all(name in said for name in ("June 2024", "November 2024", "May 2026"))


def test_an_instance_has_the_memory_that_is_hot_and_a_plan_what_is_in_it() -> None:
    few = replace(WORK, users=100)
    small = bill("pgvector, rds", few, "us-east-1", MODEL).parts
    assert small["database"] == pytest.approx(730 * 0.016)
    assert small["storage"] == pytest.approx(20 * 0.115)
    assert "nat" in small
    plan = bill("pgvector, supabase", few, "us-east-1", MODEL).parts
    assert (plan["database"], plan["storage"]) == (25.0, 0.0)
    assert "nat" not in plan


def test_the_chart_is_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--chart", str(tmp_path / "costs.png")]) == 0
    capsys.readouterr()
    assert (tmp_path / "costs.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_model_and_meter_are_put_side_by_side() -> None:
    work = workload()
    counts = {
        "saves": 96,
        "notices": 96,
        "stream invocations": 96,
        "ingest invocations": 96,
        "item reads": 96,
    }
    rows = compared(work, {**counts, "tokens": demand(work).tokens, "chunks": 1_000})
    assert {row.name: round(row.off, 2) for row in rows if row.off} == {
        "chunks": pytest.approx(-0.89, abs=0.01)
    }
    assert Row("x", 12, 10).off == pytest.approx(0.2)


def test_all_bills_have_the_same_common_parts() -> None:
    found = bills(WORK, "us-east-1", MODEL)
    assert len({(one.parts["lambda"], one.parts["sqs"], one.parts["embeddings"]) for one in found}) == 1
