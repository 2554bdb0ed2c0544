"""What a run was made on: figures say nothing without it."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psycopg

PEERS = ("langchain-postgres", "llama-index-vector-stores-postgres", "mem0ai")
ROOT = Path(__file__).parents[3]


def machine(conninfo: str) -> dict[str, str]:
    """Return versions, cores and load, by name; ``conninfo`` is the database's that has just been measured."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        server = connection.info.parameter_status("server_version") or ""
        found = connection.execute(
            "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'"
        )
        vector = str((found.fetchone() or ("",))[0])
    return {
        "cores": str(os.cpu_count()),
        "load": load(),
        "Python": platform.python_version(),
        "Postgres": server,
        "pgvector": vector,
        "psycopg": version("psycopg"),
        **pinned((ROOT / "bench.lock").read_text("utf-8")),
    }


def load() -> str:
    """Return how many processes wanted a core in the last minute, on average."""
    return f"{os.getloadavg()[0]:.1f}"


def pinned(lock: str) -> dict[str, str]:
    """Return the versions of the peers' packages that a lock file pins."""
    pins = (
        line.split()[0].partition("==") for line in lock.splitlines() if "==" in line and line[0].isalnum()
    )
    return {name: number for name, _, number in pins if name in PEERS}
