"""``vector-memory export``: writes down what memory holds of a tenant or a user."""
