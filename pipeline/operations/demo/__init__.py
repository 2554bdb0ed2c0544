"""``vector-memory demo``: the whole pipeline on this machine."""
