import io
import json
import math
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline import bootstrap
from pipeline.deadline import seconds_left
from pipeline.errors import (
    EmbeddingRejectedError,
    EmbeddingUnavailableError,
    SettingsError,
    StoreUnavailableError,
    VectorMemoryError,
)
from pipeline.handlers import ingest
from pipeline.ingest.notices import Notice, decode_notice
from pipeline.ingest.queue import NoticeQueue
from pipeline.ingest.work import Report
from pipeline.source.layouts import Layouts
from pipeline.source.transitions import Transition
from pipeline.stores.backend import Swept
from pipeline.stores.memory import InMemoryStore
from pipeline.stores.search_requests import SearchRequest

Build = Callable[..., Any]
CONTEXT: Any = SimpleNamespace(function_name="ingest", get_remaining_time_in_millis=lambda: 60_000)


def deletion(at: str) -> Transition:
    return Transition(at, 1.0, "deleted", "deleted", everything=True)


def batch(*bodies: Notice | str) -> dict[str, Any]:
    """Return an event as SQS gives it; messages are called m0, m1, …"""
    texts = [body if isinstance(body, str) else body.encode() for body in bodies]
    return {
        "Records": [
            {"messageId": f"m{number}", "body": text, "eventSource": "aws:sqs", "attributes": {}, "messageAttributes": {}}
            for number, text in enumerate(texts)
        ]
    }  # fmt: skip


def failed(answer: dict[str, Any]) -> list[str]:
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def texts(store: InMemoryStore, tenant_id: str = "acme") -> list[str]:
    return sorted(
        hit.content for hit in store.search(SearchRequest(tenant_id, tenant_id, [1.0] * 8, 100)).hits
    )


def test_the_items_that_messages_name_become_searchable(
    aws: Any, index: InMemoryStore, event: Build, session_item: Build
) -> None:
    aws.put(session_item(("user", "ships on Friday"), key="slack:42"))
    aws.put(session_item(("user", "2 Oak Street"), key="slack:43"))
    assert failed(ingest.handler(event("sqs-notices"), CONTEXT)) == []
    assert texts(index) == ["user: 2 Oak Street", "user: ships on Friday"]
    assert aws.requests == []


def test_a_sweep_that_was_asked_for_is_done_and_its_count_logged(
    monkeypatch: pytest.MonkeyPatch, logs: io.StringIO
) -> None:
    left: list[float] = []

    def sweep(seconds_left: Callable[[], float]) -> Swept:
        left.append(seconds_left())
        return Swept(3, finished=False)

    monkeypatch.setattr(bootstrap.container().backend, "sweep", sweep)
    assert ingest.handler({"sweep": True}, CONTEXT) == {"removed": 3, "finished": False}
    line = json.loads(logs.getvalue())
    assert (line["removed"], line["finished"], left) == (3, False, [60.0])


def test_a_sweep_that_fails_fails_the_invocation_so_that_lambda_keeps_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def sweep(_: Callable[[], float]) -> Swept:
        raise StoreUnavailableError("OpenSearch was not reached")

    monkeypatch.setattr(bootstrap.container().backend, "sweep", sweep)
    with pytest.raises(VectorMemoryError, match="OpenSearch was not reached"):
        ingest.handler({"sweep": True}, CONTEXT)


def test_one_line_a_batch_counts_and_names_nothing(
    aws: Any, index: InMemoryStore, event: Build, session_item: Build, logs: io.StringIO
) -> None:
    aws.put(session_item(("user", "ships on Friday"), key="slack:42"))
    ingest.handler(event("sqs-notices"), CONTEXT)
    [line] = [json.loads(text) for text in logs.getvalue().splitlines()]
    counted = {
        name: line[name] for name in ("messages", "items", "failed", "chunks_embedded", "embedding_requests")
    }
    assert counted == {"messages": 2, "items": 2, "failed": 0, "chunks_embedded": 1, "embedding_requests": 1}
    assert line["tokens_embedded"] == len("user: ships on Friday")
    assert texts(index)


def test_garbage_is_dead_lettered_with_its_cause_and_harms_nobody(
    aws: Any, index: InMemoryStore, notice_of: Build, session_item: Build
) -> None:
    aws.put(session_item(("user", "hello")))
    assert failed(ingest.handler(batch("garbage", notice_of("chat:1", "1")), CONTEXT)) == []
    [dead_letter] = aws.dead_lettered
    assert dead_letter["MessageBody"] == "garbage"
    assert dead_letter["MessageAttributes"]["cause"]["StringValue"] == "malformed_notice"
    assert aws.bodies(aws.dead_letter_queue_url) == ["garbage"]
    assert texts(index) == ["user: hello"]


def test_a_malformed_item_is_dead_lettered_under_its_notice(
    aws: Any, index: InMemoryStore, notice_of: Build, session_item: Build
) -> None:
    aws.put({**session_item(), "messages": {"S": "[broken"}})
    aws.put(session_item(("user", "good"), key="chat:2"))
    bad = notice_of("chat:1", "1", deletion("1"))  # its transitions are stored, whatever the item says
    assert failed(ingest.handler(batch(bad, notice_of("chat:2", "1")), CONTEXT)) == []
    [dead_letter] = aws.dead_lettered
    assert json.loads(dead_letter["MessageBody"]) == json.loads(bad.without_transitions().encode())
    assert dead_letter["MessageAttributes"]["cause"]["StringValue"] == "malformed_item"
    assert texts(index) == ["user: good"]


@pytest.mark.usefixtures("index")
def test_a_text_the_provider_refuses_is_dead_lettered(
    aws: Any, embedder: Any, notice_of: Build, session_item: Build
) -> None:
    aws.put(session_item(("user", "poison")))
    embedder.refuses, embedder.refused = "poison", EmbeddingRejectedError("refused (400)")
    assert failed(ingest.handler(batch(notice_of("chat:1", "1")), CONTEXT)) == []
    assert [
        dead_letter["MessageAttributes"]["cause"]["StringValue"] for dead_letter in aws.dead_lettered
    ] == ["embedding_rejected"]


@pytest.mark.usefixtures("index")
def test_while_a_dependency_is_down_a_delayed_copy_takes_the_messages_place(
    aws: Any, embedder: Any, notice_of: Build, session_item: Build
) -> None:
    aws.put(session_item(("user", "hello")))
    embedder.error = EmbeddingUnavailableError("throttled", retry_after_seconds=42.0)
    first_sent_at = time.time() - 60
    notice = notice_of("chat:1", "1", deletion("1"), saved_at=1.0, first_sent_at=first_sent_at, attempts=1)
    assert failed(ingest.handler(batch(notice), CONTEXT)) == []
    [copy] = aws.sent
    assert copy["DelaySeconds"] == 42
    assert json.loads(copy["MessageBody"]) == json.loads(notice.without_transitions().encode()) | {
        "attempts": 2
    }
    assert aws.bodies(aws.queue_url) == []  # not yet


@pytest.mark.usefixtures("index")
def test_a_notice_retried_for_a_week_is_dead_lettered(
    aws: Any, embedder: Any, notice_of: Build, session_item: Build
) -> None:
    aws.put(session_item(("user", "hello")))
    embedder.error = EmbeddingUnavailableError("down")
    old = notice_of("chat:1", "1", first_sent_at=time.time() - 8 * 86_400, attempts=500)
    assert failed(ingest.handler(batch(old), CONTEXT)) == []
    assert [
        dead_letter["MessageAttributes"]["cause"]["StringValue"] for dead_letter in aws.dead_lettered
    ] == ["expired_notice"]


def test_with_the_store_down_every_notice_is_retried(
    aws: Any, index: InMemoryStore, monkeypatch: pytest.MonkeyPatch, notice_of: Build
) -> None:
    def away(*_: Any) -> Any:
        raise StoreUnavailableError("Postgres was not reached")

    monkeypatch.setattr(index, "read", away)
    bodies = [notice_of(f"chat:{number}", "1") for number in range(3)]
    assert failed(ingest.handler(batch(*bodies), CONTEXT)) == []
    assert len(aws.sent) == 3
    assert all(1 <= copy["DelaySeconds"] <= 300 for copy in aws.sent)


@pytest.mark.usefixtures("index")
def test_a_table_that_cannot_be_read_puts_off_and_says_which(
    aws: Any, notice_of: Build, logs: io.StringIO
) -> None:
    aws.dynamodb.delete_table(TableName="sessions")
    assert failed(ingest.handler(batch(notice_of("chat:1", "1")), CONTEXT)) == []
    assert len(aws.sent) == 1
    assert "ResourceNotFoundException for table sessions" in logs.getvalue()


def test_a_secret_that_is_away_puts_everything_off(aws: Any, index: InMemoryStore, notice_of: Build) -> None:
    aws.secrets.delete_secret(SecretId=aws.message_key_arn, ForceDeleteWithoutRecovery=True)
    assert failed(ingest.handler(batch(notice_of("chat:1", "1")), CONTEXT)) == []
    assert len(aws.sent) == 1
    assert texts(index) == []


def test_the_unexpected_is_left_to_the_queue_and_harms_no_neighbour(
    aws: Any, index: InMemoryStore, monkeypatch: pytest.MonkeyPatch, notice_of: Build, session_item: Build
) -> None:  # fmt: skip
    aws.put(session_item(("user", "odd")))
    aws.put(session_item(("user", "good"), key="chat:2"))
    chunks = type(bootstrap.container().reconciler.chunker).chunks

    def buggy(self: Any, document: Any, *rest: Any) -> Any:
        if document.name == "chat:1":
            raise ZeroDivisionError
        return chunks(self, document, *rest)

    monkeypatch.setattr(type(bootstrap.container().reconciler.chunker), "chunks", buggy)
    answer = ingest.handler(
        batch(notice_of("chat:1", "1"), notice_of("chat:2", "1"), notice_of("chat:1", "2")), CONTEXT
    )
    assert failed(answer) == ["m0", "m2"]
    assert texts(index) == ["user: good"]
    assert aws.requests == []


def test_messages_about_one_item_are_reconciled_once(
    aws: Any, index: InMemoryStore, embedder: Any, notice_of: Build, session_item: Build
) -> None:
    aws.put(session_item(("user", "hello")))
    assert (
        failed(ingest.handler(batch(*[notice_of("chat:1", str(number)) for number in range(1, 9)]), CONTEXT))
        == []
    )
    assert embedder.usage.requests == 1
    assert texts(index) == ["user: hello"]


@pytest.mark.usefixtures("index")
def test_a_message_neither_dead_lettered_nor_retried_stays_in_the_queue(
    aws: Any, embedder: Any, monkeypatch: pytest.MonkeyPatch, notice_of: Build, session_item: Build
) -> None:
    aws.put(session_item(("user", "hello")))
    embedder.error = EmbeddingUnavailableError("down")
    gone = f"{aws.queue_url}-gone"
    container = bootstrap.container()
    monkeypatch.setattr(container, "notice_queue", NoticeQueue(container.sqs_client, gone, gone))
    answer = ingest.handler(batch("garbage", notice_of("chat:1", "1")), CONTEXT)
    assert failed(answer) == ["m0", "m1"]


@pytest.mark.usefixtures("aws")
def test_a_setting_that_is_missing_fails_the_batch_and_names_it(
    monkeypatch: pytest.MonkeyPatch, notice_of: Build
) -> None:
    monkeypatch.setenv("MAX_CHUNK_TOKENS", "many")
    bootstrap.read_from(None)
    with pytest.raises(VectorMemoryError, match="SettingsError: MAX_CHUNK_TOKENS") as caught:
        ingest.handler(batch(notice_of("chat:1", "1")), CONTEXT)
    assert not isinstance(caught.value, SettingsError)


def test_a_forgotten_item_stays_forgotten_when_old_notices_come_again(
    aws: Any, index: InMemoryStore, notice_of: Build, session_item: Build
) -> None:
    item = session_item(("user", "a secret"))
    aws.put(item)
    saved, deleted = notice_of("chat:1", "1"), notice_of("chat:1", "2", deletion("2"))
    ingest.handler(batch(saved), CONTEXT)
    aws.dynamodb.delete_item(
        TableName="sessions", Key={name: item[name] for name in ("tenant_id", "session_key")}
    )
    for body in (deleted, saved, deleted, saved):
        assert failed(ingest.handler(batch(body), CONTEXT)) == []
    assert texts(index) == []


def test_a_notice_that_nobody_accounts_for_stays_in_the_queue_and_is_counted(
    aws: Any, monkeypatch: pytest.MonkeyPatch, index: InMemoryStore, notice_of: Build, logs: io.StringIO
) -> None:
    """One is skipped, one applied, one retried, one dead-lettered; of the last nobody says anything."""
    notices = [notice_of(f"chat:{number}", "1") for number in range(5)]
    sources = [notice.address.key.source for notice in notices]
    told = Report(
        frozenset(sources),
        skipped={sources[0]},
        applied={sources[1]},
        failures={sources[2]: StoreUnavailableError("away"), sources[3]: EmbeddingRejectedError("refused")},
    )
    monkeypatch.setattr(type(bootstrap.container().reconciler), "run", lambda *_: told)
    assert failed(ingest.handler(batch(*notices), CONTEXT)) == ["m4"]
    assert (len(aws.sent), len(aws.dead_lettered)) == (1, 1)
    assert json.loads(logs.getvalue())["unaccounted"] == 1
    assert texts(index) == []


@pytest.mark.usefixtures("index")
def test_once_its_transitions_are_stored_a_notices_copy_carries_none(
    aws: Any, embedder: Any, notice_of: Build, session_item: Build, layouts: Layouts
) -> None:
    """A store that is away has stored nothing: there the copy says all again."""
    aws.put(session_item(("user", "hello")))
    embedder.error = EmbeddingUnavailableError("down")
    ingest.handler(batch(notice_of("chat:1", "1", deletion("1"))), CONTEXT)
    assert [decode_notice(copy["MessageBody"], layouts).transitions for copy in aws.sent] == [()]


@pytest.mark.usefixtures("aws", "index")
def test_a_batch_that_came_before_is_worked_item_by_item(
    monkeypatch: pytest.MonkeyPatch, notice_of: Build
) -> None:
    runs: list[int] = []

    def run(_: Any, notices: Any) -> Report:
        runs.append(len(notices))
        return Report(frozenset(notices), skipped=set(notices))

    monkeypatch.setattr(type(bootstrap.container().reconciler), "run", run)
    event = batch(notice_of("chat:1", "1"), notice_of("chat:2", "1"), notice_of("chat:1", "2"))
    assert failed(ingest.handler(event, CONTEXT)) == []
    event["Records"][1]["attributes"] = {"ApproximateReceiveCount": "2"}
    assert failed(ingest.handler(event, CONTEXT)) == []
    assert runs == [2, 1, 1]


def test_an_item_for_which_no_time_is_left_waits_and_is_not_read(
    aws: Any, index: InMemoryStore, notice_of: Build, session_item: Build
) -> None:
    aws.put(session_item(("user", "hello")))
    late: Any = SimpleNamespace(function_name="ingest", get_remaining_time_in_millis=lambda: 5_000)
    assert failed(ingest.handler(batch(notice_of("chat:1", "1", deletion("1"))), late)) == []
    [copy] = aws.sent
    assert json.loads(copy["MessageBody"])["transitions"]  # nothing of it is stored
    assert texts(index) == []


def test_embedding_ends_while_there_is_time_to_settle_every_notice(  # noqa: PLR0913, PLR0917  # fixtures
    monkeypatch: pytest.MonkeyPatch,
    aws: Any,
    index: InMemoryStore,
    embedder: Any,
    notice_of: Build,
    session_item: Build,
) -> None:
    left: list[float] = []
    embed = type(embedder).embed
    monkeypatch.setattr(
        type(embedder), "embed", lambda self, texts: left.append(seconds_left()) or embed(self, texts)
    )
    aws.put(session_item(("user", "hello")))
    assert failed(ingest.handler(batch(notice_of("chat:1", "1")), CONTEXT)) == []
    assert texts(index) == ["user: hello"]
    assert 0 < left[0] <= 60 - ingest.SETTLING_SECONDS
    assert seconds_left() == math.inf


class _OfAnotherMakeError(EmbeddingUnavailableError):
    """Cannot be copied, as errors that want more than a message cannot."""

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


@pytest.mark.usefixtures("index")
def test_an_error_that_cannot_be_copied_is_counted_and_retried_once(
    request: pytest.FixtureRequest, embedder: Any, notice_of: Build, session_item: Build
) -> None:
    aws, logs = map(request.getfixturevalue, ("aws", "logs"))
    aws.put(session_item(("user", "hello")))
    embedder.error = _OfAnotherMakeError("the embedding API answered 503", again=True)
    assert failed(ingest.handler(batch(notice_of("chat:1", "1")), CONTEXT)) == []
    assert len(aws.sent) == 1
    assert json.loads(logs.getvalue())["causes"] == {"embedding_unavailable": 1}


@pytest.mark.usefixtures("index")
def test_a_message_that_was_received_before_waits_in_the_queue_instead_of_being_copied(
    aws: Any, embedder: Any, notice_of: Build, session_item: Build
) -> None:
    aws.put(session_item(("user", "hello")))
    embedder.error = EmbeddingUnavailableError("down")
    event = batch(notice_of("chat:1", "1"))
    aws.sqs.send_message(QueueUrl=aws.queue_url, MessageBody=event["Records"][0]["body"])
    [message] = aws.sqs.receive_message(QueueUrl=aws.queue_url, VisibilityTimeout=0)["Messages"]
    event["Records"][0] |= {
        "receiptHandle": message["ReceiptHandle"],
        "attributes": {"ApproximateReceiveCount": "2"},
    }
    assert failed(ingest.handler(event, CONTEXT)) == ["m0"]
    assert aws.sent == []
    [hidden] = [request["VisibilityTimeout"] for request in aws.requests if "VisibilityTimeout" in request]
    assert 3 <= hidden <= 4
    assert aws.bodies(aws.queue_url) == []  # it is hidden there


@pytest.mark.usefixtures("index")
def test_one_copy_stands_for_all_messages_of_an_item_if_one_of_them_came_for_the_first_time(
    aws: Any, embedder: Any, notice_of: Build, session_item: Build
) -> None:
    aws.put(session_item(("user", "hello")))
    embedder.error = EmbeddingUnavailableError("down")
    event = batch(notice_of("chat:1", "1"), notice_of("chat:1", "2"))
    event["Records"][0]["attributes"] = {"ApproximateReceiveCount": "4"}
    assert failed(ingest.handler(event, CONTEXT)) == []
    assert len(aws.sent) == 1
