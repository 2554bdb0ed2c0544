"""Benchmarks: ratios taken in one run, each beside its target."""
