"""``vector-memory backfill``: makes memory of what was saved before."""
