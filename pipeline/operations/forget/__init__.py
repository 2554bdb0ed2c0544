"""``vector-memory forget``: forgets a user or a session, for good."""
