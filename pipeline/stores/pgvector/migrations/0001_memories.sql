-- Memories, the ledger, and the roles that may touch them.
-- ${dimensions} and ${storage} are filled in by the migration runner from the configured space.

CREATE TABLE index_space (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    model      text    NOT NULL,
    dimensions integer NOT NULL
);

-- The first six columns are the chat app's own table; its SQL runs on them unchanged. `source` is NULL for rows that
-- it inserts itself, and such rows are never touched by ingest.
CREATE TABLE memories (
    id          uuid        NOT NULL DEFAULT gen_random_uuid(),
    user_id     text        NOT NULL COLLATE "C",
    content     text        NOT NULL,
    embedding   vector(${dimensions}) NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    metadata    jsonb       NOT NULL DEFAULT '{}',
    tenant_id   text        NOT NULL COLLATE "C" DEFAULT NULLIF(current_setting('app.tenant_id', true), ''),
    source      text        COLLATE "C",
    members     text[],
    spans       integer[],
    fingerprint text        COLLATE "C",
    lost        jsonb       NOT NULL DEFAULT '{}',
    bits        bit(${dimensions}) NOT NULL GENERATED ALWAYS AS (binary_quantize(embedding)::bit(${dimensions})) STORED,
    PRIMARY KEY (tenant_id, id)
) WITH (toast_tuple_target = ${tuple_target});

-- In a row over 2 kB vectors would go out of line, and every comparison would fetch them from there; so would metadata.
ALTER TABLE memories
    ALTER COLUMN embedding SET STORAGE ${storage},
    ALTER COLUMN embedding SET (n_distinct = -1),
    ALTER COLUMN bits SET STORAGE PLAIN,
    ALTER COLUMN metadata SET STORAGE MAIN,
    ALTER COLUMN lost SET STORAGE MAIN;

-- All that a search by bits reads of the user's rows, and the order in which they were said.
CREATE INDEX memories_by_user ON memories (tenant_id, user_id, created_at, id) INCLUDE (bits);

-- The words of each memory, see words.py. A part is what fits an index entry.
CREATE TABLE memory_words (
    tenant_id text     NOT NULL COLLATE "C",
    id        uuid     NOT NULL,
    part      smallint NOT NULL,
    user_id   text     NOT NULL COLLATE "C",
    words     sparsevec(${word_dimensions}) NOT NULL,
    PRIMARY KEY (tenant_id, id, part)
);
ALTER TABLE memory_words ALTER COLUMN words SET STORAGE PLAIN;
CREATE INDEX memory_words_by_user ON memory_words (tenant_id, user_id) INCLUDE (id, words);

-- Whoever deletes memories, in whatever way, deletes their words.
CREATE FUNCTION drop_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM memory_words w USING gone WHERE w.tenant_id = gone.tenant_id AND w.id = gone.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER drop_words AFTER DELETE ON memories
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION drop_words();

CREATE INDEX memories_by_source ON memories (tenant_id, source) WHERE source IS NOT NULL;

CREATE SEQUENCE ledger_revision;

-- One row an item, kept after the item is gone. `position` is the highest stream position known before the read that
-- the item's chunks reflect; `created_at` is when the item last came into being. `lease_until` keeps two workers from embedding the same thing; it saves money, while the
-- revision gives safety. No text.
CREATE TABLE ledger (
    tenant_id   text    NOT NULL COLLATE "C",
    source      text    NOT NULL COLLATE "C",
    revision    bigint  NOT NULL DEFAULT nextval('ledger_revision'),
    position    text    NOT NULL COLLATE "C",
    present     boolean NOT NULL,
    saved_at    timestamptz,
    created_at  timestamptz,
    expires_at  timestamptz,
    indexed_at  timestamptz,
    lease_until timestamptz,
    PRIMARY KEY (tenant_id, source)
);

-- Forget markers are permanent. The epoch counts them, a row a tenant: whoever writes memories holds it for share, and
-- whoever sets a marker moves it first, so that nothing in flight can slip past the marker.
CREATE TABLE forget_marker (
    tenant_id    text        NOT NULL COLLATE "C",
    scope        text        NOT NULL CHECK (scope IN ('user', 'session')),
    subject      text        NOT NULL COLLATE "C",
    forgotten_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, scope, subject)
);

CREATE TABLE tenant_epoch (
    tenant_id text   PRIMARY KEY COLLATE "C",
    epoch     bigint NOT NULL DEFAULT 0
);

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

GRANT SELECT ON index_space TO memory_ingest, memory_query, memory_operations;
GRANT SELECT, INSERT, UPDATE, DELETE ON memories TO memory_ingest;
GRANT SELECT, INSERT, UPDATE ON ledger TO memory_ingest;
GRANT SELECT, INSERT, UPDATE ON forget_marker, tenant_epoch TO memory_ingest;
GRANT USAGE ON SEQUENCE ledger_revision TO memory_ingest;
GRANT SELECT, INSERT, DELETE ON memory_words TO memory_ingest;
GRANT SELECT ON memories, memory_words TO memory_query;
GRANT SELECT, INSERT, UPDATE, DELETE ON memories TO memory_app;
GRANT SELECT, DELETE ON memory_words TO memory_app;
GRANT SELECT, DELETE ON memories, memory_words TO memory_operations;
GRANT SELECT ON ledger TO memory_operations;

-- Every table with a tenant_id goes through this. Whoever does not say which tenant sees none, the owner included; the
-- setting reads '' rather than NULL after a transaction that had it set. Operations see all tenants.
CREATE FUNCTION protect_tenants(protected regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', protected);
    EXECUTE format($policy$CREATE POLICY tenant ON %s
        USING (tenant_id = NULLIF(current_setting('app.tenant_id', true), ''))$policy$, protected);
    EXECUTE format('CREATE POLICY operations ON %s TO memory_operations USING (true)', protected);
END
$$;
REVOKE EXECUTE ON FUNCTION protect_tenants FROM PUBLIC;

SELECT protect_tenants('memories'), protect_tenants('memory_words'), protect_tenants('ledger'), protect_tenants('forget_marker'),
       protect_tenants('tenant_epoch');

-- The chat app's own SQL reads its tenant's memories and writes only rows of its own.
CREATE POLICY app_inserts ON memories AS RESTRICTIVE FOR INSERT TO memory_app WITH CHECK (source IS NULL);
CREATE POLICY app_updates ON memories AS RESTRICTIVE FOR UPDATE TO memory_app USING (source IS NULL);
CREATE POLICY app_deletes ON memories AS RESTRICTIVE FOR DELETE TO memory_app USING (source IS NULL);

-- See strategies.py.
${search_functions}
