"""A deployed stack seen from outside: its settings, its tables, and what AWS refuses."""
