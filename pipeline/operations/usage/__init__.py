"""``vector-memory usage``: tokens and dollars of each tenant and day, and caps."""
