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
