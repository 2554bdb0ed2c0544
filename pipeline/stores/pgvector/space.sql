-- What a space has of its own, as migrations make it for the first one; a test compares the two. Runs with the new schema
-- first in the search path.
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
ALTER TABLE memories
    ALTER COLUMN embedding SET STORAGE ${storage},
    ALTER COLUMN embedding SET (n_distinct = -1),
    ALTER COLUMN bits SET STORAGE PLAIN,
    ALTER COLUMN metadata SET STORAGE MAIN,
    ALTER COLUMN lost SET STORAGE MAIN;
CREATE INDEX memories_by_user ON memories (tenant_id, user_id, created_at, id) INCLUDE (bits);
CREATE INDEX memories_in_order ON memories (tenant_id, source, created_at) WHERE source IS NOT NULL;

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

CREATE FUNCTION drop_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM memory_words w USING gone WHERE w.tenant_id = gone.tenant_id AND w.id = gone.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER drop_words AFTER DELETE ON memories
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION drop_words();

GRANT SELECT, INSERT, UPDATE, DELETE ON memories TO memory_ingest;
GRANT SELECT, INSERT, DELETE ON memory_words TO memory_ingest;
GRANT SELECT ON memories, memory_words TO memory_query;
GRANT SELECT, INSERT, UPDATE, DELETE ON memories TO memory_app;
GRANT SELECT, DELETE ON memory_words TO memory_app;
GRANT SELECT, DELETE ON memories, memory_words TO memory_operations;

SELECT protect_tenants('memories'), protect_tenants('memory_words');
CREATE POLICY app_inserts ON memories AS RESTRICTIVE FOR INSERT TO memory_app WITH CHECK (source IS NULL);
CREATE POLICY app_updates ON memories AS RESTRICTIVE FOR UPDATE TO memory_app USING (source IS NULL);
CREATE POLICY app_deletes ON memories AS RESTRICTIVE FOR DELETE TO memory_app USING (source IS NULL);

${search_functions}

ALTER FUNCTION drop_words SET search_path FROM CURRENT;
ALTER FUNCTION memory_strategy SET search_path FROM CURRENT;
ALTER FUNCTION memory_search(${search_types}) SET search_path FROM CURRENT;
