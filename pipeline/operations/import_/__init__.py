"""``vector-memory import``: brings exported memory into another deployment."""
