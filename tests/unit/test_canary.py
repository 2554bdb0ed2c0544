"""Text, vectors and keys never reach a log, an error or a queue, whatever goes wrong."""

import io
import json
import logging
import traceback
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline import bootstrap
from pipeline.errors import EmbeddingRejectedError
from pipeline.handlers import ingest, query, stream
from pipeline.stores.memory import InMemoryStore

Build = Callable[..., Any]
CONTEXT: Any = SimpleNamespace(function_name="function")
CANARY = "xylophone-4711"
SECRETS = (CANARY, "a message key of enough characters")
ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/sessions/stream/2026-11-01T09:00:00.000"


def broken(item: Any, value: Any) -> Any:
    return {**item, "messages": value}


@pytest.fixture
def outside(
    aws: Any, logs: io.StringIO, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Callable[[], str]:
    """Everything that left the functions, joined."""
    caplog.set_level(logging.INFO)

    def joined() -> str:
        printed = capfd.readouterr()
        bodies = aws.bodies(aws.queue_url) + aws.bodies(aws.dead_letter_queue_url)
        return "\n".join(
            [logs.getvalue(), caplog.text, printed.out, printed.err, json.dumps(aws.requests), *bodies]
        )

    return joined


@pytest.fixture
def items(session_item: Build) -> list[Any]:
    """Items that hold the canary wherever text may stand, well-formed and not."""
    whole = session_item(
        {"role": "user", "content": CANARY, "name": CANARY, "timestamp": CANARY},
        {"role": CANARY, "content": [{"text": CANARY}]},
        user_id=CANARY,
    )
    return [
        whole,
        broken(whole, {"S": f'[{{"content": "{CANARY}'}),
        broken(whole, {"S": json.dumps({CANARY: CANARY})}),
        broken(whole, {"L": [{"S": CANARY}]}),
        {**whole, "content": {"S": CANARY}},
    ]


def record(number: int, **data: Any) -> dict[str, Any]:
    keys = {"tenant_id": {"S": "acme"}, "session_key": {"S": f"chat:{number}"}}
    data = {"Keys": keys, "SequenceNumber": str(number), **data}
    return {"eventName": "MODIFY", "eventSourceARN": ARN, "dynamodb": data}


def keyed(item: Any, number: int) -> Any:
    return {**item, "session_key": {"S": f"chat:{number}"}}


def batch(*bodies: str) -> dict[str, Any]:
    return {
        "Records": [
            {"messageId": str(number), "body": body, "eventSource": "aws:sqs"}
            for number, body in enumerate(bodies)
        ]
    }


def clean(text: str) -> None:
    assert text.strip()
    for secret in SECRETS:
        assert secret not in text


def test_the_stream_function_lets_nothing_out(items: list[Any], outside: Callable[[], str]) -> None:
    pairs = [(old, new) for old in items for new in items]
    records = [
        record(number, OldImage=keyed(old, number), NewImage=keyed(new, number))
        for number, (old, new) in enumerate(pairs)
    ]
    odd = [record(100, NewImage={"messages": CANARY}), record(101, NewImage=CANARY), record(102, Keys=CANARY)]
    answer = stream.handler({"Records": records + odd}, CONTEXT)
    assert {failure["itemIdentifier"] for failure in answer["batchItemFailures"]} == {
        "102"
    }  # of 100 and 101 the key is readable
    clean(outside() + json.dumps(answer))


FAULTS: dict[str, Callable[[Any, Any, pytest.MonkeyPatch], None]] = {
    "none": lambda *_: None,
    "embedder": lambda embedder, _store, _patch: setattr(embedder, "error", ValueError(CANARY)),
    "refused": lambda embedder, _store, _patch: [
        setattr(embedder, "refuses", CANARY),
        setattr(embedder, "refused", EmbeddingRejectedError("the embedding API refused the input (400)")),
    ],
    "store": lambda _embedder, store, patch: patch.setattr(store, "apply", raising),
    "search": lambda _embedder, store, patch: patch.setattr(store, "search", raising),
    "ledger": lambda _embedder, store, patch: patch.setattr(store, "read", raising),
    "table": lambda _embedder, _store, patch: patch.setattr(
        bootstrap.container().reconciler.source, "get", raising
    ),
    "parser": lambda _embedder, _store, patch: patch.setattr(
        type(bootstrap.container().layouts), "parse", raising
    ),
}


def raising(*_: Any, **__: Any) -> Any:
    raise RuntimeError(CANARY)


@pytest.fixture
def fault(
    request: pytest.FixtureRequest,
    aws: Any,  # noqa: ARG001  # an order, no value
    index: InMemoryStore,
    embedder: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The collaborator that the test names fails, and quotes the canary if it is not one of ours."""
    FAULTS[request.param](embedder, index, monkeypatch)


@pytest.fixture
def notices(aws: Any, items: list[Any], notice_of: Build) -> dict[str, Any]:
    """The items are saved, and these messages are about them."""
    for number, item in enumerate(items):
        aws.put(keyed(item, number))
    return batch(
        *[notice_of(f"chat:{number}", "1", first_sent_at=1.0).encode() for number in range(len(items))]
    )


@pytest.mark.parametrize("fault", FAULTS, indirect=True)
@pytest.mark.usefixtures("fault")
def test_the_ingest_function_lets_nothing_out(notices: dict[str, Any], outside: Callable[[], str]) -> None:
    try:
        said = json.dumps(ingest.handler(notices, CONTEXT))
    except Exception as error:  # noqa: BLE001  # the runtime would print it
        said = "".join(traceback.format_exception(error))
    clean(outside() + said)


@pytest.mark.parametrize("fault", ["embedder", "refused", "search"], indirect=True)
@pytest.mark.usefixtures("fault")
def test_the_query_function_lets_nothing_out(outside: Callable[[], str]) -> None:
    answer = query.handler({"tenant_id": "acme", "user_id": CANARY, "body": {"query": CANARY}}, CONTEXT)
    assert answer["statusCode"] >= 400
    clean(outside() + json.dumps(answer))


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize(
    "event",
    [
        {"tenant_id": "acme", "user_id": CANARY, "body": {"query": CANARY}},
        {"tenant_id": f"{CANARY}\x00", "body": {"query": CANARY}},
        {"tenant_id": "acme", "body": CANARY},
        {"tenant_id": "acme", "body": {"query": CANARY * 1_000}},
        {"tenant_id": "acme", "body": {"query": CANARY, "top_k": CANARY}},
        {"path": CANARY},
        {"method": CANARY},
    ],
)
def test_no_question_is_logged(event: dict[str, Any], outside: Callable[[], str]) -> None:
    query.handler(event, CONTEXT)
    clean(outside())


def test_the_canary_would_be_seen(aws: Any, outside: Callable[[], str]) -> None:
    logging.getLogger("anything").info(CANARY)
    ingest.logger.info(CANARY)
    aws.sqs.send_message(QueueUrl=aws.queue_url, MessageBody=CANARY)
    print(CANARY)  # as a careless function would
    assert outside().count(CANARY) >= 4
