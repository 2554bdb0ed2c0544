"""Databases to measure in, and rows brought in as fast as Postgres takes them."""

import json
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import count
from pathlib import Path
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from lab.bench.data import SPACE, TENANT
from pipeline.embedding.vectors import Vector
from pipeline.lexical.terms import counts
from pipeline.local.postgres import Postgres
from pipeline.stores.chunk_text import said_tokens
from pipeline.stores.chunks import Chunk
from pipeline.stores.pgvector import sparse_terms, wire_format
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.migrations import migrate
from pipeline.stores.pgvector.store import PgVectorStore

SETTINGS = {"shared_buffers": "3GB", "max_wal_size": "8GB", "maintenance_work_mem": "1GB"}
COPY_MEMORIES = """
COPY memories (tenant_id, id, user_id, content, embedding, created_at, metadata, source, members, fingerprint, line_lengths,
               tokens)
FROM STDIN (FORMAT binary)
"""
COPY_WORDS = "COPY memory_words (tenant_id, id, part, user_id, words) FROM STDIN (FORMAT binary)"
TEXTS = 5_000
"""Of a table with more rows than anybody can wait for; what follows from a text is worked out once."""
_TEXT_OID = 25
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_numbers = count(1)

Row = tuple[bytes, ...]


class Database:
    """A migrated database and logins for its roles."""

    def __init__(self, server: Postgres) -> None:
        name = f"bench_{next(_numbers)}"
        with psycopg.connect(server.conninfo(), autocommit=True) as owner:
            owner.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        self.owner = make_conninfo(server.conninfo(), dbname=name)
        migrate(self.owner, SPACE)
        self._name = name

    def login(self, role: str) -> str:
        """Return how to connect as a new member of ``role``."""
        login = f"{role}_{next(_numbers)}"
        with psycopg.connect(self.owner, autocommit=True) as owner:
            owner.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'bench' IN ROLE {}").format(
                    sql.Identifier(login), sql.Identifier(role)
                )
            )
        return make_conninfo(self.owner, user=login, password="bench")  # of a throw-away database

    def store(self, role: str, strategy: str = "auto") -> PgVectorStore:
        """Return a store that connects as a member of ``role``."""
        conninfo = self.login(role)
        return PgVectorStore(Connector(lambda: conninfo), SPACE, strategy)  # type: ignore[arg-type]

    def execute(self, statement: str) -> Sequence[tuple[object, ...]]:
        """Run a statement as the owner."""
        with psycopg.connect(self.owner, autocommit=True) as owner:
            cursor = owner.execute(statement.encode())
            return cursor.fetchall() if cursor.description else ()

    def settle(self) -> None:
        """Do what autovacuum does in its time.

        What was committed without waiting for the disk must be there first, or its pages are not marked all-visible.
        """
        self.execute("CHECKPOINT")
        for name in ("memories", "memory_words"):
            self.execute(f"VACUUM ANALYZE {name}")


@contextmanager
def server(folder: Path) -> Iterator[Postgres]:
    """Run a Postgres of our own."""
    running = Postgres(folder, SETTINGS).start()
    try:
        yield running
    finally:
        running.stop()


def memory_row(chunk: Chunk, vector: Vector, tenant: str = TENANT) -> Row:
    """Return a row of ``memories`` as COPY takes it."""
    microseconds = ((chunk.created_at or _EPOCH) - _EPOCH) // timedelta(microseconds=1)
    members = wire_format.array_of(_TEXT_OID, [member.encode() for member in chunk.members])
    line_lengths = wire_format.array_of(23, [struct.pack(">i", span) for span in chunk.line_lengths])
    return (
        tenant.encode(),
        UUID(chunk.id).bytes,
        chunk.user_id.encode(),
        chunk.text.encode(),
        wire_format.vector(vector),
        struct.pack(">q", microseconds),
        b"\x01" + json.dumps(chunk.metadata).encode(),
        f"{chunk.user_id} {chunk.metadata['key']}".encode(),
        members,
        chunk.fingerprint.encode(),
        line_lengths,
        struct.pack(">i", _tokens(chunk.text)),
    )


def word_rows(chunk: Chunk, tenant: str = TENANT) -> Iterator[Row]:
    """Yield the rows of ``memory_words``."""
    for part, piece in enumerate(sparse_terms.parts(_document(chunk.text), tenant, chunk.user_id)):
        head = (tenant.encode(), UUID(chunk.id).bytes, struct.pack(">h", part), chunk.user_id.encode())
        yield (*head, wire_format.sparse(piece))


@lru_cache(TEXTS)
def _document(text: str) -> sparse_terms.Sparse:
    return sparse_terms.document(counts(text))


@lru_cache(TEXTS)
def _tokens(text: str) -> int:
    return said_tokens(text)


def copy(connection: "psycopg.Connection[tuple[object, ...]]", statement: str, rows: Iterable[Row]) -> None:
    """Send rows that are binary already."""
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as sink:
        sink.write(b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0))
        for row in rows:
            sink.write(_tuple(row))
        sink.write(struct.pack(">h", -1))


def fill(
    database: Database,
    memories: Iterable[tuple[Chunk, Vector]],
    report: Callable[[int], None],
    tenant_of: Callable[[str], str] = lambda _: TENANT,
) -> None:
    """Bring in memories and their words, a thousand at a time, as the owner.

    Args:
        tenant_of: is given a user.
    """
    with psycopg.connect(database.owner, autocommit=True) as owner:
        owner.execute("SET synchronous_commit = off")
        batch: list[tuple[str, Chunk, Vector]] = []
        for done, (chunk, vector) in enumerate(memories, 1):
            batch.append((tenant_of(chunk.user_id), chunk, vector))
            if len(batch) == 1000:  # a thousand
                _flush(owner, batch)
                report(done)
        _flush(owner, batch)
    database.settle()


def _flush(owner: "psycopg.Connection[tuple[object, ...]]", batch: list[tuple[str, Chunk, Vector]]) -> None:
    copy(owner, COPY_MEMORIES, [memory_row(chunk, vector, tenant) for tenant, chunk, vector in batch])
    copy(owner, COPY_WORDS, [row for tenant, chunk, _ in batch for row in word_rows(chunk, tenant)])
    batch.clear()


def _tuple(row: Row) -> bytes:
    return struct.pack(">h", len(row)) + b"".join(struct.pack(">i", len(field)) + field for field in row)
