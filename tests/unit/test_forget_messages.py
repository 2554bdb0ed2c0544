"""Forget requests: from the query function through the queue to ingest, and what became of them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline import bootstrap
from pipeline.errors import MalformedNoticeError, StoreUnavailableError
from pipeline.handlers import ingest, query
from pipeline.ingest.forget_messages import (
    ForgetMessage,
    decode_forget_message,
    may_wait,
    new_forget_message,
    new_id,
)
from pipeline.source.stream_records import StreamChange
from pipeline.source.transitions import Transition
from pipeline.stores.forget_requests import ForgetRequest
from pipeline.stores.memory import InMemoryStore

Build = Callable[..., Any]
CONTEXT: Any = SimpleNamespace(function_name="f", get_remaining_time_in_millis=lambda: 60_000)
T = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
MESSAGE = new_forget_message("4f", T, "acme", "mika", "chat:1")


def deliver(aws: Any) -> dict[str, Any]:
    """Hand everything in the queue to ingest, as SQS does; return what it answers."""
    received = aws.sqs.receive_message(QueueUrl=aws.queue_url, MaxNumberOfMessages=10).get("Messages", [])
    for message in received:
        aws.sqs.delete_message(QueueUrl=aws.queue_url, ReceiptHandle=message["ReceiptHandle"])
    return handed(*(message["Body"] for message in received))


def handed(*bodies: str) -> dict[str, Any]:
    records = [
        {
            "messageId": f"m{number}",
            "body": body,
            "eventSource": "aws:sqs",
            "attributes": {},
            "messageAttributes": {},
        }
        for number, body in enumerate(bodies)
    ]
    answer: dict[str, Any] = ingest.handler({"Records": records}, CONTEXT)
    return answer


def ask(method: str, path: str, user: str = "mika", **event: Any) -> tuple[int, dict[str, Any]]:
    answer = query.handler(
        {"method": method, "path": path, "tenant_id": "acme", "user_id": user, **event}, CONTEXT
    )
    return answer["statusCode"], json.loads(answer["body"])


def said(text: str, at: datetime | None = None) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "user", "content": text}
    return message if at is None else {**message, "timestamp": at.isoformat()}


def contents(store: InMemoryStore, user: str = "mika") -> list[str]:
    return sorted(row.chunk.text for row in store._rows.values() if row.chunk.user_id == user)


def test_a_forget_request_survives_the_queue_and_holds_no_text() -> None:
    assert decode_forget_message(MESSAGE.encode()) == MESSAGE
    assert decode_forget_message(MESSAGE.retried(0.0).encode()) == ForgetMessage(
        MESSAGE.request, T.timestamp(), 1
    )
    assert json.loads(MESSAGE.encode())["forget"].keys() == {
        "id", "tenant_id", "user_id", "session_key", "asked_at",
    }  # fmt: skip


def test_a_notice_is_no_forget_request(notice_of: Build) -> None:
    assert decode_forget_message(notice_of().encode()) is None
    assert decode_forget_message("{") is None
    assert decode_forget_message("[" * 100_000) is None
    assert decode_forget_message("7") is None


@pytest.mark.parametrize(
    "change",
    [
        {"v": 1},
        {"forget": None},
        {"forget": {}},
        {"first_sent_at": "soon"},
        {"attempts": None},
        *(
            {"forget": {**json.loads(MESSAGE.encode())["forget"], **fields}}
            for fields in (
                {"tenant_id": ""},
                {"tenant_id": None},
                {"user_id": "\x00"},
                {"user_id": None, "session_key": None},
                {"asked_at": "2026-11-22T10:00:00"},
                {"asked_at": 7},
            )
        ),
    ],
)
def test_a_forget_request_that_names_nobody_or_no_moment_is_malformed(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedNoticeError):
        decode_forget_message(json.dumps({**json.loads(MESSAGE.encode()), **change}))


def test_delete_sends_a_forget_request_and_ingest_carries_it_out(
    aws: Any, index: InMemoryStore, notice_of: Build, session_item: Build
) -> None:
    aws.put(session_item(said("one", T), user_id="mika"))
    aws.put(session_item(said("two", T), user_id="mika", key="chat:2"))
    handed(notice_of("chat:1", "1").encode(), notice_of("chat:2", "1").encode())
    status, taken = ask("DELETE", "/api/v1/memory", params={"session_key": "chat:1"})
    assert (status, taken["status"], taken["source_items"]) == (202, "pending", "kept")
    assert len(contents(index)) == 2
    assert ask("GET", taken["status_path"])[1]["status"] == "pending"
    assert deliver(aws) == {"batchItemFailures": []}
    assert [text for text in contents(index) if "one" in text] == []
    status, done = ask("GET", taken["status_path"])
    assert (status, done["status"], done["deleted"], done["source_items"]) == (200, "done", 1, "kept")
    assert done["asked_at"] <= done["done_at"]
    assert ask("DELETE", "/api/v1/memory")[0] == 202
    deliver(aws)
    assert contents(index) == []


def test_one_users_forget_request_is_nobody_elses_to_see_or_to_feel(
    aws: Any, index: InMemoryStore, notice_of: Build, session_item: Build
) -> None:
    aws.put(session_item(said("of ken", T), user_id="ken"))
    handed(notice_of("chat:1", "1").encode())
    _, taken = ask("DELETE", "/api/v1/memory", params={"session_key": "chat:1"})
    deliver(aws)
    assert ask("GET", taken["status_path"])[1]["status"] == "done"
    assert ask("GET", taken["status_path"], user="ken")[1]["status"] == "pending"
    handed(notice_of("chat:1", "2").encode())
    assert len(contents(index, "ken")) == 1


def saved(aws: Any, *messages: tuple[str, datetime]) -> list[Transition]:
    """Save a session of Mika's, one (text, time of the save) after the other; return what the stream tells of it."""
    announcer, told, rows, old = (
        bootstrap.container().announcer,
        list[Transition](),
        list[dict[str, Any]](),
        None,
    )
    for number, (text, at) in enumerate(messages):
        rows.append(said(text))
        fields = {
            "tenant_id": "acme",
            "session_key": "chat:1",
            "user_id": "mika",
            "messages": json.dumps(rows),
        }
        item = {name: {"S": value} for name, value in fields.items()}
        key = {name: item[name] for name in ("tenant_id", "session_key")}
        change = StreamChange(
            "sessions",
            key,
            old is None,
            False,  # noqa: FBT003
            False,  # noqa: FBT003
            old,
            item,
            str(number),
            at.timestamp(),
        )
        notice = announcer.notice(change, 0.0)
        assert notice
        told += notice.transitions
        old = item
    aws.put(old)
    return told


def test_a_message_saved_after_t_stays_however_late_the_forget_request_is_carried_out(
    aws: Any, index: InMemoryStore, notice_of: Build
) -> None:
    """The forget request waited while the conversation went on."""
    hour = timedelta(hours=1)
    asked = datetime.now(UTC).replace(microsecond=0) - hour
    told = saved(
        aws, ("before " * 20, asked - hour), ("after " * 20, asked + hour / 2), ("at once " * 20, asked)
    )
    handed(notice_of("chat:1", "2", *told).encode())
    assert len(contents(index)) == 3
    forget_message = new_forget_message("4f", asked, "acme", "mika", None).encode()
    assert handed(forget_message) == {"batchItemFailures": []}
    assert [text.split()[-1] for text in contents(index)] == ["after", "once"]
    handed(notice_of("chat:1", "2", *told).encode(), notice_of("chat:1").encode())
    assert [text.split()[-1] for text in contents(index)] == ["after", "once"]


def test_a_forget_request_that_comes_twice_forgets_once_and_is_answered_alike(
    aws: Any, index: InMemoryStore, notice_of: Build
) -> None:
    asked = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    told = saved(aws, ("before " * 20, asked - timedelta(hours=1)), ("after " * 20, asked))
    handed(notice_of("chat:1", "1", *told).encode())
    forget_message = new_forget_message("4f", asked, "acme", "mika", None).encode()
    handed(forget_message)
    done, marked = index.forgotten("acme", "4f"), index.markers("acme", {"mika"}, set())
    assert done
    assert (done.deleted, len(contents(index))) == (1, 1)
    handed(forget_message)
    assert index.forgotten("acme", "4f") == done
    assert index.markers("acme", {"mika"}, set()) == marked
    assert len(contents(index)) == 1


def test_with_the_store_away_a_forget_request_is_retried_and_keeps_its_moment(
    aws: Any, index: InMemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: ForgetRequest) -> Any:
        raise StoreUnavailableError("Postgres was not reached")

    monkeypatch.setattr(index, "mark", away)
    assert handed(MESSAGE.encode()) == {"batchItemFailures": []}
    [sent] = [
        entry for request in aws.requests for entry in request.get("Entries", ()) if "MessageBody" in entry
    ]
    assert sent["DelaySeconds"] >= 1
    retried = decode_forget_message(sent["MessageBody"])
    assert retried
    assert (retried.request, retried.attempts) == (MESSAGE.request, 1)


@pytest.mark.usefixtures("index")
def test_a_forget_request_of_another_version_is_dead_lettered(aws: Any) -> None:
    handed(MESSAGE.encode().replace('"v":2', '"v":9'))
    [letter] = aws.dead_lettered
    assert letter["MessageAttributes"]["cause"]["StringValue"] == "malformed_notice"


@pytest.mark.usefixtures("aws", "index")
def test_with_the_queue_away_delete_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "InternalError"}}, "SendMessage")

    monkeypatch.setattr(bootstrap.container().notice_queue._client, "send_message_batch", away)
    status, body = ask("DELETE", "/api/v1/memory")
    assert (status, body["code"]) == (503, "queue_unavailable")


@pytest.mark.parametrize(
    ("made", "waits"),
    [
        (timedelta(), True),
        (timedelta(days=34), True),
        (timedelta(minutes=-1), True),
        (timedelta(days=36), False),
        (timedelta(hours=-1), False),
    ],
)
def test_a_forget_request_waits_no_longer_than_a_queue_can_hold_it(made: timedelta, *, waits: bool) -> None:
    assert may_wait(new_id(T - made, "4f" * 12), T) is waits


@pytest.mark.usefixtures("index")
def test_a_forget_request_too_old_to_be_on_its_way_is_not_known() -> None:
    old = new_id(datetime.now(UTC) - timedelta(days=40), "4f" * 12)
    status, body = ask("GET", f"/api/v1/memory/status/{old}")
    assert (status, body["code"]) == (404, "not_found")
    assert "35 days" in body["hint"]


@pytest.mark.parametrize("path", ["XYZ", "4f", "a" * 32, "a" * 65])
@pytest.mark.usefixtures("index")
def test_an_invalid_id_is_not_found(path: str) -> None:
    assert ask("GET", f"/api/v1/memory/status/{path}")[0] == 404
