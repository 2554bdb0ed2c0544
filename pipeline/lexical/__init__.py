"""Words: one tokenizer for documents and queries, shared by every store. Pure."""
