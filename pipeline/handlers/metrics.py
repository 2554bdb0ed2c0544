"""Writes measures as CloudWatch's embedded metric format: a line on standard output, from which CloudWatch makes metrics.

No key, text or tenant is ever a dimension: the first two are secret, the last would cost a metric each.
"""

import os
from collections import defaultdict
from collections.abc import Iterable

from aws_lambda_powertools.metrics import EphemeralMetrics

from pipeline.ingest.measures import Measure

NAMESPACE = "VectorMemory"
"""Where POWERTOOLS_METRICS_NAMESPACE says nothing; the template sets one a stack."""


def emit(service: str, measures: Iterable[Measure]) -> None:
    """Write ``measures``: one line, and one more for each further dimension."""
    grouped: defaultdict[tuple[str, str] | None, list[Measure]] = defaultdict(list)
    for measure in measures:
        grouped[measure.dimension].append(measure)
    for dimension, group in grouped.items():
        line = EphemeralMetrics(namespace=_namespace(), service=service)
        if dimension:
            line.add_dimension(*dimension)
        for measure in group:
            for value in measure.values:
                line.add_metric(measure.name, measure.unit, value)
        line.flush_metrics()


def _namespace() -> str:
    return os.environ.get("POWERTOOLS_METRICS_NAMESPACE", NAMESPACE)
