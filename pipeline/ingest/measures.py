"""What ingest measures, from what it reports. Pure."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.errors import CapReachedError, PermanentError, needs_mending
from pipeline.ingest.notices import Notice
from pipeline.ingest.work import Report

FAILED_STATUS = 500
MAX_VALUES = 100
"""CloudWatch takes so many values of one metric in one line."""


@dataclass(frozen=True, slots=True)
class Measure:
    """Values of one metric; its unit as CloudWatch calls it. ``dimension`` is one more than the service, name and value."""

    name: str
    unit: str
    values: Sequence[float]
    dimension: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """What was asked of embedders."""

    requests: int
    tokens: int
    dollars: float

    def since(self, before: "Spent") -> "Spent":
        """Return what was asked since ``before``."""
        return Spent(
            self.requests - before.requests, self.tokens - before.tokens, self.dollars - before.dollars
        )


def ingest_measures(report: Report, notices: Mapping[str, Notice], spent: Spent, now: float) -> list[Measure]:
    """Return the measures of one invocation. Waiting for a tenant's cap is meant, and neither a failure nor a lag.

    Args:
        notices: source → notice, those that were reconciled.
        now: epoch seconds.
    """
    lags = [
        max(0.0, now - saved_at) * 1000
        for source in sorted(report.indexed)
        if source in notices
        and (saved_at := notices[source].saved_at) is not None
        and not notices[source].capped
    ]
    chunks = report.chunks_embedded + report.chunks_kept
    counts = {
        "Items": len(report.sources),
        "ChunksEmbedded": report.chunks_embedded,
        "ChunksKept": report.chunks_kept,
        "TokensEmbedded": spent.tokens,
        "EmbeddingRequests": spent.requests,
        "Conflicts": report.conflicts,
        "UnreadableMessages": report.unreadable_messages,
        "Unaccounted": len(report.unaccounted),
        "SecretsRedacted": report.secrets_redacted,
        "Refused": sum(needs_mending(error) for error in report.failures.values()),
    }
    measures = [Measure(name, "Count", [value]) for name, value in counts.items()]
    measures.append(Measure("Dollars", "None", [spent.dollars]))
    if lags:
        measures.append(Measure("IngestLag", "Milliseconds", lags[:MAX_VALUES]))
    if chunks:
        measures.append(Measure("ReuseRatio", "Percent", [100 * report.chunks_kept / chunks]))
    if report.sources:
        count = sum(not isinstance(error, CapReachedError) for error in report.failures.values())
        failed = 100 * count / len(report.sources)
        measures.append(Measure("FailureRatio", "Percent", [failed]))
    return measures + _by_cause(report)


def _by_cause(report: Report) -> list[Measure]:
    retries = Counter(e.cause for e in report.failures.values() if not isinstance(e, PermanentError))
    dead_lettered = Counter(e.cause for e in report.failures.values() if isinstance(e, PermanentError))
    return [
        *(Measure("Retries", "Count", [count], ("cause", cause)) for cause, count in sorted(retries.items())),
        *(
            Measure("DeadLettered", "Count", [count], ("cause", cause))
            for cause, count in sorted(dead_lettered.items())
        ),
    ]


def query_measures(
    milliseconds: float, status: int, strategy: str, dollars: float = 0.0, *, refused: bool = False
) -> list[Measure]:
    """Return the measures of one question: how long it took, what it cost, whether a dependency or a bug failed it.

    Args:
        refused: it failed for a login, certificate, key, secret or setting of ours.
    """
    measures = [
        Measure("QueryFailures", "Count", [int(status >= FAILED_STATUS)]),
        Measure("Refused", "Count", [int(refused)]),
    ]
    if dollars:
        measures.append(Measure("Dollars", "None", [dollars]))
    if status < FAILED_STATUS:
        measures.append(Measure("QueryLatency", "Milliseconds", [milliseconds], ("strategy", strategy)))
    return measures


def item_label(source: str) -> str:
    """Return what names an item in a log: the audit names it by its key, which tells whose it is."""
    return hashlib.blake2b(source.encode(), digest_size=6).hexdigest()


def correlation_ids(notices: Mapping[str, Notice]) -> list[str]:
    """Return the stream sequence numbers that the notices stand for: each names the last save that a notice tells of.

    The stream function logs the same ones; what was not announced by a stream has none.
    """
    positions = {notice.position for notice in notices.values() if notice.position}
    return sorted(position.rpartition("/")[2].lstrip("0") or "0" for position in positions)[:MAX_VALUES]
