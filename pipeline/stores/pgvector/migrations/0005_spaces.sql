-- Which spaces there are, each with a schema of its own for what only it has: memories, their words, and the functions
-- that search them. One space is current, and answers; another may be beside it, being filled or kept to go back to.
-- Ledger, markers and books belong to all. A schema's name is never used again.
ALTER TABLE index_space DROP COLUMN only_row;
ALTER TABLE index_space
    ADD COLUMN schema text NOT NULL DEFAULT current_schema() PRIMARY KEY,
    ADD COLUMN number integer NOT NULL DEFAULT 1 UNIQUE,
    ADD COLUMN state text NOT NULL DEFAULT 'current' CHECK (state IN ('current', 'beside')),
    ADD COLUMN since timestamptz NOT NULL DEFAULT clock_timestamp(),
    ADD CONSTRAINT one_current_one_beside UNIQUE (state) DEFERRABLE,
    ADD CONSTRAINT no_space_twice UNIQUE (model, dimensions);
CREATE SEQUENCE space_number START 2;

-- A row of one space and the row of the same id in the other say the same, or the other row goes. Whoever deletes or
-- changes a memory, in whatever way, does so in both. What is missing is embedded and put back by ingest. The argument is
-- the other schema.
CREATE FUNCTION also_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone) THEN
        EXECUTE format('DELETE FROM %I.memories b USING gone g WHERE b.tenant_id = g.tenant_id AND b.id = g.id', TG_ARGV[0]);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION also_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM written) THEN
        EXECUTE format($also$
            DELETE FROM %I.memories b USING written w WHERE b.tenant_id = w.tenant_id AND b.id = w.id
            AND (b.user_id, b.content, b.source, b.members, b.spans)
                IS DISTINCT FROM (w.user_id, w.content, w.source, w.members, w.spans)
        $also$, TG_ARGV[0]);
        EXECUTE format($also$
            UPDATE %I.memories b SET lost = w.lost, created_at = w.created_at, metadata = w.metadata
            FROM written w WHERE b.tenant_id = w.tenant_id AND b.id = w.id
            AND (b.lost, b.created_at, b.metadata) IS DISTINCT FROM (w.lost, w.created_at, w.metadata)
        $also$, TG_ARGV[0]);
    END IF;
    RETURN NULL;
END
$$;

-- What a trigger of one schema does to its words must not depend on where the session looks first.
ALTER FUNCTION drop_words SET search_path FROM CURRENT;
