"""``vector-memory audit``: compares the tables with the index, and has what differs looked at again."""
