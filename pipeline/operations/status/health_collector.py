"""Sees the situation: asks SQS, CloudWatch and, where it is cheap to read, the usage ledger."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.errors import VectorMemoryError
from pipeline.operations.status.stack_health import StackHealth
from pipeline.stores.usage import UsageBook

OTHERS = {"QueryLatency": "query", "Summaries": "digest", "SummaryFailures": "digest"}
"""Metrics that are not of ingest."""
SPENDERS = ("ingest", "query", "digest")
"""Functions that ask providers for something that costs."""
SUMS = (
    "Items",
    "ChunksEmbedded",
    "ChunksKept",
    "TokensEmbedded",
    "Conflicts",
    "UnreadableMessages",
    "SecretsRedacted",
)
_METRICS = "metrics (cloudwatch:ListMetrics)"
_DEPTHS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


@dataclass(slots=True)
class HealthCollector:
    """Asks about one stack.

    Args:
        sqs: a boto3 client; so is ``cloudwatch``.
        queues: ``notices``, ``dead`` and ``stream`` → URL.
        namespace: of the stack's metrics.
        functions: our name of a function → its own.
        book: the usage ledger, if it can be read at little cost; without it, the metrics tell what was spent.
    """

    sqs: Any
    cloudwatch: Any
    queues: Mapping[str, str]
    namespace: str
    functions: Mapping[str, str]
    book: UsageBook | None = None
    unseen: list[str] = field(default_factory=list)

    def collect(self, minutes: int, now: datetime) -> StackHealth:
        """Return what there is to see; what could not be asked is said, not guessed."""
        self.unseen = []
        period = (now - timedelta(minutes=minutes), now + timedelta(minutes=1))
        waiting, in_flight, delayed = self._depths("notices")
        sums = self._sums(period)
        return StackHealth(
            minutes,
            waiting=_total((waiting, in_flight)),
            delayed=delayed,
            dead_letters=_total(self._depths("dead")),
            stream_failures=_total(self._depths("stream")),
            items=sums["Items"],
            lag_p95=self._value(period, self._ours("IngestLag"), "p95"),
            iterator_age=self._iterator_age(period),
            chunks_embedded=sums["ChunksEmbedded"],
            chunks_kept=sums["ChunksKept"],
            tokens=sums["TokensEmbedded"],
            conflicts=sums["Conflicts"],
            unreadable_messages=sums["UnreadableMessages"],
            secrets_redacted=sums["SecretsRedacted"],
            dollars_today=self._dollars(now),
            failure_percent=self._value(period, self._ours("FailureRatio"), "Average"),
            function_errors=self._errors(period),
            retries=self._by(period, "Retries", "cause", "Sum"),
            dead_lettered=self._by(period, "DeadLettered", "cause", "Sum"),
            latency_p95=self._by(period, "QueryLatency", "strategy", "p95"),
            summaries=int(self._value(period, self._ours("Summaries"), "Sum") or 0),
            summary_failures=self._by(period, "SummaryFailures", "cause", "Sum"),
            unseen=tuple(dict.fromkeys(self.unseen)),
        )

    def _sums(self, period: tuple[datetime, datetime]) -> dict[str, int | None]:
        """Return what was counted; where there are no metrics at all nothing was seen, which is not nothing."""
        if not self._has_metrics():
            return dict.fromkeys(SUMS)
        counts: dict[str, int | None] = {
            name: int(self._value(period, self._ours(name), "Sum") or 0) for name in SUMS
        }
        return dict.fromkeys(counts) if self._blind else counts

    def _has_metrics(self) -> bool:
        with self._asking(_METRICS):
            if self.cloudwatch.list_metrics(Namespace=self.namespace)["Metrics"]:
                return True
            self.unseen.append(
                f"metrics: {self.namespace} has none yet, so nothing ran, or log lines do not become metrics here"
            )
        return False

    def _depths(self, queue: str) -> tuple[int, int, int] | tuple[None, None, None]:
        if queue not in self.queues:
            return 0, 0, 0
        with self._asking(f"the {queue} queue (sqs:GetQueueAttributes)"):
            answer = self.sqs.get_queue_attributes(QueueUrl=self.queues[queue], AttributeNames=list(_DEPTHS))
            counts = [int(answer["Attributes"].get(name, 0)) for name in _DEPTHS]
            return counts[0], counts[1], counts[2]
        return None, None, None

    def _iterator_age(self, period: tuple[datetime, datetime]) -> float | None:
        if "stream" not in self.functions:
            return None
        return self._value(period, self._lambda("IteratorAge", "stream"), "Maximum")

    def _ours(self, name: str, **dimensions: str) -> dict[str, Any]:
        service = OTHERS.get(name, "ingest")
        return self._metric(self.namespace, name, {"service": service, **dimensions})

    def _lambda(self, name: str, function: str) -> dict[str, Any]:
        return self._metric("AWS/Lambda", name, {"FunctionName": self.functions[function]})

    @staticmethod
    def _metric(namespace: str, name: str, dimensions: Mapping[str, str]) -> dict[str, Any]:
        rows = [{"Name": key, "Value": value} for key, value in dimensions.items()]
        return {"Namespace": namespace, "MetricName": name, "Dimensions": rows}

    def _value(self, period: tuple[datetime, datetime], metric: dict[str, Any], stat: str) -> float | None:
        """Return the statistic over the whole period; ``None`` if there is no value."""
        seconds = max(60, int(-(-(period[1] - period[0]).total_seconds() // 60) * 60))
        with self._asking("metrics (cloudwatch:GetMetricStatistics)"):
            statistics = {"ExtendedStatistics": [stat]} if stat.startswith("p") else {"Statistics": [stat]}
            answer = self.cloudwatch.get_metric_statistics(
                **metric, StartTime=period[0], EndTime=period[1], Period=seconds, **statistics
            )
            points = [point.get("ExtendedStatistics", point).get(stat) for point in answer["Datapoints"]]
            return _together([float(point) for point in points if point is not None], stat)
        return None

    def _by(self, period: tuple[datetime, datetime], name: str, dimension: str, stat: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for value in self._values_of(name, dimension):
            seen = self._value(period, self._ours(name, **{dimension: value}), stat)
            if seen:
                found[value] = round(seen) if stat == "Sum" else seen
        return found

    def _values_of(self, name: str, dimension: str) -> Sequence[str]:
        with self._asking(_METRICS):
            answer = self.cloudwatch.list_metrics(Namespace=self.namespace, MetricName=name)
            rows = (row for metric in answer["Metrics"] for row in metric["Dimensions"])
            return sorted({row["Value"] for row in rows if row["Name"] == dimension})
        return ()

    def _errors(self, period: tuple[datetime, datetime]) -> dict[str, int]:
        counts = {name: self._value(period, self._lambda("Errors", name), "Sum") for name in self.functions}
        return {name: int(count) for name, count in counts.items() if count}

    def _dollars(self, now: datetime) -> float | None:
        if self.book is None:
            midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            metrics = [self._ours("Dollars", service=name) for name in SPENDERS]
            seen = [self._value((midnight, now), metric, "Sum") for metric in metrics]
            return None if self._blind else sum(value or 0.0 for value in seen)
        try:
            return sum(row.dollars for row in self.book.report(now.astimezone(UTC).date()))
        except VectorMemoryError as error:
            self.unseen.append(f"what was spent: {error}")
            return None

    @property
    def _blind(self) -> bool:
        return any(what.startswith("metrics") for what in self.unseen)

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            self.unseen.append(f"{what}: {type(error).__name__}")


def _total(counts: Sequence[int | None]) -> int | None:
    """Return the sum of what was seen; ``None`` if something was not."""
    seen = [count for count in counts if count is not None]
    return sum(seen) if len(seen) == len(counts) else None


def _together(points: Sequence[float], stat: str) -> float | None:
    """Join the points of a period that fell into two: sums add up, of anything else the worst counts."""
    if not points:
        return None
    return sum(points) if stat == "Sum" else max(points)
