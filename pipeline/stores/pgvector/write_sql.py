"""The SQL, whole and with parameters only. Pure.

Statements that read and write what ingest needs take rows of any number of tenants, each row with its tenant's name:
``tenants`` is as long as the array it goes with. Row-level security lets through those that the transaction was begun for.
"""

from dataclasses import dataclass

# Arrays of the extension's types must say which type that is, and it has another number in every database.
READ_SPACES = """
SELECT schema, number, state, since, model, dimensions, to_regtype('vector')::oid::int8, to_regtype('sparsevec')::oid::int8,
       current_schema(), current_setting('search_path')
FROM index_space ORDER BY number
"""

_ITEMS_GIVEN = "unnest(%(tenants)b::text[], %(sources)b::text[]) AS i (tenant_id, source)"
_NAMES_GIVEN = (
    "unnest(%(named_tenants)b::text[], %(named)b::text[], %(names)b::text[]) AS w (tenant_id, source, name)"
)
_KEPT_OF_NAMES = "m.tenant_id = w.tenant_id AND m.source = w.source AND m.name = w.name AND m.state = 'kept'"

READ_LEDGER = f"""
SELECT l.tenant_id, l.source, revision, position, read_at, present, found, user_id, events, hidden_since
FROM {_ITEMS_GIVEN} JOIN ledger l ON l.tenant_id = i.tenant_id AND l.source = i.source
"""  # noqa: S608  # constants

READ_EPOCH = "SELECT tenant_id, epoch FROM tenant_epoch WHERE tenant_id = ANY(%(tenants)b::text[])"

MESSAGE = """m.source, m.id, m.name, m.ordinal, m.state, m.user_id, m.said_at, m.saved_at, m.at_tail, m.met_at, m.added, m.seen,
       m.seen_at, m.resolved, m.reason, m.hidden_at"""

READ_MESSAGES = f"""
SELECT m.tenant_id, {MESSAGE} FROM {_ITEMS_GIVEN}
JOIN message m ON m.tenant_id = i.tenant_id AND m.source = i.source AND m.state <> 'kept'
UNION ALL
SELECT m.tenant_id, {MESSAGE} FROM {_NAMES_GIVEN} JOIN message m ON {_KEPT_OF_NAMES}
"""  # noqa: S608  # constants

READ_WAITING = f"""
SELECT DISTINCT m.tenant_id, m.source FROM {_ITEMS_GIVEN}
JOIN memories m ON m.tenant_id = i.tenant_id AND m.source = i.source AND m.fingerprint = ''
"""  # noqa: S608  # constants

_OPEN = (
    f"{_ITEMS_GIVEN} JOIN {{table}} m ON m.tenant_id = i.tenant_id AND m.source = i.source "
    "AND (m.status <> 'kept' OR m.user_id = '')"
)

_WITHHELD = f"SELECT m.tenant_id, m.source, unnest(m.members) AS id FROM {_OPEN} AND m.user_id = ''"  # noqa: S608  # constants

# Kept rows of the names asked for, of the items of which all are wanted, and of messages in withheld chunks.
_KEPT = f"""
WITH withheld AS ({{withheld}}
), kept AS MATERIALIZED (
    SELECT m.* FROM {_NAMES_GIVEN} JOIN message m ON {_KEPT_OF_NAMES}
    UNION
    SELECT m.* FROM unnest(%(all_tenants)b::text[], %(all)b::text[]) AS a (tenant_id, source)
    JOIN message m ON m.tenant_id = a.tenant_id AND m.source = a.source AND m.state = 'kept'
    UNION
    SELECT m.* FROM withheld w
    JOIN message m ON m.tenant_id = w.tenant_id AND m.source = w.source AND m.id = w.id AND m.state = 'kept'
)
{{read}}
"""  # noqa: S608  # constants

_CHUNK = "m.tenant_id, m.source, m.id, m.members, m.fingerprint, m.user_id, m.status, m.line_lengths"

# Kept chunks are found by what their messages' rows say of them, and must still hold one of those messages. OFFSET 0 keeps
# them looked up one by one, however many the planner expects.
_CHUNKS = f"""
SELECT {_CHUNK} FROM {_OPEN}{{only}}
UNION ALL
SELECT {_CHUNK} FROM (SELECT DISTINCT tenant_id, unnest(chunks) AS id FROM kept) k CROSS JOIN LATERAL (
    SELECT * FROM {{table}} m WHERE m.tenant_id = k.tenant_id AND m.id = k.id OFFSET 0
) m
WHERE m.status = 'kept' AND m.user_id <> '' AND m.members && (SELECT array_agg(id) FROM kept){{only}}
"""  # noqa: S608  # constants


def _kept_rows(withheld: str) -> str:
    return _KEPT.format(withheld=withheld, read=f"SELECT m.tenant_id, {MESSAGE} FROM kept m")  # noqa: S608  # constants


READ_KEPT = _kept_rows(_WITHHELD.format(table="memories"))

READ_CHUNKS = _KEPT.format(
    withheld=_WITHHELD.format(table="memories"), read=_CHUNKS.format(table="memories", only="")
)

# Makes a tenant's row the first time: writers must have something to hold.
CREATE_EPOCH = """
INSERT INTO tenant_epoch (tenant_id)
SELECT DISTINCT tenant_id FROM unnest(%(tenants)b::text[]) AS w (tenant_id) ORDER BY tenant_id
ON CONFLICT DO NOTHING
"""

# Rows are taken in the order of tenant and source, so that two writers of the same items cannot deadlock. The gate waits
# for a forget marker being set, and then sees that the epoch has moved.
MOVE_LEDGER = """
WITH wanted AS (
    SELECT * FROM unnest(%(tenants)b::text[], %(sources)b::text[], %(revisions)b::int8[], %(epochs)b::int8[], %(positions)b::text[],
                         %(read_ats)b::float8[], %(presents)b::bool[], %(founds)b::text[], %(user_ids)b::text[],
                         %(events)b::jsonb[], %(hidden_sinces)b::float8[], %(saved_ats)b::timestamptz[], %(updated_ats)b::timestamptz[],
                         %(expires_ats)b::timestamptz[], %(names)b::text[], %(item_keys)b::jsonb[], %(reflecteds)b::bool[])
        AS w (tenant_id, source, revision, epoch, position, read_at, present, found, user_id, events, hidden_since, saved_at,
              updated_at, expires_at, name, item_key, reflected)
), gate AS (
    SELECT tenant_id, epoch FROM tenant_epoch WHERE tenant_id = ANY(%(tenants)b::text[]) ORDER BY tenant_id FOR SHARE
), open AS (
    SELECT w.* FROM wanted w JOIN gate g USING (tenant_id) WHERE w.epoch = g.epoch
), locked AS (
    SELECT l.tenant_id, l.source FROM ledger l JOIN open w USING (tenant_id, source)
    WHERE l.revision = w.revision
    ORDER BY l.tenant_id, l.source FOR UPDATE OF l
), moved AS (
    UPDATE ledger l
    SET revision = memory_next_revision(), position = w.position, read_at = w.read_at, present = w.present,
        found = w.found, user_id = w.user_id, events = w.events, hidden_since = w.hidden_since,
        name = COALESCE(w.name, l.name), item_key = COALESCE(w.item_key, l.item_key),
        saved_at = CASE WHEN w.reflected THEN COALESCE(w.saved_at, l.saved_at) ELSE l.saved_at END,
        updated_at = CASE WHEN w.reflected THEN w.updated_at ELSE l.updated_at END,
        expires_at = CASE WHEN w.present THEN w.expires_at ELSE l.expires_at END,
        indexed_at = now(), lease_until = NULL
    FROM wanted w JOIN locked USING (tenant_id, source)
    WHERE l.tenant_id = w.tenant_id AND l.source = w.source AND l.revision = w.revision
    RETURNING l.tenant_id, l.source
), created AS (
    INSERT INTO ledger (tenant_id, source, position, read_at, present, found, user_id, events, hidden_since, name,
                        item_key, saved_at, updated_at, expires_at, indexed_at)
    SELECT tenant_id, source, position, read_at, present, found, user_id, events, hidden_since, name, item_key,
           CASE WHEN reflected THEN saved_at END, CASE WHEN reflected THEN updated_at END, expires_at, now()
    FROM open WHERE revision = 0 ORDER BY tenant_id, source
    ON CONFLICT DO NOTHING
    RETURNING tenant_id, source
)
SELECT tenant_id, source FROM moved UNION ALL SELECT tenant_id, source FROM created
"""


def move_ledger_at_once() -> str:
    """Return the statement that moves the ledger and leaves alone what somebody else holds."""
    return MOVE_LEDGER.replace(" FOR SHARE", " FOR SHARE SKIP LOCKED").replace(
        " FOR UPDATE OF l", " FOR UPDATE OF l SKIP LOCKED"
    )


# A row that does not exist yet is made, reflecting nothing. A row somebody else is about to move is left alone.
LEASE = """
WITH wanted AS (
    SELECT * FROM unnest(%(tenants)b::text[], %(sources)b::text[], %(revisions)b::int8[]) AS w (tenant_id, source, revision)
), free AS (
    SELECT l.tenant_id, l.source FROM ledger l JOIN wanted w USING (tenant_id, source)
    WHERE l.revision = w.revision AND (l.lease_until IS NULL OR l.lease_until < clock_timestamp())
    ORDER BY l.tenant_id, l.source FOR UPDATE OF l SKIP LOCKED
), leased AS (
    UPDATE ledger l SET lease_until = clock_timestamp() + make_interval(secs => %(seconds)b)
    FROM free WHERE l.tenant_id = free.tenant_id AND l.source = free.source
    RETURNING l.tenant_id, l.source, l.revision
), created AS (
    INSERT INTO ledger (tenant_id, source, lease_until)
    SELECT tenant_id, source, clock_timestamp() + make_interval(secs => %(seconds)b)
    FROM wanted WHERE revision = 0 ORDER BY tenant_id, source
    ON CONFLICT DO NOTHING
    RETURNING tenant_id, source, revision
)
SELECT tenant_id, source, revision FROM leased UNION ALL SELECT tenant_id, source, revision FROM created
"""

RELEASE = """
UPDATE ledger l SET lease_until = NULL
FROM unnest(%(tenants)b::text[], %(sources)b::text[], %(revisions)b::int8[]) AS w (tenant_id, source, revision)
WHERE l.tenant_id = w.tenant_id AND l.source = w.source AND l.revision = w.revision
"""

UPSERT = """
INSERT INTO memories (tenant_id, id, user_id, content, embedding, created_at, metadata, source, members, fingerprint,
                      line_lengths, tokens, status)
SELECT tenant_id, id, user_id, content, embedding, COALESCE(created_at, now()), metadata, source,
       string_to_array(members, ','), fingerprint, string_to_array(line_lengths, ',')::int4[], tokens, status
FROM unnest(%(tenants)b::text[], %(ids)b::uuid[], %(user_ids)b::text[], %(contents)b::text[], %(embeddings)b::vector[],
            %(created_ats)b::timestamptz[], %(metadatas)b::jsonb[], %(sources)b::text[], %(members)b::text[],
            %(fingerprints)b::text[], %(line_lengths)b::text[], %(tokens)b::int4[], %(statuses)b::text[])
    AS c (tenant_id, id, user_id, content, embedding, created_at, metadata, source, members, fingerprint, line_lengths, tokens,
          status)
ON CONFLICT (tenant_id, id) DO UPDATE
SET user_id = EXCLUDED.user_id, content = EXCLUDED.content, embedding = EXCLUDED.embedding,
    created_at = EXCLUDED.created_at, metadata = EXCLUDED.metadata, source = EXCLUDED.source,
    members = EXCLUDED.members, fingerprint = EXCLUDED.fingerprint, line_lengths = EXCLUDED.line_lengths,
    tokens = EXCLUDED.tokens, status = EXCLUDED.status
"""

_IDS_GIVEN = "unnest(%(tenants)b::text[], %(ids)b::uuid[]) AS w (tenant_id, id)"

DROP_WORDS = f"DELETE FROM memory_words m USING {_IDS_GIVEN} WHERE m.tenant_id = w.tenant_id AND m.id = w.id"  # noqa: S608  # constants

ADD_WORDS = """
INSERT INTO memory_words (tenant_id, id, part, user_id, words)
SELECT tenant_id, id, part, user_id, words
FROM unnest(%(tenants)b::text[], %(ids)b::uuid[], %(parts)b::int2[], %(user_ids)b::text[], %(words)b::sparsevec[])
    AS w (tenant_id, id, part, user_id, words)
"""

TEXTS = """
SELECT id, content, user_id, created_at, metadata FROM memories
WHERE tenant_id = %(tenant_id)b AND source = %(source)b AND id = ANY(%(ids)b::uuid[])
"""

# Whose a chunk is, and how much of it its item still says. A trigger moves its words.
MOVE = """
UPDATE memories m SET user_id = w.user_id, status = w.status
FROM unnest(%(tenants)b::text[], %(ids)b::uuid[], %(user_ids)b::text[], %(statuses)b::text[]) AS w (tenant_id, id, user_id, status)
WHERE m.tenant_id = w.tenant_id AND m.id = w.id AND (m.user_id, m.status) IS DISTINCT FROM (w.user_id, w.status)
"""

CONTENTS = f"""
SELECT m.tenant_id, m.id, m.content FROM {_IDS_GIVEN} JOIN memories m ON m.tenant_id = w.tenant_id AND m.id = w.id
"""  # noqa: S608  # constants

_CHUNKS_NOW = (
    "ARRAY(SELECT unnest(m.chunks) EXCEPT SELECT unnest(%(gone)b::uuid[]) UNION SELECT unnest({held}))"
)

# A row says which chunks hold its message from the moment it is written: to say so later would write it twice.
UPSERT_MESSAGES = f"""
INSERT INTO message AS m (tenant_id, source, id, name, ordinal, state, user_id, said_at, saved_at, at_tail, met_at, added, seen,
                          seen_at, resolved, reason, hidden_at, chunks)
SELECT tenant_id, source, id, name, ordinal, state, user_id, said_at, saved_at, at_tail, met_at, added, seen,
       seen_at, resolved, reason, hidden_at, string_to_array(chunks, ',')::uuid[]
FROM unnest(%(tenants)b::text[], %(sources)b::text[], %(ids)b::text[], %(names)b::text[], %(ordinals)b::int4[], %(states)b::text[],
            %(user_ids)b::text[], %(said_ats)b::float8[], %(saved_ats)b::float8[], %(at_tails)b::bool[],
            %(met_ats)b::float8[], %(addeds)b::text[], %(seens)b::text[], %(seen_ats)b::float8[], %(resolveds)b::text[],
            %(reasons)b::text[], %(hidden_ats)b::float8[], %(chunks)b::text[])
    AS w (tenant_id, source, id, name, ordinal, state, user_id, said_at, saved_at, at_tail, met_at, added, seen,
          seen_at, resolved, reason, hidden_at, chunks)
ON CONFLICT (tenant_id, source, id) DO UPDATE
SET name = EXCLUDED.name, ordinal = EXCLUDED.ordinal, state = EXCLUDED.state, user_id = EXCLUDED.user_id,
    said_at = EXCLUDED.said_at, saved_at = EXCLUDED.saved_at, at_tail = EXCLUDED.at_tail, met_at = EXCLUDED.met_at,
    added = EXCLUDED.added, seen = EXCLUDED.seen, seen_at = EXCLUDED.seen_at, resolved = EXCLUDED.resolved,
    reason = EXCLUDED.reason, hidden_at = EXCLUDED.hidden_at,
    chunks = CASE WHEN m.chunks @> EXCLUDED.chunks THEN m.chunks ELSE {_CHUNKS_NOW.format(held="EXCLUDED.chunks")} END
"""  # noqa: S608  # constants

PURGE_MESSAGES = """
DELETE FROM message m USING unnest(%(tenants)b::text[], %(sources)b::text[], %(ids)b::text[]) AS w (tenant_id, source, id)
WHERE m.tenant_id = w.tenant_id AND m.source = w.source AND m.id = w.id
"""

# Notes in the messages' rows which chunks hold them, where nothing else of the rows is written.
LINK = f"""
UPDATE message m
SET chunks = {_CHUNKS_NOW.format(held="w.chunks")}
FROM (SELECT tenant_id, source, id, string_to_array(chunks, ',')::uuid[] AS chunks
      FROM unnest(%(tenants)b::text[], %(sources)b::text[], %(ids)b::text[], %(chunks)b::text[])
          AS l (tenant_id, source, id, chunks)) w
WHERE m.tenant_id = w.tenant_id AND m.source = w.source AND m.id = w.id AND NOT m.chunks @> w.chunks
"""  # noqa: S608  # constants

DELETE = f"DELETE FROM memories m USING {_IDS_GIVEN} WHERE m.tenant_id = w.tenant_id AND m.id = w.id"  # noqa: S608  # constants

# An array a column, in the function's order, which an aggregate without an order of its own keeps: one row is sent and read
# sooner than some hundreds. What is told of metadata is one JSON text, read in one go.
SEARCH = """
SELECT array_agg(id::text), array_agg(content), array_agg(similarity), array_agg(created_at),
       '[' || string_agg(metadata::text, ',') || ']', array_agg(lexical), array_agg(words), array_agg(tokens),
       current_setting('app.search_strategy', true)
FROM memory_search(%(tenant_id)b, %(user_id)b, %(vector)b::vector, %(top_k)b::int4, %(near)b::int4, %(seeds)b::int4, %(around)b::int4, %(whole)b::int4,
                   %(words)b::sparsevec,
                   %(strategy)b, %(filtered)b, %(kinds)b::text[], %(roles)b::text[], %(keys)b::text[],
                   %(excluded_keys)b::text[], %(since)b::timestamptz, %(until)b::timestamptz)
"""

STRATEGY = "SELECT strategy, counted FROM memory_strategy(%(tenant_id)b, %(user_id)b, %(strategy)b)"

_PASSAGES = """
SELECT id, content, created_at, metadata, status <> 'live' FROM memories
WHERE tenant_id = %(tenant_id)b AND user_id = %(user_id)b AND %(user_id)b <> ''
  AND (%(kinds)b::text[] = '{{}}' OR metadata->>'kind' = ANY(%(kinds)b::text[]))
  AND (%(roles)b::text[] = '{{}}' OR metadata->'roles' ?| %(roles)b::text[])
  AND (%(keys)b::text[] = '{{}}' OR metadata->>'key' = ANY(%(keys)b::text[]))
  AND COALESCE(metadata->>'key' <> ALL(%(excluded_keys)b::text[]), true)
  AND created_at >= COALESCE(%(since)b::timestamptz, '-infinity') AND created_at < COALESCE(%(until)b::timestamptz, 'infinity')
ORDER BY created_at {order}, id LIMIT %(limit)b
"""
NEWEST_PASSAGES = _PASSAGES.format(order="DESC")
OLDEST_PASSAGES = _PASSAGES.format(order="ASC")

MARKERS = """
SELECT scope, subject, forgotten_at FROM forget_marker
WHERE tenant_id = %(tenant_id)b
  AND ((scope = 'user' AND subject = ANY(%(users)b)) OR (scope = 'session' AND subject = ANY(%(sessions)b))
       OR (scope = 'user_session' AND subject = ANY(%(own)b)))
ORDER BY forgotten_at
"""

MOVE_EPOCH = """
INSERT INTO tenant_epoch (tenant_id, epoch) VALUES (%(tenant_id)b, 1)
ON CONFLICT (tenant_id) DO UPDATE SET epoch = tenant_epoch.epoch + 1
"""

# Markers add up: an item may have had another owner at an earlier one.
SET_MARKER = """
INSERT INTO forget_marker (tenant_id, scope, subject, forgotten_at)
VALUES (%(tenant_id)b, %(scope)b, %(subject)b, %(asked_at)b)
ON CONFLICT DO NOTHING
"""

# Rows of the chat app itself belong to a user, and to no session.
FORGET_FOREIGN = """
DELETE FROM memories
WHERE tenant_id = %(tenant_id)b AND user_id = %(user_id)b AND source IS NULL AND created_at < %(asked_at)b
"""

_ITEMS = """
SELECT l.item_key FROM ledger l
WHERE l.tenant_id = %(tenant_id)b AND l.item_key IS NOT NULL AND {which}
  AND EXISTS (SELECT FROM message m WHERE m.tenant_id = l.tenant_id AND m.source = l.source AND m.state <> 'erased')
ORDER BY l.source
"""

ITEMS_OF_SESSION = _ITEMS.format(which="l.name = %(name)b")

# Of a message that has another owner by now the item's events may still say whose it was.
ITEMS_OF_USER = _ITEMS.format(
    which="""(%(name)b::text IS NULL OR l.name = %(name)b) AND l.source IN (
      SELECT source FROM message WHERE tenant_id = %(tenant_id)b AND user_id = %(user_id)b AND state <> 'erased'
      UNION
      SELECT source FROM ledger WHERE tenant_id = %(tenant_id)b AND %(owner)b::text IS NOT NULL
        AND events @> jsonb_build_array(jsonb_build_array(%(owner)b::text)))"""
)

FINISH = """
INSERT INTO forget_request (tenant_id, id, user_id, session_key, asked_at, deleted)
VALUES (%(tenant_id)b, %(id)b, %(user_id)b, %(session_key)b, %(asked_at)b, %(deleted)b)
ON CONFLICT DO NOTHING
"""

FORGOTTEN = """
SELECT id, tenant_id, asked_at, user_id, session_key, deleted, done_at FROM forget_request
WHERE tenant_id = %(tenant_id)b AND id = %(id)b
"""

# Across tenants, see the function.
OVERDUE = "SELECT tenant_id, item_key FROM memory_overdue(%(before)b::float8, %(limit)b::int4)"

INDEXED_UNTIL = "SELECT memory_indexed_until(%(tenant_id)b, %(user_id)b, %(name)b)"


@dataclass(frozen=True, slots=True)
class WriteSql:
    """Statements that read and write what is held of items, in every space there is.

    A row that only the other space has is held as well: what forgets, forgets it there.
    """

    read_kept: str = READ_KEPT
    read_chunks: str = READ_CHUNKS
    texts: str = TEXTS
    deletes: tuple[str, ...] = (DELETE,)
    moves: tuple[str, ...] = (MOVE,)
    forget_foreign: tuple[str, ...] = (FORGET_FOREIGN,)

    @classmethod
    def standby(cls, table: str) -> "WriteSql":
        """Return them with the other space's ``table`` of memories, its name quoted."""
        only = " AND NOT EXISTS (SELECT FROM memories h WHERE h.tenant_id = m.tenant_id AND h.id = m.id)"
        withheld = " UNION ".join(_WITHHELD.format(table=one) for one in ("memories", table))
        chunks = (_CHUNKS.format(table="memories", only=""), _CHUNKS.format(table=table, only=only))
        text = TEXTS.replace("memories", f"{table} m") + only
        return cls(
            read_kept=_kept_rows(withheld),
            read_chunks=_KEPT.format(withheld=withheld, read=" UNION ALL ".join(chunks)),
            texts=f"{TEXTS} UNION ALL {text}",
            deletes=(DELETE, DELETE.replace("memories", table)),
            moves=(MOVE, MOVE.replace("memories", table)),
            forget_foreign=(FORGET_FOREIGN, FORGET_FOREIGN.replace("memories", table)),
        )
