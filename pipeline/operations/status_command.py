"""The command ``vector-memory status``: how it goes, and what to do next."""

import argparse
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime

import boto3

from pipeline import bootstrap
from pipeline.operations.outcome import Outcome
from pipeline.operations.situation import Thresholds, advice, as_text
from pipeline.operations.stack import described, environment_of
from pipeline.operations.watching import Watch

QUEUES: Mapping[str, str] = {
    "notices": "NoticeQueueUrl",
    "dead": "DeadLetterQueueUrl",
    "stream": "StreamFailureQueueUrl",
}
FUNCTIONS = ("stream", "ingest", "query", "digest")
LIMITS: Mapping[str, tuple[str, float]] = {
    "AlarmLagMilliseconds": ("lag_milliseconds", 1.0),
    "AlarmIteratorAgeMilliseconds": ("iterator_age_milliseconds", 1.0),
    "AlarmFailurePercent": ("failure_percent", 1.0),
    "AlarmDollarsADay": ("dollars_a_day", 1.0),
}


def run_status(options: argparse.Namespace) -> Outcome:
    """Look, and say what there is to do; the status is 1 if there is something to act on.

    Raises:
        SettingsError: there is no such stack.
    """
    client = bootstrap.cloudformation_client()
    os.environ.update(environment_of(client, options.stack))
    bootstrap.settings.cache_clear()
    outputs, parameters = described(client, options.stack)
    seen = _watch(options.stack, outputs).look(options.minutes, datetime.now(UTC))
    advised = advice(seen, _thresholds(parameters))
    status = int(any(one.level == "act" for one in advised))
    if options.json:
        return Outcome(json.dumps(asdict(seen) | {"advice": [asdict(one) for one in advised]}), status=status)
    return Outcome(as_text(seen, advised), status=status)


def _watch(stack: str, outputs: Mapping[str, str]) -> Watch:
    settings = bootstrap.settings()
    # The ledger of the other stores would have to be scanned.
    sees_book = settings.store.name == "pgvector" and (settings.database_url or settings.database_secret_arn)
    return Watch(
        bootstrap.sqs_client(),
        boto3.client("cloudwatch", config=bootstrap.AWS_CONFIG),
        {ours: outputs[theirs] for ours, theirs in QUEUES.items() if theirs in outputs},
        f"VectorMemory/{stack}",
        {
            name: name_of(outputs[f"{name.capitalize()}FunctionName"])
            for name in FUNCTIONS
            if f"{name.capitalize()}FunctionName" in outputs
        },
        bootstrap.usage_book() if sees_book else None,
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
