import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from pipeline.errors import (
    CapReachedError,
    MalformedItemError,
    RetryableError,
    StoreUnavailableError,
    VectorMemoryError,
)
from pipeline.handlers import ingest, stream
from pipeline.handlers.metrics import emit
from pipeline.ingest.measures import Measure, Spent, correlation_ids, ingest_measures, query_measures
from pipeline.ingest.work import Report
from pipeline.local.emf import data_of, publish
from pipeline.operations.status.health_collector import HealthCollector
from pipeline.operations.status.run import name_of
from pipeline.operations.status.stack_health import StackHealth, Thresholds, advice, as_text

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOTHING = Spent(0, 0, 0.0)


def named(measures: list[Measure]) -> dict[Any, Any]:
    return {(m.name, m.dimension[1]) if m.dimension else m.name: list(m.values) for m in measures}


def test_the_lag_is_that_of_what_became_searchable(notice_of: Any) -> None:
    notices = {f"{n}": replace(notice_of(f"chat:{n}"), saved_at=100.0 + n) for n in range(3)}
    report = Report(
        frozenset("012"),
        applied={"0", "2"},
        indexed={"0", "2"},
        chunks_embedded=1,
        chunks_kept=3,
        conflicts=2,
    )
    found = named(ingest_measures(report, notices, Spent(1, 500, 0.01), 104.0))
    assert found["IngestLag"] == [4000.0, 2000.0]
    assert (found["ReuseRatio"], found["Conflicts"], found["TokensEmbedded"]) == ([75.0], [2], [500])
    assert (found["Dollars"], found["FailureRatio"]) == ([0.01], [0.0])


def test_a_notice_that_waits_for_its_tenants_cap_is_neither_a_failure_nor_a_lag(notice_of: Any) -> None:
    failures: dict[str, VectorMemoryError] = {"a": CapReachedError("x"), "b": StoreUnavailableError("x")}
    report = Report(frozenset("abcd"), failures=failures, indexed={"c", "d"})
    notices = {
        "c": replace(notice_of("c"), saved_at=1.0, capped=True),
        "d": replace(notice_of("d"), saved_at=2.0),
    }
    found = named(ingest_measures(report, notices, NOTHING, 3.0))
    assert (found["FailureRatio"], found["IngestLag"]) == ([25.0], [1000.0])
    assert found["Retries", "cap_reached"] == [1]


def test_retries_and_burials_are_counted_by_cause() -> None:
    failures: dict[str, VectorMemoryError] = {
        "a": StoreUnavailableError("x"),
        "b": StoreUnavailableError("x"),
        "c": MalformedItemError("y"),
        "d": VectorMemoryError("bug"),
    }
    found = named(ingest_measures(Report(frozenset("abcdefgh"), failures=failures), {}, NOTHING, 1.0))
    assert found["Retries", "store_unavailable"] == [2]
    assert found["Retries", "internal"] == [1]
    assert found["DeadLettered", "malformed_item"] == [1]
    assert found["FailureRatio"] == [50.0]
    assert "IngestLag" not in found


def test_the_format_is_what_cloudwatch_reads(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "VectorMemory/mine")
    emit(
        "ingest",
        [
            Measure("IngestLag", "Milliseconds", [1.0, 2.0]),
            Measure("Retries", "Count", [3], ("cause", "conflict")),
        ],
    )
    lines = capsys.readouterr().out.splitlines()
    found = list(data_of(lines))
    assert [namespace for namespace, _ in found] == ["VectorMemory/mine"] * 2
    lag, retries = (datum for _, datum in found)
    assert (lag["MetricName"], lag["Unit"], lag["Values"]) == ("IngestLag", "Milliseconds", [1.0, 2.0])
    assert lag["Dimensions"] == [{"Name": "service", "Value": "ingest"}]
    assert {row["Name"]: row["Value"] for row in retries["Dimensions"]} == {
        "service": "ingest",
        "cause": "conflict",
    }


def test_the_save_has_the_same_name_in_both_logs(request: pytest.FixtureRequest, logs: Any) -> None:
    aws, event, _ = map(request.getfixturevalue, ("aws", "event", "index"))
    context: Any = SimpleNamespace(function_name="x", get_remaining_time_in_millis=lambda: 60_000)
    stream.handler(event("dynamodb-stream"), context)
    messages = aws.sqs.receive_message(QueueUrl=aws.queue_url, MaxNumberOfMessages=10)["Messages"]
    records = [
        record | {"messageId": str(n), "body": m["Body"]}
        for n, m in enumerate(messages)
        for record in event("sqs-notices")["Records"][:1]
    ]
    ingest.handler({"Records": records}, context)
    announced, ingested = (json.loads(line) for line in logs.getvalue().splitlines())
    assert announced["correlation_ids"] == ingested["correlation_ids"]
    assert len(announced["correlation_ids"]) == 4
    assert all(number.isdigit() for number in announced["correlation_ids"])


def test_a_notice_without_a_stream_record_has_no_correlation_id(notice_of: Any) -> None:
    with_one = replace(notice_of("chat:1"), position="2026/" + "42".zfill(40))
    assert correlation_ids({"a": with_one, "b": replace(with_one, position="")}) == ["42"]


CALM = StackHealth(15)


def levels(seen: StackHealth) -> dict[str, str]:
    return {one.what: one.level for one in advice(seen)}


def test_when_all_is_well_nothing_is_advised() -> None:
    assert (
        advice(
            replace(CALM, items=9, lag_p95=100.0, iterator_age=5.0, dollars_today=1.0, failure_percent=1.0)
        )
        == []
    )
    assert as_text(CALM, []).endswith("nothing needs doing")


@pytest.mark.parametrize(
    ("seen", "level", "words"),
    [
        (replace(CALM, dead_letters=2, dead_lettered={"malformed_item": 2}), "act", "dlq list"),
        (replace(CALM, stream_failures=1), "act", "replay-stream"),
        (replace(CALM, delayed=3, retries={"embedding_unavailable": 3}), "act", "key"),
        (replace(CALM, delayed=0, retries={"embedding_unavailable": 3}), "watch", "key"),
        (replace(CALM, delayed=3, retries={"cap_reached": 3}), "watch", "usage"),
        (replace(CALM, delayed=3, retries={"lost_text": 3}), "act", "audit --repair"),
        (replace(CALM, lag_p95=90_000.0), "watch", "IngestConcurrency"),
        (replace(CALM, iterator_age=400_000.0), "act", "shard"),
        (replace(CALM, dollars_today=11.0), "act", "usage"),
        (replace(CALM, failure_percent=50.0), "watch", "log"),
        (replace(CALM, function_errors={"ingest": 1}), "act", "log"),
        (replace(CALM, unseen=("metrics",)), "watch", "allow"),
    ],
)
def test_each_trouble_has_its_advice(seen: StackHealth, level: str, words: str) -> None:
    [one] = advice(seen)
    assert one.level == level
    assert words in one.do
    assert one.what in as_text(seen, [one])


def test_advice_to_act_comes_first_and_thresholds_are_the_stacks_own() -> None:
    seen = replace(CALM, lag_p95=90_000.0, dead_letters=1)
    assert [one.level for one in advice(seen)] == ["act", "watch"]
    assert [one.level for one in advice(seen, Thresholds(lag_milliseconds=100_000))] == ["act"]


def test_every_retryable_cause_has_an_advice_of_its_own() -> None:
    for kind in RetryableError.__subclasses__():
        found = advice(replace(CALM, delayed=1, retries={kind.cause: 1}))
        assert [one.do for one in found] != ["see the log"], kind


class Away:
    """Every call of it is refused."""

    def __getattr__(self, _: str) -> Any:
        def refuse(**_: Any) -> Any:
            raise EndpointConnectionError(endpoint_url="http://nowhere")

        return refuse


def test_an_unreadable_figure_is_named_and_not_guessed() -> None:
    watch = HealthCollector(Away(), Away(), {"notices": "q"}, "VectorMemory/x", {"ingest": "f"}, None)
    seen = watch.collect(15, NOW)
    assert (seen.lag_p95, seen.waiting, seen.items, seen.dollars_today) == (None, None, None, None)
    assert [what.partition(" (")[0] for what in seen.unseen] == ["the notices queue", "metrics", "metrics"]


@pytest.mark.usefixtures("aws")
def test_published_lines_come_back_as_the_health(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "VectorMemory/mine")
    cloudwatch = boto3.client("cloudwatch", region_name="us-east-1")
    emit(
        "ingest",
        [
            Measure("Items", "Count", [4]),
            Measure("Retries", "Count", [3], ("cause", "embedding_unavailable")),
        ],
    )
    publish(capsys.readouterr().out.splitlines(), cloudwatch)
    watch = HealthCollector(Away(), cloudwatch, {}, "VectorMemory/mine", {}, None)
    seen = watch.collect(15, datetime.now(UTC))
    assert (seen.items, seen.retries) == (4, {"embedding_unavailable": 3})


@pytest.mark.usefixtures("aws")
def test_without_a_book_the_metrics_of_all_functions_tell_what_was_spent_today(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "VectorMemory/mine")
    cloudwatch = boto3.client("cloudwatch", region_name="us-east-1")
    for service, dollars in (("ingest", 1.0), ("query", 0.5), ("digest", 0.25), ("other", 9.0)):
        emit(service, [Measure("Dollars", "None", [dollars])])
    publish(capsys.readouterr().out.splitlines(), cloudwatch)
    watch = HealthCollector(Away(), cloudwatch, {}, "VectorMemory/mine", {}, None)
    assert watch.collect(15, datetime.now(UTC) + timedelta(seconds=1)).dollars_today == 1.75


@pytest.mark.usefixtures("aws")
def test_status_tells_of_summaries_and_what_to_do_about_those_that_failed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "VectorMemory/mine")
    cloudwatch = boto3.client("cloudwatch", region_name="us-east-1")
    failures = Measure("SummaryFailures", "Count", [3], ("cause", "malformed_item"))
    emit("digest", [Measure("Summaries", "Count", [147]), failures])
    publish(capsys.readouterr().out.splitlines(), cloudwatch)
    watch = HealthCollector(Away(), cloudwatch, {}, "VectorMemory/mine", {}, None)
    seen = watch.collect(15, datetime.now(UTC))
    assert (seen.summaries, seen.summary_failures) == (147, {"malformed_item": 3})
    said = as_text(seen, advice(seen))
    assert "summaries written" in said
    assert "3 daily logs not summarised: malformed_item" in said
    assert "vector-memory audit" in said


def test_a_question_is_timed_where_it_was_answered_and_counted_where_it_failed() -> None:
    answered, failed = named(query_measures(12.5, 200, "exact")), named(query_measures(9.0, 503, "exact"))
    assert answered == {"QueryFailures": [0], "Refused": [0], ("QueryLatency", "exact"): [12.5]}
    assert failed == {"QueryFailures": [1], "Refused": [0]}


def test_a_function_goes_by_its_name_also_where_an_alias_is_given() -> None:
    assert name_of("arn:aws:lambda:us-east-1:1:function:mine:live") == "mine"
    assert name_of("mine") == "mine"


def test_a_questions_cost_is_measured_if_there_is_any() -> None:
    asked, free = (named(query_measures(1.0, 200, "exact", dollars)) for dollars in (0.5, 0.0))
    assert asked["Dollars"] == [0.5]
    assert "Dollars" not in free
