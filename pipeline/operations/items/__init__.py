"""The chat app's items as commands see them: their tables, what ingest would do with them, how the index differs."""
