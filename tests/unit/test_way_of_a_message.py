"""The JSON that docs/architecture.md shows at each step is what the code makes of that save."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.handlers import query
from pipeline.ingest.announce import Announcer
from pipeline.ingest.reconcile import Reconciler
from pipeline.source.stream_records import read_stream_record
from pipeline.source.transitions import TransitionReader
from pipeline.stores.memory import InMemoryStore

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"
STREAM = "arn:aws:dynamodb:us-east-1:123456789012:table/sessions/stream/2026-11-20T09:00:00.000"
SAID = datetime(2026, 11, 27, 9, 0, 0, tzinfo=UTC)
ASKED, ANSWERED = (
    {"role": "user", "content": "When does the arm ship?", "timestamp": "2026-11-27T09:00:00Z"},
    {
        "role": "assistant",
        "content": "The arm ships on 12 December. The gripper follows by sea, some time in January.",
        "timestamp": "2026-11-27T09:00:04Z",
    },
)


def shown() -> dict[str, Any]:
    """Return the page's JSON blocks: heading of the step → JSON."""
    section = PAGE.read_text("utf-8").partition("## The way of one message\n")[2].partition("\n## ")[0]
    steps = re.split(r"^### ", section, flags=re.MULTILINE)[1:]
    return {
        step.partition("\n")[0]: json.loads(block)
        for step in steps
        for block in re.findall(r"```json\n(.*?)```", step, re.DOTALL)
    }


@pytest.fixture
def made(  # noqa: PLR0913, PLR0917  # the parts that a save goes through
    layouts: Any,
    chunker: Any,
    session_item: Callable[..., Any],
    table: Any,
    index: InMemoryStore,
    embedder: Any,
) -> dict[str, Any]:
    """Save one exchange after another of the same session, and return what each step makes of the second save."""
    before, after = (
        session_item(*messages, user_id="mika", key="chat:arm", updated_at=messages[-1]["timestamp"])
        for messages in ([ASKED], [ASKED, ANSWERED])
    )
    announcer = Announcer(layouts, TransitionReader("keep", "keep", frozenset({"system", "tool"})))
    reconciler = Reconciler(layouts, table, chunker, embedder, index, lambda _: None, now=lambda: SAID)
    steps: dict[str, Any] = {}
    for number, (old, new) in enumerate([(None, before), (before, after)], start=1):
        table.put(new)
        record = stream_record(number, old, new)
        notice = announcer.notice(read_stream_record(record), SAID.timestamp() + 5.2)
        assert notice
        source = notice.address.key.source
        assert not reconciler.run({source: notice}).failures
        steps |= {
            "1. The save": new,
            "2. The stream record": record,
            "3. The notice": json.loads(notice.encode()),
        }
    [asked, _] = sorted(
        index.read("acme", {source: frozenset()})[source].messages, key=lambda row: str(row.said_at)
    )
    [chunk] = index.detail("acme", {source: None})[source].chunks
    steps["5. The ledger"] = asdict(asked)
    steps["6. The chunk"] = asdict(index.texts("acme", source, [chunk.id])[chunk.id]) | {"id": chunk.id}
    return json.loads(json.dumps(steps, default=str)) | {"7. The answer": answer()}


def stream_record(number: int, old: Any, new: Any) -> dict[str, Any]:
    images = {"NewImage": new} if old is None else {"OldImage": old, "NewImage": new}
    keys = {name: new[name] for name in ("tenant_id", "session_key")}
    details = {
        "ApproximateCreationDateTime": SAID.timestamp() + 4,
        "SequenceNumber": f"442158450000000001745043909{number}",
    }
    return {
        "eventID": f"{number}",
        "eventName": "INSERT" if old is None else "MODIFY",
        "eventSourceARN": STREAM,
        "dynamodb": {"Keys": keys, **images, **details, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    }


def answer() -> Any:
    event = {
        "method": "POST",
        "path": "/api/v1/memory/search",
        "tenant_id": "acme",
        "user_id": "mika",
        "body": {"query": "When does the arm ship?", "top_k": 1},
    }
    context: Any = SimpleNamespace(function_name="query")
    return json.loads(query.handler(event, context)["body"])


def agrees(shown: Any, made: Any) -> bool:
    """Tell whether ``made`` has every field of ``shown``; figures to two places."""
    if isinstance(shown, dict):
        return isinstance(made, dict) and all(
            name in made and agrees(value, made[name]) for name, value in shown.items()
        )
    if isinstance(shown, list):
        return len(shown) == len(made) and all(map(agrees, shown, made))
    return bool(shown == made or (isinstance(shown, float) and shown == pytest.approx(made, abs=0.01)))


def test_each_json_of_the_page_is_what_that_step_makes(made: dict[str, Any]) -> None:
    blocks = shown()
    assert list(blocks) == list(made)
    for step, block in blocks.items():
        assert agrees(block, made[step]), (step, made[step])


def test_a_field_that_the_code_names_otherwise_is_noticed(made: dict[str, Any]) -> None:
    notice = made["3. The notice"]
    assert agrees({"v": 2}, notice)
    assert not agrees({"version": 2}, notice)
    assert not agrees({"v": 3}, notice)
