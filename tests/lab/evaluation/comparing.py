"""Two runs of the evaluation, question by question, with a paired test. Pure."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

MEASURES = ("r1", "r5", "r10", "mrr", "any5", "session10", "ndcg5", "b1k", "text1k")
SHUFFLES = 2_000
SEED = 1

Rows = Sequence[Mapping[str, Any]]


def compared(one: Rows, other: Rows, system: str = "ours") -> str:
    """Return a Markdown table of both runs' means over the questions they share, with the chance of such a difference.

    The test is a permutation test on paired differences: if both runs were alike, each difference might as well have the
    other sign.
    """
    first, second = _by_question(one, system), _by_question(other, system)
    shared = sorted(first.keys() & second.keys())
    lines = ["| | one | other | difference | p |", "|---|---|---|---|---|"]
    for name in MEASURES:
        pairs = [(first[key][name], second[key][name]) for key in shared]
        lines.append(_line(name, pairs))
    return "\n".join([*lines, "", f"{len(shared)} questions in both"])


def _by_question(rows: Rows, system: str) -> dict[str, Mapping[str, float]]:
    return {
        f"{row['embedder']} {row['set']} {row['question']}": row["measures"]
        for row in rows
        if row["system"] == system and row["answerable"]
    }


def _line(name: str, pairs: Sequence[tuple[float, float]]) -> str:
    differences = [after - before for before, after in pairs]
    means = [sum(values) / max(1, len(pairs)) for values in (*zip(*pairs, strict=True), differences)] or [
        0.0
    ] * 3
    return f"| {name} | {means[0]:.4f} | {means[1]:.4f} | {means[2]:+.4f} | {chance(differences):.3f} |"


def chance(differences: Sequence[float]) -> float:
    """Return the share of random signs that give a mean as far from 0 as the signs there are."""
    told = [one for one in differences if one]
    wanted = abs(sum(told)) - 1e-12
    draw = random.Random(SEED)  # no secret
    as_far = sum(abs(sum(one * draw.choice((-1, 1)) for one in told)) >= wanted for _ in range(SHUFFLES))
    return (as_far + 1) / (SHUFFLES + 1)
