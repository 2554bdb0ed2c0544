"""What ingest reads and writes, of one tenant or of several in one transaction."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from pipeline.stores.index_state import IndexDetail, IndexState, PlannedWrite
from pipeline.stores.pgvector import reading, write_sql, writing
from pipeline.stores.pgvector.parameters import ledger_rows, revisions_of
from pipeline.stores.pgvector.space_connector import SpaceConnector


class SeveralTenants:
    """Reads and writes; see :class:`pipeline.stores.protocol.SeveralTenants`.

    Locks are taken in the order of tenants and items, so that two of these transactions cannot wait for each other.
    """

    def __init__(self, there: SpaceConnector) -> None:
        self._there = there

    def read(
        self, named: Mapping[str, Mapping[str, AbstractSet[str]]]
    ) -> Mapping[str, Mapping[str, IndexState]]:
        """Return what is held of each item, in one round trip."""
        return self._there.read_as(list(named), lambda connection: reading.states(connection, named))

    def detail(
        self, named: Mapping[str, Mapping[str, AbstractSet[str] | None]]
    ) -> Mapping[str, Mapping[str, IndexDetail]]:
        """Return what planning needs of each item, in one round trip."""
        return self._there.read_as(
            list(named), lambda connection: reading.details(connection, named, self._there.binding.writing)
        )

    def lease(
        self, revisions: Mapping[str, Mapping[str, int]], seconds: float
    ) -> Mapping[str, Mapping[str, int]]:
        """Take the leases that are free."""
        parameters = {**revisions_of(revisions), "seconds": float(seconds)}
        leased: dict[str, dict[str, int]] = {tenant: {} for tenant in revisions}
        with self._there.connector.tenants(list(revisions)) as connection:
            rows = connection.execute(write_sql.LEASE, parameters, binary=True).fetchall()
        for tenant, source, revision in rows:
            leased[tenant][source] = revision
        return leased

    def apply(self, writes: Mapping[str, Sequence[PlannedWrite]]) -> Mapping[str, frozenset[str]]:
        """Move the ledger, then write what belongs to the rows that moved; one transaction."""
        given = [(tenant, write) for tenant, own in writes.items() for write in own]
        move = write_sql.MOVE_LEDGER if len(writes) == 1 else write_sql.move_ledger_at_once()
        with self._there.writing(list(writes)) as connection:
            connection.execute(write_sql.CREATE_EPOCH, {"tenants": list(writes)})
            moved = _by_tenant(connection.execute(move.encode(), ledger_rows(given)).fetchall())
            ours = [(tenant, write) for tenant, write in given if write.source in moved[tenant]]
            writing.write(connection, ours, self._there.binding, self._there.space.dimensions)
        return {
            tenant: frozenset(write.source for write in own if write.source not in moved[tenant])
            for tenant, own in writes.items()
        }


def _by_tenant(rows: Iterable[tuple[str, str]]) -> defaultdict[str, set[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for tenant, source in rows:
        found[tenant].add(source)
    return found
