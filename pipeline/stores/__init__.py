"""Where chunks and vectors live: one small port, one folder a backend."""
