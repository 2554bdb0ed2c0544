"""Experiments on the pipeline: faults with an oracle. Never part of a Lambda bundle."""
