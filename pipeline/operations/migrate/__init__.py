"""``vector-memory migrate``: brings the database schema up to date."""
