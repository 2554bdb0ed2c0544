-- An item's chunks in the order in which it tells them, so that a search finds what stands beside a hit.
CREATE INDEX memories_in_order ON memories (tenant_id, source, created_at) WHERE source IS NOT NULL;
DROP INDEX memories_by_source;
