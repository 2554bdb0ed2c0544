"""``scripts/bench``: measures, prints a table, and writes JSON if asked to."""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from lab.bench.data import World
from lab.bench.database import Database, server
from lab.bench.handlers import (
    MANY_ROWS,
    MANY_USERS,
    USERS,
    QueryTimes,
    ask_many_users,
    handler_rows,
    ingest_rate,
)
from lab.bench.imports import import_rows
from lab.bench.load import AT_ONCE, Command, burst_rows, question_rows
from lab.bench.machine import ROOT, load, machine
from lab.bench.peaks import peak_rows
from lab.bench.published import chart, in_page, missing
from lab.bench.published import table as published_table
from lab.bench.repeated import Repeated, printed, read, repeated
from lab.bench.rows import Row
from lab.bench.scale import scale_rows
from lab.bench.searches import search_rows
from lab.bench.writes import write_rows
from pipeline.local.postgres import Postgres
from pipeline.local.processes import new_run_folder

PEERS = Path(__file__).with_name("peers.py")
PEERS_PYTHON = Path(".venv/bench/bin/python")
_PEERS_MEASURED: dict[int, Mapping[str, Any]] = {}
"""By how many rows they were given."""
PAGE, CHART = ROOT / "docs" / "benchmarks.md", ROOT / "docs" / "benchmarks.svg"
PARTS = ("writes", "handlers", "searches", "imports", "peaks", "load")
SCALE = "scale"
"""Takes half an hour and 12 GB of disk, so it is measured only where it is named."""


def main() -> int:
    """Run the parts asked for; 0 even where a target is missed: a noisy machine is no failure."""
    options = _parser().parse_args()
    told = json.loads(options.made_from.read_text("utf-8")) if options.made_from else _measure(options)
    rows = [read(one) for one in told["rows"]]
    print(printed(rows))
    if options.json:
        options.json.write_text(json.dumps(told, indent=1), "utf-8")
    if options.docs:
        _write_docs(rows, told)
    return 0


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run everything so many times, each with a database of its own; return the rows, and what it was run on and how."""
    runs = []
    for _ in range(options.repeat):
        rows, made_on = _run(options)
        print("run on " + ", ".join(f"{name} {said}" for name, said in made_on.items()), flush=True)
        runs.append((rows, made_on))
    loads = "; ".join(made_on["load"] for _, made_on in runs)
    return {
        "quick": options.quick,
        "command": " ".join(["scripts/bench", *_without_outputs(sys.argv[1:])]),
        "machine": {**runs[-1][1], "load": loads},
        "rows": [row.as_json() for row in repeated([rows for rows, _ in runs])],
    }


def _without_outputs(arguments: Sequence[str]) -> Iterator[str]:
    """Yield what was measured, without where it is written to."""
    given = iter(arguments)
    for one in given:
        if one == "--json":
            next(given, None)
        elif one != "--docs" and not one.startswith("--json="):
            yield one


def _run(options: argparse.Namespace) -> tuple[list[Row], dict[str, str]]:
    folder, before = new_run_folder(), load()
    _PEERS_MEASURED.clear()
    try:
        with server(folder / "postgres") as running:
            rows = _measured(running, folder, options)
            made_on = machine(running.conninfo())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return rows, {**made_on, "load": f"{before} to {made_on['load']}"}


def _write_docs(rows: Sequence[Repeated], told: Mapping[str, Any]) -> None:
    """Write the page's table and the chart.

    Raises:
        SystemExit: the run left out rows that the page shows.
    """
    if lacking := missing(rows):
        raise SystemExit(f"these rows were not measured, so the docs stay as they are: {'; '.join(lacking)}")
    made = published_table(rows, told["machine"], told["command"])
    PAGE.write_text(in_page(PAGE.read_text("utf-8"), made), "utf-8")
    CHART.write_text(chart(rows), "utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Ratios, each side by side with its target."
    )
    parser.add_argument(
        "--quick", action="store_true", help="smaller tables and fewer repeats: under two minutes"
    )
    parser.add_argument("--repeat", type=_times, default=1, metavar="N", help="medians and spread of N runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument(
        "--docs", action="store_true", help="make the table and the chart of docs/benchmarks.md"
    )
    parser.add_argument(
        "--from", type=Path, metavar="FILE", dest="made_from", help="measure nothing: take what --json wrote"
    )
    parser.add_argument(
        "--only", choices=(*PARTS, SCALE), action="append", help="only this part (again for more)"
    )
    parser.add_argument(
        "--scale",
        type=int,
        default=1_000_000,
        metavar="ROWS",
        help="rows of the larger table of --only scale",
    )
    parser.add_argument("--no-peers", action="store_true", help="leave the other libraries out")
    return parser


def _times(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("once at least")
    return number


def _measured(running: Postgres, folder: Path, options: argparse.Namespace) -> list[Row]:
    world, quick, parts = World(), options.quick, options.only or PARTS
    rows: list[Row] = []
    upsert = 0.0
    database = Database(running)
    if "writes" in parts or "handlers" in parts:
        _say("writing")
        many, repeats, graph_rows = (1_000, 2, 2_000) if quick else (5_000, 5, 50_000)
        written, upsert = write_rows(running, world, chunks=many, repeats=repeats, graph_rows=graph_rows)
        rows += written
    if "handlers" in parts:
        _say("the handlers")
        chunks, repeats = (2_000, 200) if quick else (10_000, 1000)
        filled = [database, *(Database(running) for _ in range(2))]
        ours, rates, times = handler_rows(filled, world, chunks=chunks, repeats=repeats, upsert=upsert)
        rows += ours
        if not options.no_peers:
            peers = _peers(running, chunks, 30 if quick else 200)
            rows += [
                *(_added(rate, peers, tenants) for tenants, rate in rates.items()),
                *_searched(times, peers, f"{chunks} rows of {USERS} users", least=2),
            ]
        if not (options.no_peers or quick):
            rows += _among_many(running, world)
    if "searches" in parts:
        sizes = [100, 1_000, 10_000] if quick else [100, 1_000, 10_000, 50_000, 100_000]
        big = 20_000 if quick else 300_000
        rows += search_rows(running, world, table=big, sizes=sizes, repeats=20 if quick else 60, report=_say)
    if "imports" in parts:
        _say("cold starts")
        rows += import_rows(database, folder, 3 if quick else 9)
    if "peaks" in parts:
        _say("peak memory")
        rows += peak_rows(Database(running), world, folder)
    if "load" in parts:
        rows += _load(running, world, options)
    if SCALE in parts:
        _say("scale")
        many, repeats = (4_000, 20) if quick else (options.scale, 300)
        rows += scale_rows(running, world, rows=many, repeats=repeats, report=_say)
    return rows


def _load(running: Postgres, world: World, options: argparse.Namespace) -> list[Row]:
    chunks, seconds = (2_000, 3.0) if options.quick else (10_000, 15.0)
    _say("questions at once")
    database = Database(running)
    ingest_rate(database, world, chunks)
    database.settle()
    peer = None if options.no_peers else _best_peer(running, chunks, seconds)
    rows = list(question_rows(database.login("memory_query"), USERS, seconds, peer))
    puts, tenants = (1_000, 100) if options.quick else (10_000, 1_000)
    _say("a burst of puts")
    return [*rows, *burst_rows(Database(running), puts, tenants)]


def _best_peer(running: Postgres, rows: int, seconds: float) -> tuple[str, list[Command]]:
    """Return the peer that searches quickest, and how as many processes as there may be ask it."""
    conninfo = make_conninfo(running.conninfo(), dbname=f"peers_{rows}")
    with psycopg.connect(running.conninfo()) as owner:
        known = owner.execute("SELECT 1 FROM pg_database WHERE datname = %s", [f"peers_{rows}"]).fetchone()
    peers = _peers(running, rows, 30) if known is None else _PEERS_MEASURED[rows]
    best = min(peers, key=lambda name: peers[name]["search"])
    ask = [str(PEERS_PYTHON), str(PEERS), conninfo, str(rows), "0", str(USERS), best, str(seconds)]
    return best, [[*ask, str(seed)] for seed in range(AT_ONCE[-1])]


def _among_many(running: Postgres, world: World) -> list[Row]:
    where = f"{MANY_ROWS} rows of {MANY_USERS} users"
    _say(where)
    times = ask_many_users(Database(running), world, 200)
    return _searched(times, _peers(running, MANY_ROWS, 20, MANY_USERS), where, least=4)


def _peers(
    running: Postgres, rows: int, questions: int, users: int | None = None
) -> Mapping[str, Mapping[str, float]]:
    """Run the peers; with ``users`` their tables are filled by SQL, since through their own calls it takes hours."""
    _say("the peers")
    name = f"peers_{rows}"
    with psycopg.connect(running.conninfo(), autocommit=True) as owner:
        owner.execute(SQL("CREATE DATABASE {} TEMPLATE template0").format(Identifier(name)))
    conninfo = make_conninfo(running.conninfo(), dbname=name)
    if not PEERS_PYTHON.exists():
        raise SystemExit(
            "the peers' packages are missing: run scripts/bench, which installs them, or --no-peers"
        )
    done = subprocess.run(  # our own program
        [PEERS_PYTHON, PEERS, conninfo, str(rows), str(questions), *([str(users)] if users else [])],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"a peer failed: {done.stderr[-2000:]}")
    found: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    _PEERS_MEASURED[rows] = found
    return found


def _added(rate: float, peers: Mapping[str, Mapping[str, float]], tenants: int) -> Row:
    best = max(peers, key=lambda name: peers[name]["add"])
    each = "; ".join(f"{name} {one['add']:.0f}" for name, one in peers.items())
    return Row(
        f"ingest handler / best peer's add, tenants: {tenants}",
        rate / peers[best]["add"],
        least=8,
        detail=f"rows/s: {each}",
    )


def _searched(
    times: QueryTimes, peers: Mapping[str, Mapping[str, float]], where: str, least: float | None = None
) -> list[Row]:
    best = min(one["search"] for one in peers.values())
    each = ", ".join(f"{name} {one['search']:.1f}" for name, one in peers.items())
    return [
        Row(
            f"best peer's search p50 / query handler p50, {where}",
            best / times.p50,
            least=least,
            detail=f"ours {times.p50:.2f} ms; {each}",
        ),
        Row(
            f"the same / the store's search of vectors alone, as theirs, {where}",
            best / times.vectors,
            detail=f"ours {times.vectors:.2f} ms",
        ),
    ]


def _say(what: str) -> None:
    print(f"measuring {what} ...", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
