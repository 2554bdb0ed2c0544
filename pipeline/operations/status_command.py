"""The command ``vector-memory status``: how it goes, and what to do next."""

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime

import boto3

from pipeline import bootstrap
from pipeline.errors import SettingsError, VectorMemoryError
from pipeline.operations.advised import placed, where_of
from pipeline.operations.health_collector import HealthCollector
from pipeline.operations.outcome import Outcome
from pipeline.operations.stack import described
from pipeline.operations.stack_health import StackHealth, Thresholds, advice, as_text
from pipeline.operations.stack_settings import use_settings_of
from pipeline.stores.usage import UsageBook

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
    use_settings_of(options.stack)
    client = bootstrap.cloudformation_client()
    outputs, parameters = described(client, options.stack)
    seen = _look(options, outputs)
    where = where_of(options.stack, demo=options.demo)
    advised = [replace(one, do=placed(one.do, where)) for one in advice(seen, _thresholds(parameters))]
    status = int(any(one.level == "act" for one in advised))
    if options.json:
        return Outcome(json.dumps(asdict(seen) | {"advice": [asdict(one) for one in advised]}), status=status)
    return Outcome(as_text(seen, advised), status=status)


def _look(options: argparse.Namespace, outputs: Mapping[str, str]) -> StackHealth:
    """Look; where the usage ledger cannot be read, the metrics tell what was spent."""
    now = datetime.now(UTC)
    try:
        return _collector(options.stack, outputs, _book()).collect(options.minutes, now)
    except VectorMemoryError as error:
        seen = _collector(options.stack, outputs, None).collect(options.minutes, now)
        return replace(seen, unseen=(*seen.unseen, f"the usage ledger: {error}"))


def _book() -> UsageBook | None:
    """Return the usage ledger where it costs little to read: those of the other stores would have to be scanned."""
    settings = bootstrap.settings()
    given = settings.database_url or settings.database_secret_arn
    return bootstrap.usage_book() if settings.store.name == "pgvector" and given else None


def _collector(stack: str, outputs: Mapping[str, str], book: UsageBook | None) -> HealthCollector:
    return HealthCollector(
        bootstrap.sqs_client(),
        boto3.client("cloudwatch", config=bootstrap.AWS_CONFIG),
        {ours: outputs[theirs] for ours, theirs in QUEUES.items() if theirs in outputs},
        f"VectorMemory/{stack}",
        {ours: name_of(outputs[theirs]) for ours, theirs in FUNCTIONS.items() if theirs in outputs},
        book,
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
