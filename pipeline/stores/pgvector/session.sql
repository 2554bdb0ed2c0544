-- What every transaction begins with; made anew by each run of `vector-memory migrate`, after the migrations. In functions,
-- because RDS Proxy keeps a connection for the one client that sets something, or takes a number of a sequence, in plain SQL.

-- Says whose tenant it is for, and for how long it may run and wait for a lock (milliseconds; 0 is no limit). The search
-- path gets whatever it lacks of the schemas of the tables and of pgvector's types.
CREATE OR REPLACE FUNCTION memory_begin(p_tenant_id text, p_statement_ms integer DEFAULT 20000, p_lock_ms integer DEFAULT 2000)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.tenant_id', COALESCE(p_tenant_id, ''), true),
            set_config('statement_timeout', p_statement_ms::text, true),
            set_config('lock_timeout', p_lock_ms::text, true);
    IF NOT current_schemas(false) @> ${schemas}::name[] THEN
        PERFORM set_config('search_path', concat_ws(', ', NULLIF(current_setting('search_path'), ''), ${path}), true);
    END IF;
END
$$;

-- The same for several tenants at once, and for none but those: only ingest's role has a policy that lets it (see
-- protect_tenants). An array's text is its own quoting, so no name can pass for two.
CREATE OR REPLACE FUNCTION memory_begin_for(p_tenant_ids text[], p_statement_ms integer, p_lock_ms integer)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM memory_begin('', p_statement_ms, p_lock_ms), set_config('app.tenant_ids', p_tenant_ids::text, true);
END
$$;

-- Looks into other schemas until the transaction ends.
CREATE OR REPLACE FUNCTION memory_look_in(p_path text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('search_path', p_path, true);
END
$$;

-- Counts use in the transaction of a question, at its end, and tells whether it came to that: an answer must not wait, or
-- fail, for the row that says what it cost.
CREATE OR REPLACE FUNCTION memory_count_use_along(p_tenant_id text, p_day date, p_model text, p_tokens bigint, p_price numeric)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('lock_timeout', '50', true);
    PERFORM memory_count_use(p_tenant_id, p_day, p_model, p_tokens, p_price);
    RETURN true;
EXCEPTION WHEN OTHERS THEN
    RETURN false;
END
$$;

CREATE OR REPLACE FUNCTION memory_next_revision() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RETURN nextval('ledger_revision');
END
$$;
