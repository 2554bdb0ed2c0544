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

SELECT protect_tenants('usage'), protect_tenants('usage_cap');

GRANT SELECT, INSERT, UPDATE ON usage TO memory_ingest, memory_query;
GRANT SELECT ON usage_cap TO memory_ingest, memory_query;
GRANT SELECT ON usage TO memory_operations;
GRANT SELECT, INSERT, UPDATE, DELETE ON usage_cap TO memory_operations;
