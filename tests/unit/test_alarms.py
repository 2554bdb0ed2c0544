"""Every alarm rings at its incident, through the metrics that the functions or AWS really report, and at no other time."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from support.alarms import AWS_METRICS, Alarm, Data, Series, alarms
from support.sam import source

from pipeline import bootstrap
from pipeline.digest.service import DigestReport
from pipeline.embedding.answers import read_refusal
from pipeline.errors import CapReachedError, RetryableError, SecretUnavailableError, StoreUnavailableError
from pipeline.handlers import digest, ingest, query
from pipeline.ingest.measures import Spent
from pipeline.ingest.work import Report
from pipeline.local.emf import data_of

NAMESPACE = "VectorMemory/${AWS::StackName}"
PERIODS = 12
CONTEXT: Any = SimpleNamespace(function_name="f", get_remaining_time_in_millis=lambda: 60_000)
ALARMS = alarms(source())
AWS_INCIDENTS: Mapping[str, Mapping[str, float]] = {
    "DeadLetterAlarm": {"ApproximateNumberOfMessagesVisible": 1},
    "StreamFailureAlarm": {"ApproximateNumberOfMessagesVisible": 1},
    "ScheduleFailureAlarm": {"ApproximateNumberOfMessagesVisible": 1},
    "OldestNoticeAlarm": {"ApproximateAgeOfOldestMessage": 3_601},
    "IteratorAgeAlarm": {"IteratorAge": 300_001},
    "StreamErrorAlarm": {"Errors": 6},
    "IngestErrorAlarm": {"Errors": 6},
    "QueryErrorAlarm": {"Errors": 6},
    "DigestErrorAlarm": {"Errors": 6},
    "QueryThrottleAlarm": {"Throttles": 1},
    "NoticeMappingSilentAlarm": {"ApproximateNumberOfMessagesVisible": 3},
    "SessionsMappingSilentAlarm": {"ConsumedWriteCapacityUnits": 40},
    "MemoryMappingSilentAlarm": {"ConsumedWriteCapacityUnits": 40},
    "ConfigMappingSilentAlarm": {"ConsumedWriteCapacityUnits": 40},
}
"""Alarm → what AWS reports of the incident, in each period; of what is not named it reports nothing."""
AWS_QUIET: Mapping[str, float] = {
    "ApproximateAgeOfOldestMessage": 5,
    "IteratorAge": 400,
    "Errors": 0,
    "Throttles": 0,
    "ConsumedWriteCapacityUnits": 40,
    "PolledEventCount": 40,
}
"""What AWS reports on an ordinary day."""

Build = Callable[..., Any]


class Functions:
    """The real handlers, and what they print."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request
        self.patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
        self.patch.setenv("POWERTOOLS_METRICS_NAMESPACE", NAMESPACE)
        for module in (ingest, query, digest):
            silent = {name: lambda *_, **__: None for name in ("info", "warning", "error")}
            self.patch.setattr(module, "logger", SimpleNamespace(**silent))
        self._capsys = request.getfixturevalue("capsys")

    def ingest(self, **fields: Any) -> None:
        notice = self._request.getfixturevalue("notice_of")("chat:1", "1", **fields)
        record = {
            "messageId": "m",
            "receiptHandle": "r",
            "body": notice.encode(),
            "attributes": {"ApproximateReceiveCount": "1"},
            "eventSource": "aws:sqs",
            "messageAttributes": {},
        }
        ingest.handler({"Records": [record]}, CONTEXT)

    def report(self, report: Report) -> None:
        self.patch.setattr(type(bootstrap.container().reconciler), "run", lambda *_: report)
        self.ingest(saved_at=1.0)

    def ask(self) -> None:
        query.handler({"tenant_id": "acme", "body": {"query": "tea"}}, CONTEXT)

    def ask_of_a_broken_store(self, error: Exception, times: int = 1) -> None:
        def refuse(*_: Any, **__: Any) -> Any:
            raise error

        self.patch.setattr(bootstrap.container(), "memory_search", SimpleNamespace(search=refuse))
        for _ in range(times):
            self.ask()

    def spend(self, module: Any, dollars: float) -> None:
        spent = iter([Spent(0, 0, 0.0)])
        self.patch.setattr(module, "spent_so_far", lambda _: next(spent, Spent(1, 1, dollars)))

    def digest(self, dollars: float, refused: int = 0) -> None:
        report = DigestReport(written=1, dollars=dollars, refused=refused)
        run = SimpleNamespace(run=lambda *_: report)
        self.patch.setattr(bootstrap.container(), "digest", run)
        digest.handler({}, CONTEXT)

    def data(self) -> Data:
        """Return what was printed, as having happened in every period."""
        emitted, data = list(data_of(self._capsys.readouterr().out.splitlines())), Data()
        for period in range(PERIODS):
            data.add_emitted(period, emitted)
        return data


@pytest.fixture
def functions(request: pytest.FixtureRequest) -> Functions:
    request.getfixturevalue("aws")
    request.getfixturevalue("index")
    return Functions(request)


def failing(error: Exception) -> Report:
    source_ = '["sessions", "acme", "chat:1"]'
    return Report(frozenset({source_}), failures={source_: error})


def refused_key() -> RetryableError:
    error = read_refusal(401, {}, b"", ())
    assert isinstance(error, RetryableError)
    return error


def spent_on_questions(functions: Functions) -> None:
    functions.spend(query, 11.0)
    functions.ask()


def spent_on_documents(functions: Functions) -> None:
    functions.spend(ingest, 11.0)
    functions.ingest()


def _indexed_late(functions: Functions) -> None:
    item = functions._request.getfixturevalue("session_item")(("user", "hello"))
    functions._request.getfixturevalue("aws").put(item)
    functions.ingest(saved_at=1.0)


def _down(functions: Functions, error: RetryableError) -> None:
    embedder = functions._request.getfixturevalue("embedder")
    embedder.error = error
    _indexed_late(functions)


OWN_INCIDENTS: Mapping[str, Callable[[Functions], None]] = {
    "LagAlarm": _indexed_late,
    "FailureAlarm": lambda f: _down(f, StoreUnavailableError("away")),
    "RefusedAlarm": lambda f: _down(f, refused_key()),
    "UnaccountedAlarm": lambda f: f.report(Report(frozenset({'["sessions", "acme", "chat:1"]'}))),
    "QueryFailureAlarm": lambda f: f.ask_of_a_broken_store(ZeroDivisionError(), 6),
    "SpendAlarm": spent_on_documents,
    "QuestionSpendAlarm": spent_on_questions,
    "SummarySpendAlarm": lambda f: f.digest(11.0),
    "SummaryRefusedAlarm": lambda f: f.digest(0.0, refused=1),
}


@pytest.mark.parametrize("name", OWN_INCIDENTS)
def test_an_alarm_of_our_metrics_rings_at_its_incident(name: str, functions: Functions) -> None:
    OWN_INCIDENTS[name](functions)
    assert ALARMS[name].rings(functions.data(), PERIODS)


@pytest.mark.parametrize("name", AWS_INCIDENTS)
def test_an_alarm_of_awss_metrics_rings_at_its_incident(name: str) -> None:
    assert ALARMS[name].rings(reported(ALARMS[name], AWS_INCIDENTS[name]), PERIODS)


def reported(alarm: Alarm, values: Mapping[str, float]) -> Data:
    data = Data()
    for series in alarm.watched:
        for period in range(PERIODS if series[1] in values else 0):
            data.add(series, period, [values[series[1]]])
    return data


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_is_silent_where_nothing_is_reported(name: str) -> None:
    assert not ALARMS[name].rings(Data(), PERIODS)


@pytest.mark.parametrize("name", sorted(AWS_INCIDENTS))
def test_an_alarm_of_awss_metrics_is_silent_on_an_ordinary_day(name: str) -> None:
    assert not ALARMS[name].rings(reported(ALARMS[name], AWS_QUIET), PERIODS)


def test_our_alarms_are_silent_while_all_is_well(functions: Functions) -> None:
    item = functions._request.getfixturevalue("session_item")(("user", "hello"))
    functions._request.getfixturevalue("aws").put(item)
    functions.ingest()
    for _ in range(10):
        functions.ask()
    functions.digest(0.5)
    data = functions.data()
    assert [name for name, alarm in ALARMS.items() if alarm.rings(data, PERIODS)] == []


@pytest.mark.parametrize(
    "error",
    [SecretUnavailableError("gone"), StoreUnavailableError("28P01", refused=True)],
    ids=["a secret", "a login"],
)
def test_a_refused_login_of_the_query_function_rings_too(error: Exception, functions: Functions) -> None:
    functions.ask_of_a_broken_store(error)
    assert ALARMS["RefusedAlarm"].rings(functions.data(), PERIODS)


def test_a_store_that_is_merely_away_is_not_a_refusal(functions: Functions) -> None:
    functions.ask_of_a_broken_store(StoreUnavailableError("Postgres was not reached"))
    assert not ALARMS["RefusedAlarm"].rings(functions.data(), PERIODS)


def test_a_failure_of_everything_rings_whatever_percent_may_be_given(functions: Functions) -> None:
    _down(functions, StoreUnavailableError("away"))
    template = source()
    percent = template["Parameters"]["AlarmFailurePercent"]
    percent["Default"] = percent["MaxValue"]
    assert alarms(template)["FailureAlarm"].rings(functions.data(), PERIODS)


def test_a_tenant_that_waits_for_its_cap_rings_nothing(functions: Functions) -> None:
    functions.report(failing(CapReachedError("tomorrow")))
    assert not ALARMS["FailureAlarm"].rings(functions.data(), PERIODS)


def test_a_notice_that_waited_for_its_cap_does_not_count_as_late(functions: Functions) -> None:
    item = functions._request.getfixturevalue("session_item")(("user", "hello"))
    functions._request.getfixturevalue("aws").put(item)
    functions.ingest(saved_at=1.0, capped=True)
    assert not ALARMS["LagAlarm"].rings(functions.data(), PERIODS)


def test_every_alarm_has_an_incident_and_watches_what_somebody_reports() -> None:
    assert OWN_INCIDENTS.keys() | AWS_INCIDENTS.keys() == ALARMS.keys()
    for name, alarm in ALARMS.items():
        for series in alarm.watched:
            assert name in OWN_INCIDENTS or documented(series), (name, series)


def documented(series: Series) -> bool:
    namespace, metric, dimensions = series
    return {AWS_METRICS.get((namespace, metric))} == {dimension for dimension, _ in dimensions}


@pytest.mark.parametrize("name", ["QueryFailureAlarm", "UnaccountedAlarm", "RefusedAlarm"])
def test_an_alarm_whose_metric_is_named_otherwise_would_be_noticed(name: str, functions: Functions) -> None:
    OWN_INCIDENTS[name](functions)
    template = source()
    changed = alarms(template)[name]
    renamed = [
        one["MetricStat"]["Metric"] for one in changed.properties.get("Metrics", []) if "MetricStat" in one
    ]
    for metric in renamed or [changed.properties]:
        metric["MetricName"] = f"Other{metric['MetricName']}"
    assert not changed.rings(functions.data(), PERIODS)
