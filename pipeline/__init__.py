"""Semantic memory for chat agents on AWS."""
