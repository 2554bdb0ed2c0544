"""The command ``vector-memory status``: how it goes, and what to do next."""

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime

from pipeline.container import Container
from pipeline.errors import SettingsError, VectorMemoryError
from pipeline.operations.stack.container import container_of
from pipeline.operations.stack.outputs import described
from pipeline.operations.status.health_collector import HealthCollector
from pipeline.operations.status.stack_health import StackHealth, Thresholds, advice, as_text
from pipeline.operations.terminal.advised_commands import placed, where_of
from pipeline.operations.terminal.outcome import Outcome

QUEUES: Mapping[str, str] = {
    "notices": "NoticeQueueUrl",
    "dead": "DeadLetterQueueUrl",
    "stream": "StreamFailureQueueUrl",
}
FUNCTIONS: Mapping[str, str] = {
    "stream": "StreamFunctionName",
    "ingest": "IngestFunctionName",
    "query": "QueryAliasArn",
    "digest": "DigestFunctionName",
}
LIMITS: Mapping[str, tuple[str, float]] = {
    "AlarmLagMilliseconds": ("lag_milliseconds", 1.0),
    "AlarmIteratorAgeMilliseconds": ("iterator_age_milliseconds", 1.0),
    "AlarmFailurePercent": ("failure_percent", 1.0),
    "AlarmDollarsADay": ("dollars_a_day", 1.0),
}


def run_status(options: argparse.Namespace) -> Outcome:
    """Look, and say what there is to do; the status is 1 if there is something to act on.

    Raises:
        SettingsError: there is no such stack, or none is named.
    """
    if not options.stack:
        raise SettingsError("say which: --stack NAME, or --demo")
    container = container_of(options.stack)
    outputs, parameters = described(container.account.client("cloudformation"), options.stack)
    seen = _look(container, options, outputs)
    where = where_of(options.stack, demo=options.demo)
    advised = [replace(one, do=placed(one.do, where)) for one in advice(seen, _thresholds(parameters))]
    status = int(any(one.level == "act" for one in advised))
    if options.json:
        return Outcome(json.dumps(asdict(seen) | {"advice": [asdict(one) for one in advised]}), status=status)
    return Outcome(as_text(seen, advised), status=status)


def _look(container: Container, options: argparse.Namespace, outputs: Mapping[str, str]) -> StackHealth:
    """Look; where the usage ledger cannot be read, the metrics tell what was spent."""
    now = datetime.now(UTC)
    collector = _collector(container, options.stack, outputs)
    try:
        book = container.backend.quick_usage_book()
        return replace(collector, book=book).collect(options.minutes, now)
    except VectorMemoryError as error:
        seen = collector.collect(options.minutes, now)
        return replace(seen, unseen=(*seen.unseen, f"the usage ledger: {error}"))


def _collector(container: Container, stack: str, outputs: Mapping[str, str]) -> HealthCollector:
    return HealthCollector(
        container.sqs_client,
        container.account.client("cloudwatch"),
        {ours: outputs[theirs] for ours, theirs in QUEUES.items() if theirs in outputs},
        f"VectorMemory/{stack}",
        {ours: name_of(outputs[theirs]) for ours, theirs in FUNCTIONS.items() if theirs in outputs},
    )


def name_of(function: str) -> str:
    """Return a function's name, which metrics go by, of its name or of the ARN of one of its aliases."""
    _, found, rest = function.partition(":function:")
    return rest.partition(":")[0] if found else function


def _thresholds(parameters: Mapping[str, str]) -> Thresholds:
    given = {
        ours: float(parameters[theirs]) * unit
        for theirs, (ours, unit) in LIMITS.items()
        if theirs in parameters
    }
    return Thresholds(**given)
