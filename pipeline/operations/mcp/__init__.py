"""``vector-memory mcp``: serves one user's memory to an agent."""
