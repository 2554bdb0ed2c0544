"""Turns notices into an index that matches the items."""
