-- The ledgers, what belongs to every embedding space, the roles that may touch it, and the first space.
-- The migration runner fills in what depends on the space.

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['memory_ingest', 'memory_query', 'memory_app', 'memory_operations'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN NOBYPASSRLS', wanted);
        END IF;
    END LOOP;
END
$$;

-- Every table with a tenant_id goes through this. Whoever does not say which tenant sees none, the owner included; the
-- setting reads '' rather than NULL after a transaction that had it set. Ingest may name several tenants for one
-- transaction, as an array. Operations see all tenants.
CREATE FUNCTION protect_tenants(protected regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', protected);
    EXECUTE format($policy$CREATE POLICY tenant ON %s
        USING (tenant_id = NULLIF(current_setting('app.tenant_id', true), ''))$policy$, protected);
    EXECUTE format($policy$CREATE POLICY several_tenants ON %s TO memory_ingest
        USING (tenant_id = ANY (NULLIF(current_setting('app.tenant_ids', true), '')::text[]))$policy$, protected);
    EXECUTE format('CREATE POLICY operations ON %s TO memory_operations USING (true)', protected);
END
$$;

-- Which spaces there are, each with a schema of its own for what only it has: memories, their words, and the functions
-- that search them. One space is active, and answers; another may be standby, being filled or kept to go back to.
-- Ledgers, markers and books belong to all. A schema's name is never used again.
CREATE TABLE index_space (
    schema     text        PRIMARY KEY DEFAULT current_schema(),
    number     integer     NOT NULL DEFAULT 1 UNIQUE,
    state      text        NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'standby')),
    since      timestamptz NOT NULL DEFAULT clock_timestamp(),
    model      text        NOT NULL,
    dimensions integer     NOT NULL,
    CONSTRAINT one_active_one_standby UNIQUE (state) DEFERRABLE,
    CONSTRAINT one_space_a_model UNIQUE (model, dimensions)
);
CREATE SEQUENCE space_number START 2;

CREATE SEQUENCE ledger_revision;

-- The item ledger: one row an item, kept after the item is gone. No text.
-- revision: which version of the item the index reflects. position, read_at, present, found, user_id: the read that it
-- reflects, and what was known before it. events: INSERTs, expiries, deletions and changes of owner. hidden_since: since
-- when a message of it is unexplained. name: the chat app's own (hashed if long). item_key: table, then name and value of
-- both key attributes. lease_until keeps two workers from embedding the same thing; it saves money, while the revision
-- gives safety.
CREATE TABLE ledger (
    tenant_id    text    NOT NULL COLLATE "C",
    source       text    NOT NULL COLLATE "C",
    revision     bigint  NOT NULL DEFAULT nextval('ledger_revision'),
    position     text    NOT NULL COLLATE "C" DEFAULT '',
    read_at      float8  NOT NULL DEFAULT 0,
    present      boolean NOT NULL DEFAULT false,
    found        text    NOT NULL COLLATE "C" DEFAULT '',
    user_id      text    COLLATE "C",
    events       jsonb   NOT NULL DEFAULT '[]',
    hidden_since float8,
    name         text    COLLATE "C",
    item_key     jsonb,
    saved_at     timestamptz,
    updated_at   timestamptz,
    expires_at   timestamptz,
    indexed_at   timestamptz,
    lease_until  timestamptz,
    PRIMARY KEY (tenant_id, source)
);
CREATE INDEX ledger_by_user ON ledger (tenant_id, user_id, name);
CREATE INDEX ledger_by_name ON ledger (tenant_id, name);
CREATE INDEX ledger_hidden ON ledger (hidden_since) WHERE hidden_since IS NOT NULL;

-- The message ledger: one row for each message seen in an item and not purged. No text. Times are epoch seconds.
-- chunks: chunks that held the message when they were written, so that those of a kept message are found without
-- reading all of an item's; some of them may be gone or hold it no longer.
CREATE TABLE message (
    tenant_id text    NOT NULL COLLATE "C",
    source    text    NOT NULL COLLATE "C",
    id        text    NOT NULL COLLATE "C",
    name      text    NOT NULL COLLATE "C",
    ordinal   integer NOT NULL,
    state     text    NOT NULL COLLATE "C" CHECK (state IN ('live', 'kept', 'unexplained', 'erased')),
    user_id   text    NOT NULL COLLATE "C",
    said_at   float8,
    saved_at  float8,
    at_tail   boolean NOT NULL,
    met_at    float8  NOT NULL,
    added     text    NOT NULL COLLATE "C",
    seen      text    NOT NULL COLLATE "C",
    seen_at   float8  NOT NULL,
    resolved  text    NOT NULL COLLATE "C",
    reason    text    NOT NULL COLLATE "C",
    hidden_at float8,
    chunks    uuid[]  NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, source, id)
);
-- A save reads an item's rows that are not kept, and kept ones by name only: what it costs follows what is live.
CREATE INDEX message_not_kept ON message (tenant_id, source) WHERE state <> 'kept';
CREATE INDEX message_kept ON message (tenant_id, source, name) WHERE state = 'kept';
CREATE INDEX message_by_user ON message (tenant_id, user_id, source) WHERE state <> 'erased';

-- Forget markers are permanent, and add up: an item may have had another owner at an earlier one. The epoch counts them, a row a tenant: whoever writes memories holds it for share, and
-- whoever sets a marker moves it first, so that nothing in flight can slip past the marker.
CREATE TABLE forget_marker (
    tenant_id    text        NOT NULL COLLATE "C",
    scope        text        NOT NULL CHECK (scope IN ('user', 'session', 'user_session')),
    subject      text        NOT NULL COLLATE "C",
    forgotten_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, scope, subject, forgotten_at)
);

CREATE TABLE tenant_epoch (
    tenant_id text   PRIMARY KEY COLLATE "C",
    epoch     bigint NOT NULL DEFAULT 0
);

-- One row a request that was carried out.
CREATE TABLE forget_request (
    tenant_id   text        NOT NULL COLLATE "C",
    id          text        NOT NULL COLLATE "C",
    user_id     text        COLLATE "C",
    session_key text        COLLATE "C",
    asked_at    timestamptz NOT NULL,
    done_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    deleted     integer     NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

-- What each tenant had embedded, a day (UTC) and model; and caps that differ from the setting.
CREATE TABLE usage (
    tenant_id text    NOT NULL COLLATE "C",
    day       date    NOT NULL,
    model     text    NOT NULL,
    tokens    bigint  NOT NULL,
    dollars   numeric NOT NULL,
    PRIMARY KEY (tenant_id, day, model)
);

CREATE TABLE usage_cap (
    tenant_id    text   PRIMARY KEY COLLATE "C",
    daily_tokens bigint NOT NULL CHECK (daily_tokens >= 0)
);

SELECT protect_tenants('ledger'), protect_tenants('message'), protect_tenants('forget_marker'), protect_tenants('tenant_epoch'),
       protect_tenants('forget_request'), protect_tenants('usage'), protect_tenants('usage_cap');

-- Which items of whatever tenant have waited too long for an explanation: ingest alone may ask, and while this function
-- runs, and then only, it sees those ledger rows of every tenant.
CREATE POLICY horizon ON ledger FOR SELECT TO memory_ingest
    USING (current_setting('app.horizon', true) = 'on' AND hidden_since IS NOT NULL);

CREATE FUNCTION memory_overdue(p_before float8, p_limit integer) RETURNS TABLE (tenant_id text, item_key jsonb)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('app.horizon', 'on', true);
    RETURN QUERY SELECT l.tenant_id, l.item_key FROM ledger l
    WHERE l.hidden_since <= p_before AND l.hidden_since IS NOT NULL AND l.item_key IS NOT NULL
    ORDER BY l.hidden_since LIMIT p_limit;
    PERFORM set_config('app.horizon', '', true);
END
$$;

-- The first space.
${space}

-- A row of one space and the row of the same id in the other say the same, or the other row goes. Whoever deletes or
-- changes a memory, in whatever way, does so in both; whose it is and how much of it its item still says needs no new
-- vector. What is missing is embedded and put back by ingest. Whether a row has a vector is its own space's affair. The
-- argument is the other schema.

-- What says something else by now is another memory, and the reason why the one that is gone had to go.
CREATE FUNCTION also_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone) THEN
        EXECUTE format($also$
            DELETE FROM %I.memories b USING gone g WHERE b.tenant_id = g.tenant_id AND b.id = g.id
            AND (b.user_id, b.content, b.source, b.members, b.line_lengths)
                IS NOT DISTINCT FROM (g.user_id, g.content, g.source, g.members, g.line_lengths)
        $also$, TG_ARGV[0]);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION also_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM written) THEN
        EXECUTE format($also$
            DELETE FROM %I.memories b USING written w WHERE b.tenant_id = w.tenant_id AND b.id = w.id
            AND ((b.content, b.source, b.members, b.line_lengths) IS DISTINCT FROM (w.content, w.source, w.members, w.line_lengths)
                 OR (b.user_id <> w.user_id AND octet_length(w.user_id) > ${reserved_user_bytes}))
        $also$, TG_ARGV[0]);
        EXECUTE format($also$
            UPDATE %I.memories b
            SET user_id = w.user_id, status = w.status, created_at = w.created_at,
                metadata = CASE WHEN b.metadata ? 'embedded'
                                THEN w.metadata || jsonb_build_object('embedded', b.metadata->'embedded')
                                ELSE w.metadata - 'embedded' END
            FROM written w WHERE b.tenant_id = w.tenant_id AND b.id = w.id
            AND (b.user_id, b.status, b.created_at, b.metadata - 'embedded')
                IS DISTINCT FROM (w.user_id, w.status, w.created_at, w.metadata - 'embedded')
        $also$, TG_ARGV[0]);
    END IF;
    RETURN NULL;
END
$$;

-- What every question does besides searching, each in one round trip: the call says whose tenant it is for, as
-- memory_search does.

-- What an item that is gone says of itself no longer counts.
CREATE FUNCTION memory_indexed_until(p_tenant_id text, p_user_id text, p_name text) RETURNS timestamptz
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant_id, true);
    IF p_name IS NULL THEN
        RETURN (SELECT max(CASE WHEN present THEN COALESCE(updated_at, saved_at) ELSE saved_at END) FROM ledger
                WHERE tenant_id = p_tenant_id AND user_id = p_user_id);
    END IF;
    RETURN (SELECT max(CASE WHEN present THEN COALESCE(updated_at, saved_at) ELSE saved_at END) FROM ledger
            WHERE tenant_id = p_tenant_id AND user_id = p_user_id AND name = p_name);
END
$$;

-- Does not wait for the disk: a crash of Postgres itself loses what was added in its last moments (three times
-- wal_writer_delay: 0.6 s).
CREATE FUNCTION memory_count_use(p_tenant_id text, p_day date, p_model text, p_tokens bigint, p_price numeric) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant_id, true), set_config('synchronous_commit', 'off', true);
    INSERT INTO usage AS u (tenant_id, day, model, tokens, dollars)
    VALUES (p_tenant_id, p_day, p_model, p_tokens, p_tokens * p_price / 1000000)
    ON CONFLICT (tenant_id, day, model) DO UPDATE
    SET tokens = u.tokens + EXCLUDED.tokens, dollars = u.dollars + EXCLUDED.dollars;
END
$$;
