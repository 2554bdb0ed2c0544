"""``vector-memory reembed``: goes over to another model or dimension, and back."""
