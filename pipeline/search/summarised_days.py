"""A day that has a summary needs none of its raw lines. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

Found = TypeVar("Found")


def prefer_summaries(found: Sequence[Found], metadata: Callable[[Found], Mapping[str, Any]]) -> list[Found]:
    """Return ``found`` without lines of daily logs whose day has a summary among them; order kept.

    All of them must be one user's. ``metadata`` gives what a chunk says of itself: ``kind`` and ``date``.
    """
    said = [metadata(one) for one in found]
    days = {one.get("date") for one in said if one.get("kind") == "summary"} - {None}
    return [
        one
        for one, its in zip(found, said, strict=True)
        if its.get("kind") != "daily" or its.get("date") not in days
    ]
