"""``vector-memory dlq``: lists dead letters, sends them again, drops them, and replays failed stream batches."""
