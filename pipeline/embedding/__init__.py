"""Text in, vectors out: one provider a file."""
