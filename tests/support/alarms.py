"""CloudWatch's alarms over data that a test gives: statistics, metric math as far as template.yaml uses it, missing data.

Periods are numbered from the oldest. A metric that was not reported in a period has no datum there.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from support.sam import Template, spelt

Series = tuple[str, str, frozenset[tuple[str, str]]]
"""Namespace, name, dimensions."""

AWS_METRICS: Mapping[tuple[str, str], str] = {
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): "QueueName",
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): "QueueName",
    ("AWS/Lambda", "Errors"): "FunctionName",
    ("AWS/Lambda", "Throttles"): "FunctionName",
    ("AWS/Lambda", "IteratorAge"): "FunctionName",
    ("AWS/Lambda", "PolledEventCount"): "EventSourceMappingUUID",
    ("AWS/DynamoDB", "ConsumedWriteCapacityUnits"): "TableName",
}
"""What AWS reports by itself, each by one dimension: the pages "monitoring metrics" of SQS, Lambda and DynamoDB."""


@dataclass
class Data:
    """Values of metrics, by period."""

    of: defaultdict[Series, defaultdict[int, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    def add(self, series: Series, period: int, values: Iterable[float]) -> None:
        self.of[series][period] += values

    def add_emitted(self, period: int, data: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Add what :func:`pipeline.local.emf.data_of` read of a function's output."""
        for namespace, datum in data:
            dimensions = frozenset((row["Name"], row["Value"]) for row in datum["Dimensions"])
            self.add((namespace, datum["MetricName"], dimensions), period, datum["Values"])


@dataclass(frozen=True)
class Alarm:
    """One alarm of the template."""

    name: str
    properties: Mapping[str, Any]
    template: Template

    def rings(self, data: Data, periods: int) -> bool:
        """Tell whether the alarm is in ALARM after the newest of so many periods."""
        wanted = self.properties["EvaluationPeriods"]
        newest = [self._value(data, period) for period in range(periods - wanted, periods)]
        missing = {"notBreaching": False, "breaching": True}[self.properties["TreatMissingData"]]
        return all(missing if value is None else value > self.threshold for value in newest)

    @property
    def threshold(self) -> float:
        given = self.properties["Threshold"]
        declared = self.template["Parameters"].get(given["Ref"]) if isinstance(given, Mapping) else None
        return float(declared["Default"] if declared else given)

    @property
    def watched(self) -> list[Series]:
        """Return the metrics it looks at."""
        if "Metrics" not in self.properties:
            return [_series(self.properties)]
        return [
            _series(one["MetricStat"]["Metric"]) for one in self.properties["Metrics"] if "MetricStat" in one
        ]

    def _value(self, data: Data, period: int) -> float | None:
        if "Metrics" not in self.properties:
            stat = self.properties.get("Statistic") or self.properties["ExtendedStatistic"]
            return _statistic(stat, data.of[_series(self.properties)][period])
        values = {
            one["Id"]: _statistic(
                one["MetricStat"]["Stat"], data.of[_series(one["MetricStat"]["Metric"])][period]
            )
            for one in self.properties["Metrics"]
            if "MetricStat" in one
        }
        [expression] = [one["Expression"] for one in self.properties["Metrics"] if "Expression" in one]
        return _calculated(expression, values)


def alarms(template: Template) -> dict[str, Alarm]:
    """Return the template's alarms by name."""
    return {
        name: Alarm(name, given["Properties"], template)
        for name, given in template["Resources"].items()
        if given["Type"] == "AWS::CloudWatch::Alarm"
    }


def _series(metric: Mapping[str, Any]) -> Series:
    dimensions = frozenset((row["Name"], spelt(row["Value"])) for row in metric["Dimensions"])
    return spelt(metric["Namespace"]), metric["MetricName"], dimensions


def _statistic(name: str, values: Sequence[float]) -> float | None:
    if not values:
        return None
    if name.startswith("p"):
        return sorted(values)[math.ceil(float(name[1:]) / 100 * len(values)) - 1]
    return {"Sum": sum(values), "Maximum": max(values), "Average": sum(values) / len(values)}[name]


def _calculated(expression: str, values: Mapping[str, float | None]) -> float | None:
    def fill(value: float | None, other: float) -> float:
        return other if value is None else value

    def choose(condition: object, one: float, two: float) -> float:
        return one if condition else two

    python = re.sub(r"\bIF\(", "choose(", expression.replace(" AND ", " and ").replace("FILL(", "fill("))
    names = {**values, "fill": fill, "choose": choose, "__builtins__": {}}
    return float(eval(python, names))  # noqa: S307  # of our own template
