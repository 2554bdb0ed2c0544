"""What the functions of a stack wrote, from CloudWatch Logs."""

from collections.abc import Iterator
from typing import Any

LATE_MILLISECONDS = 10_000
"""So much later than a younger line an older one may still turn up."""


class FunctionLogs:
    """Each reading asks for what is new only: tests ask many times a second, and a local AWS slows down by it.

    The groups' names begin alike, whether the template named them or an emulator that does not heed LoggingConfig.

    Args:
        client: of CloudWatch Logs.
        stack: name of the CloudFormation stack.
    """

    def __init__(self, client: Any, stack: str) -> None:
        self._client = client
        self._prefix = f"/aws/lambda/{stack}-"
        self._lines: dict[tuple[str, str], str] = {}
        self._latest: dict[str, int] = {}

    def read(self) -> str:
        """Return all lines so far; a line keeps its place from one reading to the next."""
        for group in self._groups():
            for event in self._new(group):
                self._latest[group] = max(self._latest.get(group, 0), event["timestamp"])
                self._lines.setdefault((group, event["eventId"]), event["message"].rstrip("\n"))
        return "\n".join(self._lines.values())

    def _groups(self) -> Iterator[str]:
        pages = self._client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=self._prefix)
        return (group["logGroupName"] for page in pages for group in page["logGroups"])

    def _new(self, group: str) -> Iterator[Any]:
        since = max(0, self._latest.get(group, 0) - LATE_MILLISECONDS)
        pages = self._client.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since)
        return (event for page in pages for event in page["events"])
