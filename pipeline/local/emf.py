"""What CloudWatch Logs does on AWS and the local AWS does not: makes metrics of embedded-metric-format lines."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

BATCH = 20
"""Data of one request; CloudWatch takes 1,000, and 1 MB."""


def data_of(lines: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (namespace, datum as PutMetricData takes it) for each metric in ``lines``."""
    for line in lines:
        if '"_aws"' in line:
            fields = json.loads(line[line.index("{") :])
            for directive in fields["_aws"]["CloudWatchMetrics"]:
                yield from ((directive["Namespace"], datum) for datum in _data(fields, directive))


def _data(fields: dict[str, Any], directive: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for dimensions in directive["Dimensions"]:
        for metric in directive["Metrics"]:
            values = fields[metric["Name"]]
            yield {
                "MetricName": metric["Name"],
                "Unit": metric["Unit"],
                "Values": values if isinstance(values, list) else [values],
                "Timestamp": fields["_aws"]["Timestamp"] / 1000,
                "Dimensions": [{"Name": name, "Value": fields[name]} for name in dimensions],
            }


def publish(lines: Iterable[str], cloudwatch: Any) -> int:
    """Put all metrics of ``lines``; return how many."""
    data: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for namespace, datum in data_of(lines):
        data[namespace].append(datum)
    for namespace, all_of_it in data.items():
        for start in range(0, len(all_of_it), BATCH):
            cloudwatch.put_metric_data(Namespace=namespace, MetricData=all_of_it[start : start + BATCH])
    return sum(map(len, data.values()))
