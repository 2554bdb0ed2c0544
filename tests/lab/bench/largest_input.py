"""One function, once, with the largest input that AWS can hand it: prints its peak memory, in MB, as JSON.

A program of its own, so that nothing of the bench counts as the function's::

    python largest_input.py stream|ingest|query|digest FOLDER

FOLDER holds ``event.json``, and the tables' items as ``items.jsonl``. What is not there (DynamoDB, the queue, secrets) answers
from those files; database and embedding server are real, and named by the environment as in Lambda.
"""

import importlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline import bootstrap, container
from pipeline.aws import Account
from pipeline.digest.days import Notes
from pipeline.ingest.queue import Refused
from pipeline.settings import Settings
from pipeline.source.documents import ItemKey


def peak_megabytes() -> float:
    """Return the highest resident set of this process (proc(5), VmHWM); what started it does not count."""
    [line] = [one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


class Table:
    """The chat app's tables, read from the file each time, as DynamoDB sends an item each time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, key: ItemKey) -> dict[str, Any] | None:
        """Return an item."""
        wanted = key.to_dynamodb()
        return next((one for one in self._items() if wanted.items() <= one.items()), None)

    def _items(self) -> Iterator[dict[str, Any]]:
        with self._path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


class NoteTables(Table):
    """The same for the digest: all of them are one user's notes."""

    def users(self, table: str) -> Iterator[Notes]:
        """Yield the one user's."""
        yield Notes(table, {one["session_key"]["S"]: one for one in self._items()})

    def get(self, _table: str, key: dict[str, Any]) -> dict[str, Any] | None:  # type: ignore[override]  # another port
        """Return an item."""
        return next((one for one in self._items() if key.items() <= one.items()), None)

    def put(self, _table: str, _item: dict[str, Any]) -> bool:
        """Take a summary."""
        return True

    def key_of(self, _table: str, item: dict[str, Any]) -> dict[str, Any]:
        """Return its key."""
        return {name: item[name] for name in ("tenant_id", "session_key")}


class SecretsFromNowhere(Account):
    """Gives one secret to whoever asks."""

    def read_secret(self, _arn: str) -> str:
        """Return it."""
        return "sk-none-of-anybody"


def main(name: str, folder: Path) -> dict[str, float]:
    """Import, answer, measure."""
    handler = importlib.import_module(f"pipeline.handlers.{name}")
    handler.logger.setLevel("INFO")
    replaced: Any = container
    replaced.SourceTable = lambda _client: Table(folder / "items.jsonl")
    replaced.NoteTables = lambda _client: NoteTables(folder / "items.jsonl")
    account: Any = SecretsFromNowhere()
    parts: Any = container.Container(Settings.from_environment(os.environ), account)
    if name == "stream":
        parts.notice_queue = SimpleNamespace(send=lambda _notices: Refused(()))
    bootstrap.container = lambda: parts
    imported = peak_megabytes()
    event = json.loads((folder / "event.json").read_text("utf-8"))
    given = peak_megabytes()
    context = SimpleNamespace(
        function_name=name,
        memory_limit_in_mb=1,
        invoked_function_arn="a",
        aws_request_id="1",
        get_remaining_time_in_millis=lambda: 900_000,
    )
    answer = handler.handler(event, context)
    if answer.get("batchItemFailures") or answer.get("statusCode", 200) != 200 or answer.get("failed"):
        raise RuntimeError("the function did not do it all")
    size = {"written": float(answer.get("written", 0)), "answer_kb": len(answer.get("body", "")) / 1024}
    return {"imported": imported, "given": given, "peak": peak_megabytes(), **size}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))
