"""``vector-memory status``: how the deployment is, and what to do next."""
