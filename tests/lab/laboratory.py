"""The laboratory: a database, workers that stay warm, and runs by seed."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

from lab.fault_profile import PROFILES, FaultProfile, RandomFaults
from lab.histories import History, drawn
from lab.index import Database
from lab.ledger_index import LedgerIndex
from lab.oracle import Oracle
from lab.simulation import Outcome, Shape, Simulation
from lab.workers import Worker, installed
from pipeline.store_settings import StoreName


class Laboratory:
    """Runs histories on one database; one run at a time.

    Args:
        database: of its own; it is emptied before every run.
    """

    def __init__(self, database: Database | LedgerIndex) -> None:
        self.database = database
        self._workers: dict[str, Worker] = {}

    def run(
        self,
        history: History,
        seed: int | str,
        profile: FaultProfile | None = None,
        shape: Shape | None = None,
        faults: RandomFaults | None = None,
    ) -> Outcome:
        """Run ``history``; the same arguments give the same outcome and trace. The fault profile may be left to the seed."""
        source = random.Random(f"run {seed}")  # a simulation
        self.database.clear()
        simulation = Simulation(
            history,
            self.database,
            self._lend,
            faults or RandomFaults(profile or source.choice(PROFILES), source),
            source,
            shape or Shape(workers=source.choice((2, 3)), max_batch=source.choice((1, 3, 10))),
            Oracle(history.on_clear, history.on_expiry),
        )
        return simulation.run()

    def close(self) -> None:
        """Disconnect everybody."""
        for worker in self._workers.values():
            worker.crash()
        self.database.close()

    def _lend(self, name: str) -> Worker:
        if name not in self._workers:
            self._workers[name] = Worker(self.database.connector)
        return self._workers[name]


@contextmanager
def laboratory(conninfo: str, store: StoreName = "pgvector", node: str | None = None) -> Iterator[Laboratory]:
    """Open a laboratory in the database at ``conninfo``, which must be nobody else's; other stores are in memory.

    Args:
        node: URL of a real OpenSearch that holds the collection instead.
    """
    made = Laboratory(Database(conninfo) if store == "pgvector" else LedgerIndex(store, node))
    try:
        with installed():
            yield made
    finally:
        made.close()


def history_of(seed: int | str) -> History:
    """Return the history that ``seed`` draws."""
    return drawn(random.Random(f"history {seed}"))  # a simulation
