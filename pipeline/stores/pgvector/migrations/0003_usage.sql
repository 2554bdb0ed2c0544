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

DO $$
DECLARE
    name text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'memory_operations') THEN
        CREATE ROLE memory_operations NOLOGIN NOBYPASSRLS;
    END IF;
    FOREACH name IN ARRAY ARRAY['usage', 'usage_cap'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format($policy$CREATE POLICY tenant ON %I
            USING (tenant_id = NULLIF(current_setting('app.tenant_id', true), ''))$policy$, name);
        EXECUTE format('CREATE POLICY operations ON %I TO memory_operations USING (true)', name);
    END LOOP;
END
$$;

GRANT SELECT, INSERT, UPDATE ON usage TO memory_ingest, memory_query;
GRANT SELECT ON usage_cap TO memory_ingest, memory_query;
GRANT SELECT ON usage TO memory_operations;
GRANT SELECT, INSERT, UPDATE, DELETE ON usage_cap TO memory_operations;
