"""Both spaces through bootstrap, the ingest function and the command line, as they are deployed."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.two_spaces import NEXT, Queue, Two
from support.wiring import wire
from support.words import SPACE, WordEmbedder

from pipeline import bootstrap, cli
from pipeline.container import Container
from pipeline.embedding.providers import space_of
from pipeline.handlers import ingest
from pipeline.ingest.notices import Notice
from pipeline.stores.pgvector.cutover import drop_standby, make_standby, switch
from pipeline.stores.search_requests import SearchRequest

pytestmark = pytest.mark.integration
CONTEXT: Any = SimpleNamespace(function_name="ingest", get_remaining_time_in_millis=lambda: 60_000)


@pytest.fixture
def there(database: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Two]:
    two = Two(database)
    bootstrap.read_from(None)
    settings = {
        "DATABASE_URL": two.ingest,
        "EMBEDDING_MODEL": SPACE.model,
        "EMBEDDING_DIMENSIONS": "16",
        "NEXT_EMBEDDING_MODEL": NEXT.model,
        "NEXT_EMBEDDING_DIMENSIONS": "16",
        "EMBEDDING_DOLLARS_PER_MILLION_TOKENS": "1",
        "NEXT_EMBEDDING_DOLLARS_PER_MILLION_TOKENS": "1000",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Container, "embedder_of", lambda _, chosen: two.embedders[space_of(chosen)])
    wire(monkeypatch, addresses=two.layouts, layouts=two.layouts, source_table=two.table)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    yield two
    backend: Any = bootstrap.container().backend
    backend.connector.close()
    bootstrap.read_from(None)


def ingested(notices: dict[str, Notice]) -> None:
    """Give the notices to the ingest function as SQS does."""
    records = [
        {
            "messageId": source,
            "body": notice.encode(),
            "eventSource": "aws:sqs",
            "attributes": {},
            "messageAttributes": {},
        }
        for source, notice in notices.items()
    ]
    assert ingest.handler({"Records": records}, CONTEXT) == {"batchItemFailures": []}


def count(two: Two, space: Any) -> int:
    vector = WordEmbedder().embed(["anything"])[0]
    return len(two.store(space).search(SearchRequest("acme", "acme", vector, 50)).hits)


def test_a_warm_ingest_function_follows_what_the_operator_does(there: Two) -> None:
    ingested(there.notice(there.table.save("chat:1", "before")))
    make_standby(there.owner, NEXT)
    ingested(there.notice(there.table.save("chat:2", "standby")))
    assert (count(there, SPACE), count(there, NEXT)) == (2, 1)
    switch(there.owner, newer=True)
    ingested(there.notice(there.table.save("chat:3", "after")))
    assert bootstrap.container().embedding.model == NEXT.model
    assert (count(there, SPACE), count(there, NEXT)) == (3, 2)
    ingested(there.notice(there.table.save("chat:1", "before"), look=True))
    assert (count(there, SPACE), count(there, NEXT)) == (3, 3)
    drop_standby(there.owner, settle_seconds=0)
    ingested(there.notice(there.table.save("chat:4", "alone")))
    assert (count(there, NEXT), list(bootstrap.container().fillers)) == (4, [])


def test_both_spaces_are_paid_for_at_their_own_price(there: Two, capsys: pytest.CaptureFixture[str]) -> None:
    make_standby(there.owner, NEXT)
    ingested(there.notice(there.table.save("chat:1", "three words here")))
    tokens = there.embedders[SPACE].usage.tokens
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    [measured] = [line for line in lines if "Dollars" in line]
    assert measured["TokensEmbedded"] in (2 * tokens, [2 * tokens])
    assert measured["Dollars"] in (pytest.approx(tokens * 1001 / 1e6), pytest.approx([tokens * 1001 / 1e6]))


def test_a_function_that_knows_one_space_only_still_forgets_in_both(
    there: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = there.save("chat:1", "one", "two")
    make_standby(there.owner, NEXT)
    there.work(there.notice(key, look=True))
    monkeypatch.delenv("NEXT_EMBEDDING_MODEL")
    bootstrap.read_from(None)
    ingested(there.notice(there.table.save("chat:1", "one"), there.everything_gone()))
    assert (count(there, SPACE), count(there, NEXT)) == (1, 1)


def test_the_command_line_takes_every_step(
    there: Two, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    there.save("chat:1", "one", "two")
    monkeypatch.setenv("DATABASE_URL", there.owner)
    wire(monkeypatch, notice_queue=Queue(there.work))

    def run(*arguments: str) -> Any:
        bootstrap.read_from(None)
        assert cli.main(["reembed", *arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    assert run("status")["standby"] is None
    assert run("start")["items"] == 1
    assert run("fill")["items"] == 0
    assert run("status")["behind"] == 0
    assert run("compare", "--queries", "2")["mean"] == 1.0
    asked = tmp_path / "questions.jsonl"
    asked.write_text('{"tenant_id": "acme", "query": "one?"}\n{"tenant_id": "nobody", "query": "?"}', "utf-8")
    own = run("compare", "--questions", str(asked))
    assert (own["overlaps"], own["mean"]) == ([1.0], 1.0)
    assert run("switch") == {"active": "next-words/16", "changed": True}
    assert run("switch")["changed"] is False
    assert run("rollback") == {"active": "test-words/16", "changed": True}
    bootstrap.read_from(None)
    assert cli.main(["reembed", "drop", "--yes"]) == 2
    assert "no sooner than 60 s" in capsys.readouterr().err


def test_without_a_next_space_there_is_nothing_to_start(
    there: Two, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", there.owner)
    monkeypatch.delenv("NEXT_EMBEDDING_MODEL")
    for action, reason in (
        ("start", "set NEXT_EMBEDDING_MODEL"),
        ("fill", "one space only"),
        ("switch", "one space only"),
    ):
        bootstrap.read_from(None)
        assert cli.main(["reembed", action]) == 2
        assert reason in capsys.readouterr().err
