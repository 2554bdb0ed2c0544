"""Writes what belongs to items whose ledger rows have moved. Nothing here waits for an answer, but for one rare case."""

from collections.abc import Sequence

from pipeline.stores.pgvector import write_sql
from pipeline.stores.pgvector.connection import Connection
from pipeline.stores.pgvector.parameters import (
    Move,
    Write,
    chunk_ids,
    chunks_of_messages,
    links,
    memory_rows,
    message_ids,
    message_rows,
    move_rows,
    outgrowing,
    word_rows,
)
from pipeline.stores.pgvector.schema_binding import SchemaBinding


def write(connection: Connection, given: Sequence[Write], binding: SchemaBinding, dimensions: int) -> None:
    """Write chunks and rows of the message ledger, inside a transaction that holds the items' ledger rows."""
    deletes = [(tenant, id_) for tenant, write in given for id_ in write.deletes]
    for statement in binding.writing.deletes if deletes else ():
        connection.execute(statement, chunk_ids(deletes))
    _write_chunks(connection, given, binding, dimensions)
    moves = [(tenant, id_, move) for tenant, write in given for id_, move in write.moves.items()]
    if moves:
        _move(connection, moves, binding)
    _write_messages(connection, given, [id_ for _, id_ in deletes])


def _write_chunks(
    connection: Connection, given: Sequence[Write], binding: SchemaBinding, dimensions: int
) -> None:
    upserts = [
        (tenant, write.source, chunk, vector) for tenant, write in given for chunk, vector in write.upserts
    ]
    if not upserts:
        return
    vector_oid, sparse_oid = binding.oids
    texts = [(tenant, chunk.id, chunk.user_id, chunk.text) for tenant, _, chunk, _ in upserts]
    connection.execute(write_sql.DROP_WORDS, chunk_ids([(tenant, id_) for tenant, id_, _, _ in texts]))
    connection.execute(write_sql.UPSERT, memory_rows(upserts, vector_oid, dimensions))
    connection.push()
    connection.execute(write_sql.ADD_WORDS, word_rows(texts, sparse_oid))


def _move(connection: Connection, moves: Sequence[Move], binding: SchemaBinding) -> None:
    """Move chunks; words that may not fit an index entry with a long user id are read and cut anew."""
    named = outgrowing(moves)
    long = chunk_ids(named)
    texts = connection.execute(write_sql.CONTENTS, long, binary=True).fetchall() if named else []
    if texts:
        connection.execute(write_sql.DROP_WORDS, long)
    for statement in binding.writing.moves:
        connection.execute(statement, move_rows(moves))
    if texts:
        owners = {(tenant, id_): move.user_id for tenant, id_, move in moves}
        cut = [(tenant, str(id_), owners[tenant, str(id_)], text) for tenant, id_, text in texts]
        connection.execute(write_sql.ADD_WORDS, word_rows(cut, binding.oids[1]))


def _write_messages(connection: Connection, given: Sequence[Write], gone: Sequence[str]) -> None:
    """Write rows of messages, each with the chunks that hold it now.

    Args:
        gone: chunks that were deleted.
    """
    chunks = chunks_of_messages(given)
    rows = [(tenant, write.source, row) for tenant, write in given for row in write.messages]
    if rows:
        connection.execute(write_sql.UPSERT_MESSAGES, message_rows(rows, chunks, gone))
    rest = chunks.keys() - {(tenant, source, row.id) for tenant, source, row in rows}
    if rest:
        connection.execute(write_sql.LINK, links({name: chunks[name] for name in sorted(rest)}, gone))
    purged = [(tenant, write.source, id_) for tenant, write in given for id_ in write.purged]
    if purged:
        connection.execute(write_sql.PURGE_MESSAGES, message_ids(purged))
