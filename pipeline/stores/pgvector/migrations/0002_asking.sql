-- What answers say about themselves: how fresh they are, and what became of a request to forget.

-- Where the item lives (table, then name and value of both key attributes), so that it can be looked at again; and its
-- own name (hashed if long) and whose it is, so that freshness can be asked by both.
ALTER TABLE ledger
    ADD COLUMN item_key   jsonb,
    ADD COLUMN name       text COLLATE "C",
    ADD COLUMN user_id    text COLLATE "C",
    ADD COLUMN updated_at timestamptz;

CREATE INDEX ledger_by_user ON ledger (tenant_id, user_id, name);

ALTER TABLE forget_marker DROP CONSTRAINT forget_marker_scope_check;
ALTER TABLE forget_marker ADD CHECK (scope IN ('user', 'session', 'user_session'));

-- One row a request that was carried out. `again` are the keys of items that lost chunks and had been indexed
-- after the asking.
CREATE TABLE forget_request (
    tenant_id   text        NOT NULL COLLATE "C",
    id          text        NOT NULL COLLATE "C",
    user_id     text        COLLATE "C",
    session_key text        COLLATE "C",
    asked_at    timestamptz NOT NULL,
    done_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    deleted     integer     NOT NULL,
    again       jsonb       NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

GRANT SELECT, INSERT ON forget_request TO memory_ingest;
GRANT SELECT ON forget_request TO memory_query;
GRANT SELECT (tenant_id, user_id, name, present, updated_at, saved_at) ON ledger TO memory_query;
SELECT protect_tenants('forget_request');
