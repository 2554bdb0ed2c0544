"""Postgres with pgvector, the default store."""
