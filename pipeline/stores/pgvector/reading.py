"""What is held of items, as the statements that read it tell it: a row says whose it is."""

from collections import defaultdict
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from pipeline.stores.chunks import HeldChunk
from pipeline.stores.forget_requests import ForgetRequest, Forgotten
from pipeline.stores.index_state import IndexDetail, IndexState
from pipeline.stores.message_rows import ItemEvent, ItemFacts, MessageRow
from pipeline.stores.pgvector import write_sql
from pipeline.stores.pgvector.connection import Connection
from pipeline.stores.pgvector.parameters import named_rows
from pipeline.stores.pgvector.write_sql import WriteSql

Named = Mapping[str, Mapping[str, AbstractSet[str] | None]]
"""Tenant → item → names of messages."""


def states(connection: Connection, named: Named) -> dict[str, dict[str, IndexState]]:
    """Return tenant → item → what is held of it; a tenant's epoch is made if it has none yet."""
    parameters = named_rows(named)
    connection.execute(write_sql.CREATE_EPOCH, parameters)
    epochs, ledger, rows, waiting = (
        connection.execute(statement, parameters, binary=True)
        for statement in (
            write_sql.READ_EPOCH,
            write_sql.READ_LEDGER,
            write_sql.READ_MESSAGES,
            write_sql.READ_WAITING,
        )
    )
    epoch_of = dict(epochs.fetchall())
    known = {(tenant, source): (revision, facts_of(*own)) for tenant, source, revision, *own in ledger}
    messages = _by_item(rows, MessageRow)
    pending = set(waiting.fetchall())

    def state(tenant: str, source: str) -> IndexState:
        item = (tenant, source)
        revision, facts = known.get(item, (0, ItemFacts()))
        return IndexState(revision, epoch_of[tenant], facts, tuple(messages[item]), item in pending)

    return {tenant: {source: state(tenant, source) for source in own} for tenant, own in named.items()}


def details(connection: Connection, named: Named, statements: WriteSql) -> dict[str, dict[str, IndexDetail]]:
    """Return tenant → item → its wanted kept rows and chunks."""
    parameters = named_rows(named)
    kept, chunks = (
        connection.execute(statement, parameters, binary=True)
        for statement in (statements.read_kept, statements.read_chunks)
    )
    rows, held = _by_item(kept, MessageRow), _by_item(chunks, _held_chunk)
    return {
        tenant: {
            source: IndexDetail(tuple(rows[tenant, source]), tuple(held[tenant, source])) for source in own
        }
        for tenant, own in named.items()
    }


def forgotten(connection: Connection, tenant_id: str, request_id: str) -> Forgotten | None:
    """Return what became of a request."""
    parameters = {"tenant_id": tenant_id, "id": request_id}
    row = connection.execute(write_sql.FORGOTTEN, parameters, binary=True).fetchone()
    if row is None:
        return None
    *request, deleted, done_at = row
    return Forgotten(ForgetRequest(*request), deleted, done_at)


def facts_of(*columns: Any) -> ItemFacts:  # noqa: ANN401  # a row of the ledger
    """Return the facts of an item: position, read_at, present, found, user_id, events, hidden_since."""
    position, read_at, present, found, user_id, events, hidden_since = columns
    told = tuple(ItemEvent(*event) for event in events)
    return ItemFacts(position, read_at, present, found, user_id, told, hidden_since)


def _by_item(rows: Any, made: Any) -> defaultdict[tuple[str, str], list[Any]]:  # noqa: ANN401  # of either kind
    found: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)
    for tenant, source, *columns in rows:
        found[tenant, source].append(made(*columns))
    return found


def _held_chunk(*columns: Any) -> HeldChunk:  # noqa: ANN401  # a row of memories
    id_, members, fingerprint, user_id, status, line_lengths = columns
    return HeldChunk(str(id_), tuple(members or ()), fingerprint, user_id, status, tuple(line_lengths or ()))
