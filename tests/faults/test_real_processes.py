"""Real outages: a Postgres that crashes under load, commits of unknown outcome, workers killed at every effect."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from support.cutting_proxy import CuttingProxy
from support.deployed_stack import DeployedStack, until
from support.one_table import CHUNKER, LAYOUTS, OneTable
from support.words import SPACE, WordEmbedder

from pipeline.ingest.reconcile import Reconciler
from pipeline.local.postgres import Postgres
from pipeline.local.stack import Stack
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.store import PgVectorStore

CHANGES = int(os.environ.get("VECTOR_MEMORY_CHAOS_CHANGES", "600"))
DOWN_SECONDS = 0.7
UP_SECONDS = 2.5


def index(conninfo: str) -> list[str]:
    with psycopg.connect(conninfo) as connection:
        return [content for (content,) in connection.execute("SELECT content FROM memories ORDER BY content")]


def end_leases(conninfo: str) -> None:
    """End leases now, which would end by themselves: nobody waits here."""
    with psycopg.connect(conninfo) as connection:
        connection.execute("UPDATE ledger SET lease_until = NULL")


def test_postgres_crashing_under_load_loses_nothing_and_keeps_nothing_twice(stack: Stack) -> None:
    """Immediate shutdowns while ``CHANGES`` saves of growing, edited and deleted sessions are on their way."""
    deployed, randomness = DeployedStack(stack, f"tenant-{uuid4().hex[:8]}"), random.Random(7)
    live: dict[str, list[str]] = {}

    def save() -> None:
        for number in range(CHANGES):
            key = f"chat:{randomness.randrange(40)}"
            texts = live.setdefault(key, [])
            if texts and randomness.random() < 0.05:
                live[key] = []
                deployed.delete(key)
                continue
            if len(texts) > 1 and randomness.random() < 0.1:  # editing the only one would be a clear
                texts[randomness.randrange(len(texts))] = f"edited m{number}x"
            else:
                texts.append(f"said m{number}x")
            deployed.save(key, [{"role": "user", "content": text} for text in texts])
            time.sleep(0.005)

    saving = threading.Thread(target=save)
    saving.start()
    while saving.is_alive():  # in this thread: a Postgres started by another would end with it
        saving.join(UP_SECONDS)
        stack.postgres.stop(signal.SIGQUIT)
        time.sleep(DOWN_SECONDS)
        stack.postgres.start()

    expected = sorted(text for texts in live.values() for text in texts)

    def stored() -> list[str]:
        with psycopg.connect(stack.postgres.conninfo()) as connection:
            rows = connection.execute("SELECT content FROM memories WHERE tenant_id = %s", [deployed.tenant])
            return sorted(line.partition(": ")[2] for (content,) in rows for line in content.splitlines())

    until(lambda: deployed.demo.queue_depth() == 0 and stored() == expected, "the index is exact", 120)
    assert deployed.dead_letters() == []


def test_commits_of_unknown_outcome_end_in_an_exact_index(
    postgres: Postgres, database: Callable[..., str]
) -> None:
    conninfo, randomness, table = database(), random.Random(3), OneTable()

    written = [False]

    def cuts(packet: bytes) -> bool:
        """Cut the commits of writes, not of leases: nobody here waits for one of those to end."""
        written[0] |= b"INTO memories" in packet
        if b"COMMIT" not in packet:
            return False
        write, written[0] = written[0], False
        return write and randomness.random() < 0.4

    proxy = CuttingProxy(postgres.port, cuts)
    through = make_conninfo(conninfo, port=proxy.port)
    reconciler = Reconciler(
        LAYOUTS,
        table,
        CHUNKER,
        WordEmbedder(),
        PgVectorStore(Connector(lambda: through), SPACE),
        lambda _: None,
    )
    texts: dict[str, list[str]] = {}
    for number in range(120):
        key = f"chat:{number % 6}"
        texts.setdefault(key, []).append(f"said m{number}x")
        notice = table.put(key, *texts[key])
        for _ in range(20):
            failures = reconciler.run({notice.address.key.source: notice}).failures
            if not failures:
                break
            end_leases(conninfo)  # of those that were taken, and nobody was told
        else:
            pytest.fail(f"it never got through: {failures}")
    proxy.close()
    assert proxy.cut > 20
    assert index(conninfo) == sorted(f"user: {text}" for said in texts.values() for text in said)


EFFECTS = ("read", "get", "lease", "embed", "apply")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("effect", EFFECTS)
def test_a_worker_killed_at_an_effect_leaves_nothing_that_the_next_does_not_mend(
    database: Callable[..., str], effect: str, when: str
) -> None:
    conninfo = database()
    killed = subprocess.run(
        [sys.executable, "-m", "support.killed_worker", conninfo, effect, when],
        cwd=Path(__file__).parents[1],
        check=False,
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    end_leases(conninfo)
    table = OneTable()
    notice = table.put("chat:1", "one", "two")
    embedder = WordEmbedder()
    store = PgVectorStore(Connector(lambda: conninfo), SPACE)
    report = Reconciler(LAYOUTS, table, CHUNKER, embedder, store, lambda _: None).run(
        {notice.address.key.source: notice}
    )
    assert report.failures == {}
    assert index(conninfo) == ["user: one", "user: two"]
    committed = (effect, when) == ("apply", "after")
    assert bool(embedder.texts) != committed
