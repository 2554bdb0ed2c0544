-- What a space has of its own. Runs with the space's schema first in the search path: the first space is part of the first
-- migration, later ones are made as standby. A migration that changes it changes every space there is.

-- The first six columns are the chat app's own table; its SQL runs on them unchanged. `source` is NULL for rows that
-- it inserts itself, and such rows are never touched by ingest. A row whose user_id is '' is nobody's: it is withheld.
-- `tokens` is the size of what is said, estimated when it was written, so that ranking reads no text; NULL: not counted.
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
    line_lengths       integer[],
    tokens      integer     CHECK (tokens > 0),
    fingerprint text        COLLATE "C",
    status      text        NOT NULL COLLATE "C" DEFAULT 'live' CHECK (status IN ('live', 'mixed', 'kept')),
    bits        bit(${dimensions}) NOT NULL GENERATED ALWAYS AS (binary_quantize(embedding)::bit(${dimensions})) STORED,
    PRIMARY KEY (tenant_id, id)
) WITH (toast_tuple_target = ${tuple_target});

-- A row holds its vector in line and so is always over 2 kB, from where on Postgres puts whatever text it can out of
-- line: every comparison would fetch vectors from there, and content, source and members would be looked up in turn. A
-- page has room for all of it beside the vector, and for nothing else.
ALTER TABLE memories
    ALTER COLUMN embedding SET STORAGE ${storage},
    ALTER COLUMN embedding SET (n_distinct = -1),
    ALTER COLUMN bits SET STORAGE PLAIN,
    ALTER COLUMN metadata SET STORAGE MAIN;

-- All that a search by bits reads of the user's rows, and the order in which they were said.
CREATE INDEX memories_by_user ON memories (tenant_id, user_id, created_at, id) INCLUDE (bits);
-- An item's chunks in the order in which it tells them, so that a search finds what stands beside a hit.
CREATE INDEX memories_in_order ON memories (tenant_id, source, created_at) WHERE source IS NOT NULL;
-- What planning needs of an item whatever is named, and whether something of it waits to be embedded.
CREATE INDEX memories_open ON memories (tenant_id, source) WHERE status <> 'kept' OR user_id = '';
CREATE INDEX memories_waiting ON memories (tenant_id, source) WHERE fingerprint = '';

-- The words of each memory, see sparse_terms.py. A part is what fits an index entry.
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

-- Whoever deletes memories, in whatever way, deletes their words; whoever moves them moves their words. Rows of the chat
-- app's own have none. What a trigger does to its schema's words must not depend on where the session looks first.
CREATE FUNCTION drop_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM memory_words w USING gone WHERE w.tenant_id = gone.tenant_id AND w.id = gone.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER drop_words AFTER DELETE ON memories
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION drop_words();

CREATE FUNCTION move_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM written n JOIN before o USING (tenant_id, id) WHERE n.source IS NOT NULL AND n.user_id <> o.user_id) THEN
        UPDATE memory_words w SET user_id = n.user_id FROM written n
        WHERE w.tenant_id = n.tenant_id AND w.id = n.id AND w.user_id <> n.user_id;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER move_words AFTER UPDATE ON memories
    REFERENCING OLD TABLE AS before NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION move_words();

ALTER FUNCTION drop_words SET search_path FROM CURRENT;
ALTER FUNCTION move_words SET search_path FROM CURRENT;


SELECT protect_tenants('memories'), protect_tenants('memory_words');

-- The chat app's own SQL reads its tenant's memories, without those that are withheld, and writes only rows of its own.
CREATE POLICY app_reads ON memories AS RESTRICTIVE FOR SELECT TO memory_app USING (user_id <> '');
CREATE POLICY app_reads ON memory_words AS RESTRICTIVE FOR SELECT TO memory_app USING (user_id <> '');
CREATE POLICY app_inserts ON memories AS RESTRICTIVE FOR INSERT TO memory_app WITH CHECK (source IS NULL);
CREATE POLICY app_updates ON memories AS RESTRICTIVE FOR UPDATE TO memory_app USING (source IS NULL);
CREATE POLICY app_deletes ON memories AS RESTRICTIVE FOR DELETE TO memory_app USING (source IS NULL);

-- See strategies.py.
${search_functions}
