import base64
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from support.embedding_api import EmbeddingApi, Reply, answered, encoded, refused, reply, rows
from support.json_server import DRIP, HANG, as_json

from pipeline.deadline import within
from pipeline.embedding.answers import read_refusal
from pipeline.embedding.openai import OpenAIEmbedder
from pipeline.embedding.retrying import MAX_PAUSE_SECONDS, PROBE
from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.errors import EmbeddingRejectedError, EmbeddingUnavailableError, needs_mending
from pipeline.ingest.notices import Notice
from pipeline.ingest.retry_policy import Retry, retry_decision
from pipeline.settings import EmbeddingSettings

KEY = "sk-canary-key"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddingApi]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with EmbeddingApi() as made:
        yield made


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def embedder(api: EmbeddingApi, pauses: list[float]) -> OpenAIEmbedder:
    settings = EmbeddingSettings(model="text-embedding-3-small", dimensions=3, base_url=api.base_url)
    return OpenAIEmbedder(settings, KEY, pauses.append)


def test_vectors_come_in_the_order_of_their_texts(
    api: EmbeddingApi, embedder: OpenAIEmbedder, pauses: list[float]
) -> None:
    vectors = embedder.embed(["a", "bbb", "cc"])
    assert [list(vector) for vector in vectors] == [[1.0, 1.0, 0.5], [3.0, 1.0, 0.5], [2.0, 1.0, 0.5]]
    assert embedder.space == EmbeddingSpace("text-embedding-3-small", 3)
    assert (embedder.usage.requests, embedder.usage.tokens) == (1, 7)
    assert pauses == []
    [request] = api.requests
    assert request == {
        "path": "/v1/embeddings",
        "model": "text-embedding-3-small",
        "input": ["a", "bbb", "cc"],
        "dimensions": 3,
        "encoding_format": "base64",
    }
    assert api.headers[0]["authorization"] == f"Bearer {KEY}"


def test_a_shuffled_answer_is_put_in_order(api: EmbeddingApi, embedder: OpenAIEmbedder) -> None:
    api.replies = [reply(list(reversed(rows(["a", "bbb", "cc"]))))]
    assert [vector[0] for vector in embedder.embed(["a", "bbb", "cc"])] == [1.0, 3.0, 2.0]


def test_lists_of_numbers_do_as_well_as_base64(api: EmbeddingApi, embedder: OpenAIEmbedder) -> None:
    api.replies = [reply([{"index": 0, "embedding": [1, 0.25, -2.0]}])]
    assert list(embedder.embed(["a"])[0]) == [1.0, 0.25, -2.0]


def test_nothing_to_embed_is_no_request(api: EmbeddingApi, embedder: OpenAIEmbedder) -> None:
    assert embedder.embed([]) == []
    assert api.requests == []


def test_more_texts_than_a_request_takes_go_in_several(api: EmbeddingApi, embedder: OpenAIEmbedder) -> None:
    vectors = embedder.embed(["x" * (1 + number % 9) for number in range(2_050)])
    assert [len(request["input"]) for request in api.requests] == [2_048, 2]
    assert [vector[0] for vector in vectors] == [1.0 + number % 9 for number in range(2_050)]
    assert (embedder.usage.requests, embedder.usage.tokens) == (2, 14)


WRONG: dict[str, Reply] = {
    "too many": reply(rows(["a", "b", "c"])),
    "none": reply([]),
    "no data": (200, {}, b'{"usage": {}}'),
    "no object": (200, {}, b"[]"),
    "data of another shape": reply("vectors"),
    "rows of another shape": reply(["a", "b"]),
    "an index twice": reply([rows(["a"])[0], rows(["a"])[0]]),
    "an index missing": reply([{"index": 0, "embedding": encoded([1.0] * 3)}, {"index": 2, "embedding": encoded([1.0] * 3)}]),
    "other dimensions": reply([{"index": index, "embedding": encoded([1.0] * 4)} for index in range(2)]),
    "not a number": reply([{"index": index, "embedding": encoded([1.0, math.nan, 1.0])} for index in range(2)]),
    "infinite": reply([{"index": index, "embedding": encoded([1.0, math.inf, 1.0])} for index in range(2)]),
    "zero": reply([{"index": index, "embedding": encoded([0.0] * 3)} for index in range(2)]),
    "null in a list": reply([{"index": index, "embedding": [1.0, None, 1.0]} for index in range(2)]),
    "no base64": reply([{"index": index, "embedding": "?!"} for index in range(2)]),
    "half a float": reply([{"index": index, "embedding": base64.b64encode(b"12345").decode()} for index in range(2)]),
    "cut": (200, {}, answered({"input": ["a", "b"]})[2][:-20]),
    "no JSON": (200, {"content-type": "text/html"}, b"<html>canary</html>"),
    "no UTF-8": (200, {}, b"\xff\xfe\x00"),
    "a number beyond floats": reply([{"index": index, "embedding": [1.0, 10**400, 1.0]} for index in range(2)]),
    "nested without end": (200, {}, b'{"data":' + b"[" * 200_000),
    "an error without a code": as_json(200, {"error": {"message": "canary"}}),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_answer_is_never_taken_for_vectors(
    api: EmbeddingApi, embedder: OpenAIEmbedder, wrong: str
) -> None:
    api.always = lambda _: WRONG[wrong]
    with pytest.raises(EmbeddingUnavailableError) as caught:
        embedder.embed(["a", "b"])
    assert "canary" not in str(caught.value)
    assert embedder.usage.requests == len(api.requests)


def test_an_answer_that_was_cut_is_asked_for_again(
    api: EmbeddingApi, embedder: OpenAIEmbedder, pauses: list[float]
) -> None:
    api.replies = [WRONG["cut"]]
    assert [vector[0] for vector in embedder.embed(["a", "bb"])] == [1.0, 2.0]
    assert embedder.usage.requests == 2
    assert len(pauses) == 1


def test_a_server_error_is_tried_again_after_a_pause(
    api: EmbeddingApi, embedder: OpenAIEmbedder, pauses: list[float]
) -> None:
    api.replies = [refused(500), refused(503)]
    assert [vector[0] for vector in embedder.embed(["a"])] == [1.0]
    assert (embedder.usage.requests, embedder.usage.tokens) == (3, 7)
    assert len(pauses) == 2
    assert all(0 <= pause <= MAX_PAUSE_SECONDS for pause in pauses)


def test_after_the_last_try_the_notice_is_to_be_retried(
    api: EmbeddingApi, embedder: OpenAIEmbedder, pauses: list[float]
) -> None:
    api.replies = [refused(500)] * 9
    with pytest.raises(EmbeddingUnavailableError, match="answered 500"):
        embedder.embed(["a"])
    assert (len(api.requests), embedder.usage.requests, len(pauses)) == (4, 4, 2)  # the last is a probe


@pytest.mark.parametrize(
    ("headers", "pause"),
    [({"retry_after": "3"}, 3.0), ({"retry_after_ms": "250"}, 0.25), ({"retry_after_ms": "250", "retry_after": "3"}, 0.25), ({"retry_after": "0"}, 0.0)],
)  # fmt: skip
def test_a_throttled_call_waits_as_long_as_it_was_told(
    api: EmbeddingApi, embedder: OpenAIEmbedder, pauses: list[float], headers: dict[str, str], pause: float
) -> None:
    api.replies = [refused(429, "rate_limit_exceeded", **headers)]
    embedder.embed(["a"])
    assert pauses == [pause]


def http_date(seconds_from_now: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds_from_now), usegmt=True)


@pytest.mark.parametrize(("seconds", "requests"), [(-60, 2), (5, 2), (90, 1)])
def test_a_throttled_call_waits_until_the_date_that_it_was_told(
    api: EmbeddingApi, embedder: OpenAIEmbedder, pauses: list[float], seconds: int, requests: int
) -> None:
    api.replies = [refused(429, retry_after=http_date(seconds))]
    if requests == 1:
        with pytest.raises(EmbeddingUnavailableError) as caught:
            embedder.embed(["a"])
        pauses.append(caught.value.retry_after_seconds or 0.0)
    else:
        embedder.embed(["a"])
    assert len(api.requests) == requests
    assert pauses == [pytest.approx(max(0, seconds), abs=2.5)]


def test_a_date_is_counted_from_the_servers_own_clock() -> None:
    headers = {"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT", "date": "Fri, 31 Dec 1999 23:59:00 GMT"}
    assert read_refusal(429, headers, b"", ()).retry_after_seconds == 59.0


@pytest.mark.parametrize("value", ["soon", "nan", "-5", "Sun, 99 Nov 2026", "5s"])
def test_a_retry_after_that_cannot_be_read_is_no_error(
    api: EmbeddingApi, embedder: OpenAIEmbedder, pauses: list[float], value: str
) -> None:
    api.replies = [refused(429, retry_after=value)]
    assert len(embedder.embed(["a"])) == 1
    assert 0 <= pauses[0] <= MAX_PAUSE_SECONDS


def test_a_throttled_call_without_retry_after_backs_off(
    api: EmbeddingApi, embedder: OpenAIEmbedder, pauses: list[float]
) -> None:
    api.replies = [refused(429)]
    assert len(embedder.embed(["a"])) == 1
    assert len(pauses) == 1


def test_a_longer_retry_after_puts_the_notice_off_by_it(
    api: EmbeddingApi, embedder: OpenAIEmbedder, pauses: list[float], notice_of: Callable[..., Notice]
) -> None:
    api.replies = [refused(429, retry_after="60")] * 3
    with pytest.raises(EmbeddingUnavailableError) as caught:
        embedder.embed(["a"])
    assert (len(api.requests), pauses) == (1, [])
    decision = retry_decision(
        caught.value, notice_of(), now=0.0, jitter=0.5, max_delay_seconds=300, max_age_seconds=1e9
    )
    assert decision == Retry(60)


@pytest.mark.parametrize(
    ("reply", "words", "requests"),
    [
        (refused(429, "insufficient_quota"), "insufficient_quota.*quota", 1),
        (refused(400, "budget_exceeded"), "budget_exceeded.*budget", 1),
        (refused(400, "Arrearage"), "Arrearage.*budget", 1),
        (refused(402), "402.*add credit", 1),
        (refused(401, "invalid_api_key"), "401 .invalid_api_key.*key in the secret", 1),
        (refused(403), "403.*what the key may do", 2),
        (refused(404, "model_not_found"), "404 .model_not_found.*OPENAI_BASE_URL", 2),
        (refused(400, "no_db_connection"), "400 .no_db_connection", 5),
    ],
)
def test_a_fault_of_the_account_is_retried_without_a_pause(  # noqa: PLR0913, PLR0917  # a table
    api: EmbeddingApi,
    embedder: OpenAIEmbedder,
    pauses: list[float],
    reply: Reply,
    words: str,
    requests: int,
) -> None:
    api.always = lambda _: reply
    with pytest.raises(EmbeddingUnavailableError, match=words) as caught:
        embedder.embed(["a", "b"])
    assert (len(api.requests), embedder.usage.requests, pauses) == (requests, requests, [])
    assert "canary" not in str(caught.value)
    assert needs_mending(caught.value)
    api.always = answered
    assert len(embedder.embed(["a", "b"])) == 2
    assert api.requests[-1].keys() >= {"dimensions", "encoding_format"}  # nothing wrong was learned


@pytest.mark.parametrize("status", [400, 403, 413, 422])
def test_a_text_that_is_refused_before_and_after_a_probe_is_the_items_fault(
    api: EmbeddingApi, embedder: OpenAIEmbedder, status: int
) -> None:
    api.replies = [refused(status), answered, refused(status)]
    with pytest.raises(EmbeddingRejectedError, match=str(status)) as caught:
        embedder.embed(["a"])
    assert [request["input"] for request in api.requests] == [["a"], [*PROBE], ["a"]]
    assert not needs_mending(caught.value)
    assert dict(caught.value.vectors) == {}
    assert caught.value.reasons.keys() == {0}
    assert "canary" not in str(caught.value)


def test_a_refusal_that_has_passed_after_the_probe_is_none(
    api: EmbeddingApi, embedder: OpenAIEmbedder
) -> None:
    api.replies = [refused(400)]
    assert len(embedder.embed(["a"])) == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ({"code": "content_filter"}, "400 (content_filter)"),
        ({"code": "400", "type": "budget_exceeded"}, "400 (budget_exceeded)"),
        ({"code": 400, "type": "None"}, "400:"),
        ({"code": "swordfish", "type": "x"}, "400:"),
        ({"code": KEY}, "400:"),
        ({"code": "a canary sings"}, "400:"),
        ({"code": "\x1b[31m"}, "400:"),
        ("swordfish", "400:"),
        ("Unauthorized", "400 (Unauthorized)"),
        (None, "400:"),
        ([], "400:"),
    ],
)
def test_an_error_names_the_servers_code_and_never_what_was_sent(
    api: EmbeddingApi, embedder: OpenAIEmbedder, error: object, said: str
) -> None:
    api.always = lambda _: (400, {}, json.dumps({"error": error}).encode())
    with pytest.raises(EmbeddingUnavailableError) as caught:
        embedder.embed(["the word is swordfish"])
    assert f"answered {said}" in str(caught.value)
    assert "swordfish" not in str(caught.value)
    assert "canary" not in str(caught.value)


def test_an_api_that_is_away_is_tried_again_and_then_unavailable(
    api: EmbeddingApi, embedder: OpenAIEmbedder, pauses: list[float]
) -> None:
    api.server.server_close()
    with pytest.raises(EmbeddingUnavailableError, match="NewConnectionError") as caught:
        embedder.embed(["a"])
    assert (embedder.usage.requests, len(pauses)) == (3, 2)
    assert caught.value.__suppress_context__


def patient_for(api: EmbeddingApi, seconds: float, pauses: list[float]) -> OpenAIEmbedder:
    settings = EmbeddingSettings(model="m", dimensions=3, base_url=api.base_url, timeout_seconds=seconds)
    return OpenAIEmbedder(settings, KEY, pauses.append)


@pytest.mark.parametrize("silence", [HANG, DRIP], ids=["nothing", "a space now and then"])
def test_a_server_that_never_ends_its_answer_is_left_after_the_time_of_one_request(
    api: EmbeddingApi, pauses: list[float], silence: Reply
) -> None:
    api.always = lambda _: silence
    with pytest.raises(EmbeddingUnavailableError, match="ReadTimeoutError"):
        patient_for(api, 0.5, pauses).embed(["a"])
    assert (len(api.requests), pauses) == (1, [])


@pytest.mark.parametrize("silence", [HANG, DRIP], ids=["nothing", "a space now and then"])
def test_a_request_takes_no_longer_than_is_left(
    api: EmbeddingApi, pauses: list[float], silence: Reply
) -> None:
    api.always = lambda _: silence
    embedder = patient_for(api, 60.0, pauses)
    with within(0.5), pytest.raises(EmbeddingUnavailableError, match=r"ReadTimeoutError|no time"):
        embedder.embed(["a"])
    with within(0.0), pytest.raises(EmbeddingUnavailableError, match="no time is left"):
        embedder.embed(["a"])
    assert len(api.requests) == 1
    api.always = answered
    assert len(embedder.embed(["a"])) == 1


def test_a_pause_that_outlasts_what_is_left_is_not_made(
    api: EmbeddingApi, embedder: OpenAIEmbedder, pauses: list[float]
) -> None:
    api.replies = [refused(429, retry_after="5")]
    with within(4.0), pytest.raises(EmbeddingUnavailableError, match="429"):
        embedder.embed(["a"])
    assert (len(api.requests), pauses) == (1, [])


def test_a_redirect_is_not_followed(api: EmbeddingApi, embedder: OpenAIEmbedder) -> None:
    api.replies = [(307, {"location": "/v1/elsewhere"}, b"")] * 3
    with pytest.raises(EmbeddingUnavailableError, match="answered 307"):
        embedder.embed(["a"])
    assert {request["path"] for request in api.requests} == {"/v1/embeddings"}


def test_the_package_of_the_api_is_not_imported_for_it() -> None:
    program = "import sys, pipeline.handlers.query, pipeline.embedding.openai; print('openai' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, env=os.environ
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("count", [-50, True, 10**30, 12.5, "12", None])
def test_a_count_of_tokens_that_can_be_none_counts_nothing(
    api: EmbeddingApi, embedder: OpenAIEmbedder, count: object
) -> None:
    api.replies = [as_json(200, {"data": rows(["a"]), "usage": {"total_tokens": count}})]
    embedder.embed(["a"])
    assert embedder.usage.tokens == 0


def test_an_error_that_comes_with_200_is_the_error_that_its_code_says(
    api: EmbeddingApi, embedder: OpenAIEmbedder, pauses: list[float]
) -> None:
    throttled = as_json(200, {"error": {"message": "canary", "code": 429}}, retry_after="60")
    api.replies = [answered, throttled]
    embedder.embed(["a"])
    with pytest.raises(EmbeddingUnavailableError, match="answered 429") as caught:
        embedder.embed(["b"])
    assert (len(api.requests), pauses, caught.value.retry_after_seconds) == (2, [], 60.0)


@pytest.mark.parametrize("body", [b"[" * 200_000, b"[]", b'"error"', b'{"error": ["error"]}'])
def test_a_refusal_of_any_shape_is_a_refusal(
    api: EmbeddingApi, embedder: OpenAIEmbedder, body: bytes
) -> None:
    api.always = lambda _: (400, {}, body)
    with pytest.raises(EmbeddingUnavailableError, match="answered 400"):
        embedder.embed(["a"])


def test_an_answer_without_usage_counts_no_tokens(api: EmbeddingApi, embedder: OpenAIEmbedder) -> None:
    api.replies = [(200, {}, json.dumps({"data": rows(["a"])}).encode())]
    embedder.embed(["a"])
    assert (embedder.usage.requests, embedder.usage.tokens) == (1, 0)
