"""``vector-memory certificate``: looks for remains of what was forgotten, and signs that there are none."""
