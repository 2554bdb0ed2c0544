"""``vector-memory search``: searches one user's memory."""
