"""The SQL, whole and with parameters only. Pure."""

from dataclasses import dataclass

# Arrays of the extension's types must say which type that is, and it has another number in every database.
PLACE = """
SELECT schema, number, state, since, model, dimensions, to_regtype('vector')::oid::int8, to_regtype('sparsevec')::oid::int8,
       current_schema(), current_setting('search_path')
FROM index_space ORDER BY number
"""

READ_LEDGER = """
SELECT source, revision, position, created_at FROM ledger WHERE tenant_id = %(tenant_id)b AND source = ANY(%(sources)b)
"""

READ_EPOCH = "SELECT epoch FROM tenant_epoch WHERE tenant_id = %(tenant_id)b"

# Makes the tenant's row the first time: writers must have something to hold.
CREATE_EPOCH = "INSERT INTO tenant_epoch (tenant_id) VALUES (%(tenant_id)b) ON CONFLICT DO NOTHING"

READ_CHUNKS = """
SELECT source, id, members, fingerprint, lost, spans
FROM memories WHERE tenant_id = %(tenant_id)b AND source = ANY(%(sources)b)
"""

# Rows are taken in the order of `source`, so that two writers of the same items cannot deadlock. The gate waits for a
# forget marker being set, and then sees that the epoch has moved.
MOVE_LEDGER = """
WITH wanted AS (
    SELECT * FROM unnest(%(sources)b::text[], %(revisions)b::int8[], %(positions)b::text[], %(presents)b::bool[],
                         %(saved_ats)b::timestamptz[], %(created_ats)b::timestamptz[], %(expires_ats)b::timestamptz[],
                         %(epochs)b::int8[], %(names)b::text[], %(user_ids)b::text[], %(updated_ats)b::timestamptz[],
                         %(reflecteds)b::bool[], %(item_keys)b::jsonb[])
        AS w (source, revision, position, present, saved_at, created_at, expires_at, epoch, name, user_id, updated_at,
              reflected, item_key)
), gate AS (
    SELECT epoch FROM tenant_epoch WHERE tenant_id = %(tenant_id)b FOR SHARE
), locked AS (
    SELECT l.source FROM ledger l JOIN wanted w USING (source)
    WHERE l.tenant_id = %(tenant_id)b AND l.revision = w.revision AND w.epoch = (SELECT epoch FROM gate)
    ORDER BY l.source FOR UPDATE OF l
), moved AS (
    UPDATE ledger l
    SET revision = memory_next_revision(), position = w.position, present = w.present,
        saved_at = CASE WHEN w.reflected THEN COALESCE(w.saved_at, l.saved_at) ELSE l.saved_at END,
        created_at = GREATEST(w.created_at, l.created_at),
        item_key = COALESCE(w.item_key, l.item_key), name = COALESCE(w.name, l.name), user_id = COALESCE(w.user_id, l.user_id),
        updated_at = CASE WHEN w.reflected THEN w.updated_at ELSE l.updated_at END,
        expires_at = CASE WHEN w.present THEN w.expires_at ELSE l.expires_at END,
        indexed_at = now(), lease_until = NULL
    FROM wanted w JOIN locked USING (source)
    WHERE l.tenant_id = %(tenant_id)b AND l.source = w.source AND l.revision = w.revision
    RETURNING l.source
), created AS (
    INSERT INTO ledger (tenant_id, source, position, present, saved_at, created_at, expires_at, indexed_at, name,
                        user_id, updated_at, item_key)
    SELECT %(tenant_id)b, source, position, present, CASE WHEN reflected THEN saved_at END, created_at, expires_at,
           now(), name, user_id, CASE WHEN reflected THEN updated_at END, item_key
    FROM wanted WHERE revision = 0 AND epoch = (SELECT epoch FROM gate) ORDER BY source
    ON CONFLICT DO NOTHING
    RETURNING source
)
SELECT source FROM moved UNION ALL SELECT source FROM created
"""

# A row that does not exist yet is made, reflecting nothing. A row somebody else is about to move is left alone.
LEASE = """
WITH wanted AS (
    SELECT * FROM unnest(%(sources)b::text[], %(revisions)b::int8[]) AS w (source, revision)
), free AS (
    SELECT l.source FROM ledger l JOIN wanted w USING (source)
    WHERE l.tenant_id = %(tenant_id)b AND l.revision = w.revision
      AND (l.lease_until IS NULL OR l.lease_until < clock_timestamp())
    ORDER BY l.source FOR UPDATE OF l SKIP LOCKED
), leased AS (
    UPDATE ledger l SET lease_until = clock_timestamp() + make_interval(secs => %(seconds)b)
    FROM free WHERE l.tenant_id = %(tenant_id)b AND l.source = free.source
    RETURNING l.source, l.revision
), created AS (
    INSERT INTO ledger (tenant_id, source, position, present, lease_until)
    SELECT %(tenant_id)b, source, '', false, clock_timestamp() + make_interval(secs => %(seconds)b)
    FROM wanted WHERE revision = 0 ORDER BY source
    ON CONFLICT DO NOTHING
    RETURNING source, revision
)
SELECT source, revision FROM leased UNION ALL SELECT source, revision FROM created
"""

RELEASE = """
UPDATE ledger l SET lease_until = NULL
FROM unnest(%(sources)b::text[], %(revisions)b::int8[]) AS w (source, revision)
WHERE l.tenant_id = %(tenant_id)b AND l.source = w.source AND l.revision = w.revision
"""

UPSERT = """
INSERT INTO memories (tenant_id, id, user_id, content, embedding, created_at, metadata, source, members, fingerprint,
                      spans)
SELECT %(tenant_id)b, id, user_id, content, embedding, COALESCE(created_at, now()), metadata, source,
       string_to_array(members, ','), fingerprint, string_to_array(spans, ',')::int4[]
FROM unnest(%(ids)b::uuid[], %(user_ids)b::text[], %(contents)b::text[], %(embeddings)b::vector[],
            %(created_ats)b::timestamptz[], %(metadatas)b::jsonb[], %(sources)b::text[], %(members)b::text[],
            %(fingerprints)b::text[], %(spans)b::text[])
    AS c (id, user_id, content, embedding, created_at, metadata, source, members, fingerprint, spans)
ON CONFLICT (tenant_id, id) DO UPDATE
SET user_id = EXCLUDED.user_id, content = EXCLUDED.content, embedding = EXCLUDED.embedding,
    created_at = EXCLUDED.created_at, metadata = EXCLUDED.metadata, source = EXCLUDED.source,
    members = EXCLUDED.members, fingerprint = EXCLUDED.fingerprint, spans = EXCLUDED.spans, lost = '{}'
"""

DROP_WORDS = "DELETE FROM memory_words WHERE tenant_id = %(tenant_id)b AND id = ANY(%(ids)b::uuid[])"

ADD_WORDS = """
INSERT INTO memory_words (tenant_id, id, part, user_id, words)
SELECT %(tenant_id)b, id, part, user_id, words
FROM unnest(%(ids)b::uuid[], %(parts)b::int2[], %(user_ids)b::text[], %(words)b::sparsevec[]) AS w (id, part, user_id, words)
"""

TEXTS = """
SELECT id, content, user_id, created_at, metadata FROM memories
WHERE tenant_id = %(tenant_id)b AND source = %(source)b AND id = ANY(%(ids)b::uuid[])
"""

SET_LOST = """
UPDATE memories m SET lost = w.lost
FROM unnest(%(ids)b::uuid[], %(losts)b::jsonb[]) AS w (id, lost)
WHERE m.tenant_id = %(tenant_id)b AND m.id = w.id
"""

DELETE = "DELETE FROM memories WHERE tenant_id = %(tenant_id)b AND id = ANY(%(ids)b::uuid[])"

SEARCH = """
SELECT id::text, content, similarity, created_at, metadata, lexical, words, current_setting('app.search_strategy', true)
FROM memory_search(%(tenant_id)b, %(user_id)b, %(vector)b::vector, %(top_k)b::int4, %(near)b::int4, %(seeds)b::int4, %(around)b::int4, %(whole)b::int4,
                   %(words)b::sparsevec,
                   %(strategy)b, %(filtered)b, %(kinds)b::text[], %(roles)b::text[], %(keys)b::text[],
                   %(excluded_keys)b::text[], %(since)b::timestamptz, %(until)b::timestamptz)
"""

STRATEGY = "SELECT strategy, counted FROM memory_strategy(%(tenant_id)b, %(user_id)b, %(strategy)b)"

_PASSAGES = """
SELECT id, content, created_at, metadata, lost <> '{{}}' FROM memories
WHERE tenant_id = %(tenant_id)b AND user_id = %(user_id)b
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
"""

MOVE_EPOCH = """
INSERT INTO tenant_epoch (tenant_id, epoch) VALUES (%(tenant_id)b, 1)
ON CONFLICT (tenant_id) DO UPDATE SET epoch = tenant_epoch.epoch + 1
"""

SET_MARKER = """
INSERT INTO forget_marker AS m (tenant_id, scope, subject, forgotten_at)
VALUES (%(tenant_id)b, %(scope)b, %(subject)b, %(asked_at)b)
ON CONFLICT (tenant_id, scope, subject) DO UPDATE SET forgotten_at = GREATEST(m.forgotten_at, EXCLUDED.forgotten_at)
"""

FORGOTTEN = """
SELECT id, tenant_id, asked_at, user_id, session_key, deleted, done_at, again FROM forget_request
WHERE tenant_id = %(tenant_id)b AND id = %(id)b
"""

# Rows of the chat app itself belong to a user, and to no session. A minute is how far the clocks of those who ask and
# those who index may be apart.
_GONE = """
    DELETE FROM memories
    WHERE tenant_id = %(tenant_id)b
      AND (%(user_id)b::text IS NULL OR user_id = %(user_id)b::text)
      AND (%(session_key)b::text IS NULL OR (source IS NOT NULL AND metadata->>'key' = %(session_key)b::text))
    RETURNING id, source
"""
_FORGET = """
WITH here AS ({gone}){beside}, gone AS (
    SELECT id, source FROM here{also}
), recent AS (
    SELECT source, item_key FROM ledger
    WHERE tenant_id = %(tenant_id)b AND indexed_at >= %(asked_at)b - interval '1 minute' AND item_key IS NOT NULL
      AND source IN (SELECT source FROM gone)
)
INSERT INTO forget_request (tenant_id, id, user_id, session_key, asked_at, deleted, again)
SELECT %(tenant_id)b, %(id)b, %(user_id)b, %(session_key)b, %(asked_at)b, (SELECT count(*) FROM gone),
       COALESCE((SELECT jsonb_agg(item_key ORDER BY source) FROM recent), '[]')
"""
FORGET = _FORGET.format(gone=_GONE, beside="", also="")

INDEXED_UNTIL = "SELECT memory_indexed_until(%(tenant_id)b, %(user_id)b, %(name)b)"


@dataclass(frozen=True, slots=True)
class Writing:
    """Statements that read and write what is held of items, in every space there is.

    A row that only the other space has is held as well: what forgets, forgets it there.
    """

    read_chunks: str = READ_CHUNKS
    texts: str = TEXTS
    deletes: tuple[str, ...] = (DELETE,)
    set_lost: tuple[str, ...] = (SET_LOST,)
    forget: str = FORGET

    @classmethod
    def beside(cls, table: str) -> "Writing":
        """Return them with the other space's ``table`` of memories, its name quoted."""
        only = f"FROM {table} b WHERE b.tenant_id = %(tenant_id)b AND {{which}} AND NOT EXISTS ({_HERE})"
        sources, ids = "b.source = ANY(%(sources)b)", "b.source = %(source)b AND b.id = ANY(%(ids)b::uuid[])"
        held = (
            f"SELECT b.source, b.id, b.members, b.fingerprint, b.lost, b.spans {only.format(which=sources)}"
        )
        text = f"SELECT b.id, b.content, b.user_id, b.created_at, b.metadata {only.format(which=ids)}"
        return cls(
            read_chunks=f"{READ_CHUNKS} UNION ALL {held}",
            texts=f"{TEXTS} UNION ALL {text}",
            deletes=(DELETE, DELETE.replace("memories", table)),
            set_lost=(SET_LOST, SET_LOST.replace("memories", table)),
            forget=_FORGET.format(
                gone=_GONE,
                beside=f", beside AS ({_GONE.replace('memories', table)})",
                also=" UNION SELECT id, source FROM beside",
            ),
        )


_HERE = "SELECT FROM memories m WHERE m.tenant_id = %(tenant_id)b AND m.id = b.id"
