"""Writes what belongs to items whose ledger rows have moved. Nothing here waits for an answer, but for one rare case."""

from collections.abc import Mapping, Sequence

from pipeline.stores.pgvector import queries
from pipeline.stores.pgvector.connection import Connection
from pipeline.stores.pgvector.parameters import (
    links,
    memory_rows,
    message_ids,
    message_rows,
    move_rows,
    outgrowing,
    word_rows,
)
from pipeline.stores.pgvector.place import Place
from pipeline.stores.protocol import ChunkMove, PlannedWrite


def write(
    connection: Connection, tenant_id: str, writes: Sequence[PlannedWrite], place: Place, dimensions: int
) -> None:
    """Write chunks and rows of the message ledger, inside a transaction that holds the items' ledger rows."""
    deletes = [id_ for write in writes for id_ in write.deletes]
    for statement in place.writing.deletes if deletes else ():
        connection.execute(statement, {"tenant_id": tenant_id, "ids": deletes})
    _write_chunks(connection, tenant_id, writes, place, dimensions)
    moves = {id_: move for write in writes for id_, move in write.moves.items()}
    if moves:
        _move(connection, tenant_id, moves, place)
    _write_messages(connection, tenant_id, writes)
    upserts = [(write.source, chunk) for write in writes for chunk, _ in write.upserts]
    if upserts:
        connection.execute(queries.LINK, links(tenant_id, upserts, deletes))


def _write_chunks(
    connection: Connection, tenant_id: str, writes: Sequence[PlannedWrite], place: Place, dimensions: int
) -> None:
    upserts = [(write.source, chunk, vector) for write in writes for chunk, vector in write.upserts]
    if not upserts:
        return
    vector_oid, sparse_oid = place.oids
    texts = [(chunk.id, chunk.user_id, chunk.text) for _, chunk, _ in upserts]
    connection.execute(queries.DROP_WORDS, {"tenant_id": tenant_id, "ids": [id_ for id_, _, _ in texts]})
    connection.execute(queries.UPSERT, memory_rows(tenant_id, upserts, vector_oid, dimensions))
    connection.execute(queries.ADD_WORDS, word_rows(tenant_id, texts, sparse_oid))


def _move(connection: Connection, tenant_id: str, moves: Mapping[str, ChunkMove], place: Place) -> None:
    """Move chunks; words that may not fit an index entry with a long user id are read and cut anew."""
    long = {"tenant_id": tenant_id, "ids": outgrowing(moves)}
    texts = connection.execute(queries.CONTENTS, long, binary=True).fetchall() if long["ids"] else []
    if texts:
        connection.execute(queries.DROP_WORDS, long)
    for statement in place.writing.moves:
        connection.execute(statement, move_rows(tenant_id, moves))
    if texts:
        cut = [(str(id_), moves[str(id_)].user_id, text) for id_, text in texts]
        connection.execute(queries.ADD_WORDS, word_rows(tenant_id, cut, place.oids[1]))


def _write_messages(connection: Connection, tenant_id: str, writes: Sequence[PlannedWrite]) -> None:
    rows = [(write.source, row) for write in writes for row in write.messages]
    if rows:
        connection.execute(queries.UPSERT_MESSAGES, message_rows(tenant_id, rows))
    purged = [(write.source, id_) for write in writes for id_ in write.purged]
    if purged:
        connection.execute(queries.PURGE_MESSAGES, message_ids(tenant_id, purged))
