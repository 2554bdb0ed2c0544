"""What is held of items, as the statements that read it tell it."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from pipeline.stores.forgetting import ForgetRequest, Forgotten
from pipeline.stores.pgvector import queries
from pipeline.stores.pgvector.connection import Connection
from pipeline.stores.pgvector.parameters import Parameters
from pipeline.stores.pgvector.queries import Writing
from pipeline.stores.protocol import HeldChunk, IndexDetail, IndexState, ItemEvent, ItemFacts, MessageRow


def states(connection: Connection, parameters: Parameters) -> Mapping[str, IndexState]:
    """Return what is held of each item; the tenant's epoch is made if it has none yet."""
    connection.execute(queries.CREATE_EPOCH, parameters)
    epochs, ledger, rows, waiting = (
        connection.execute(statement, parameters, binary=True)
        for statement in (
            queries.READ_EPOCH,
            queries.READ_LEDGER,
            queries.READ_MESSAGES,
            queries.READ_WAITING,
        )
    )
    [(epoch,)] = epochs.fetchall()
    known = {source: (revision, facts_of(*columns)) for source, revision, *columns in ledger}
    messages = _by_source(rows, MessageRow)
    pending = {source for (source,) in waiting}
    return {
        source: IndexState(revision, epoch, facts, tuple(messages[source]), source in pending)
        for source in parameters["sources"]
        for revision, facts in [known.get(source, (0, ItemFacts()))]
    }


def details(connection: Connection, parameters: Parameters, statements: Writing) -> Mapping[str, IndexDetail]:
    """Return the wanted kept rows and chunks of each item."""
    kept, chunks = (
        connection.execute(statement, parameters, binary=True)
        for statement in (statements.read_kept, statements.read_chunks)
    )
    rows, held = _by_source(kept, MessageRow), _by_source(chunks, _held_chunk)
    return {source: IndexDetail(tuple(rows[source]), tuple(held[source])) for source in parameters["sources"]}


def forgotten(connection: Connection, tenant_id: str, request_id: str) -> Forgotten | None:
    """Return what became of a request."""
    parameters = {"tenant_id": tenant_id, "id": request_id}
    row = connection.execute(queries.FORGOTTEN, parameters, binary=True).fetchone()
    if row is None:
        return None
    *request, deleted, done_at = row
    return Forgotten(ForgetRequest(*request), deleted, done_at)


def facts_of(*columns: Any) -> ItemFacts:  # noqa: ANN401  # a row of the ledger
    """Return the facts of an item: position, read_at, present, found, user_id, events, hidden_since."""
    position, read_at, present, found, user_id, events, hidden_since = columns
    told = tuple(ItemEvent(*event) for event in events)
    return ItemFacts(position, read_at, present, found, user_id, told, hidden_since)


def _by_source(rows: Any, made: Any) -> defaultdict[str, list[Any]]:  # noqa: ANN401  # of either kind
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for source, *columns in rows:
        found[source].append(made(*columns))
    return found


def _held_chunk(*columns: Any) -> HeldChunk:  # noqa: ANN401  # a row of memories
    id_, members, fingerprint, user_id, status, spans = columns
    return HeldChunk(str(id_), tuple(members or ()), fingerprint, user_id, status, tuple(spans or ()))
