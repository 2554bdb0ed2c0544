"""What an operator should know now, and do next. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.operations.terminal.text import aligned, counted

Level = str
"""``ok``, ``watch`` or ``act``."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on something is worth an operator's attention; those of the template's alarms."""

    lag_milliseconds: float = 60_000.0
    iterator_age_milliseconds: float = 300_000.0
    failure_percent: float = 10.0
    dollars_a_day: float = 10.0


@dataclass(frozen=True, slots=True)
class StackHealth:
    """What was seen, over the last ``minutes``; ``None`` is what could not be seen.

    Args:
        waiting: notices in the queue, ready or in flight.
        delayed: notices that wait for a dependency.
        retries: cause → retries.
        dead_lettered: cause → dead letters.
        unreadable_messages: messages, at each look at their items, whose shape is not understood.
        secrets_redacted: secrets left out of texts, counted the same way.
        lag_p95: milliseconds from save to searchable; ``None`` if nothing became searchable.
        latency_p95: strategy → milliseconds of a question.
        summary_failures: cause → daily logs that were not summarised.
        unseen: what could not be asked.
    """

    minutes: int
    waiting: int | None = 0
    delayed: int | None = 0
    dead_letters: int | None = 0
    stream_failures: int | None = 0
    items: int | None = 0
    lag_p95: float | None = None
    iterator_age: float | None = None
    chunks_embedded: int | None = 0
    chunks_kept: int | None = 0
    tokens: int | None = 0
    conflicts: int | None = 0
    unreadable_messages: int | None = 0
    secrets_redacted: int | None = 0
    dollars_today: float | None = 0.0
    failure_percent: float | None = None
    function_errors: Mapping[str, int] = field(default_factory=dict)
    retries: Mapping[str, int] = field(default_factory=dict)
    dead_lettered: Mapping[str, int] = field(default_factory=dict)
    latency_p95: Mapping[str, float] = field(default_factory=dict)
    summaries: int = 0
    summary_failures: Mapping[str, int] = field(default_factory=dict)
    unseen: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to know, and what to do about it."""

    level: Level
    what: str
    do: str


_CAUSES: Mapping[str, str] = {
    "embedding_unavailable": "the log's `reasons` say whether the key is refused, the quota is spent, or the provider is down; "
    "mend that. Nothing is lost meanwhile: notices wait up to 7 days",
    "store_unavailable": "see that Postgres runs and takes connections; the log's `reasons` name the SQLSTATE. Nothing is lost",
    "store_busy": "a tenant's rows are locked, or its statements take too long: look for long transactions, altered tables and "
    "load in Postgres; the log's `reasons` name the SQLSTATE. Other tenants go on",
    "source_unavailable": "see the chat app's tables for throttling; a running backfill may need a lower --read-units",
    "secret_unavailable": "see that the secrets exist, and that the ingest role may read them",
    "summariser_unavailable": "the digest makes up for missed days by itself; see the key of the chat API",
    "queue_unavailable": "see the health of SQS, and the ingest role's sqs:SendMessage",
    "cap_reached": "`vector-memory usage --days 1` says whose; `vector-memory usage --help` tells how to raise it; or let it wait for tomorrow",
    "settings": "a setting is wrong: the log's `reasons` name it; deploy again",
    "not_set": "a setting is missing: the log's `reasons` name it; deploy again",
    "conflict": "several workers were at one item: normal in bursts; if it goes on, see who sends notices in a loop",
    "lost_text": "rows of the index are gone: `vector-memory audit --repair` lets their items be ingested again",
    "busy": "invocations run out of time: normal in a backlog; if it goes on, see how long the embedding API takes",
}


_SUMMARY_CAUSES: Mapping[str, str] = {
    "malformed_item": "`vector-memory audit` names the logs that are not what their keys promise",
    "summariser_unavailable": _CAUSES["summariser_unavailable"],
    "embedding_rejected": "the chat API refuses that log: every other day and user has its summary",
}


def advice(seen: StackHealth, limits: Thresholds = Thresholds()) -> list[Advice]:  # frozen
    """Return what is out of the ordinary, the most urgent first; nothing if all is well."""
    found = [
        *_dead_letters(seen),
        *_retries(seen),
        *_rates(seen, limits),
        *_unreadable(seen),
        *_summaries(seen),
    ]
    return sorted(found, key=lambda one: one.level != "act")


def _dead_letters(seen: StackHealth) -> Iterator[Advice]:
    if seen.dead_letters:
        causes = ", ".join(f"{count} {cause}" for cause, count in sorted(seen.dead_lettered.items()))
        what = f"{counted(seen.dead_letters, 'dead letter')}" + (f" (lately: {causes})" if causes else "")
        yield Advice("act", what, "`vector-memory dlq list`; mend the cause; `vector-memory dlq redrive`")
    if seen.stream_failures:
        what = f"{counted(seen.stream_failures, 'stream batch')} that Lambda gave up on"
        yield Advice(
            "act",
            what,
            "within 24 hours: `vector-memory dlq replay-stream`; later: `vector-memory audit --repair`",
        )


def _retries(seen: StackHealth) -> Iterator[Advice]:
    for cause, count in sorted(seen.retries.items(), key=lambda row: -row[1]):
        over = seen.delayed == 0
        what = f"{counted(count, 'notice')} retried: {cause}" + (", over by now" if over else "")
        yield Advice(
            "watch" if over or cause in {"conflict", "cap_reached"} else "act",
            what,
            _CAUSES.get(cause, "see the log"),
        )


def _rates(seen: StackHealth, limits: Thresholds) -> Iterator[Advice]:
    for name, count in sorted(seen.function_errors.items()):
        yield Advice(
            "act",
            f"{counted(count, 'crash')} of the {name} function",
            "read its log; then `vector-memory dlq list`",
        )
    if seen.lag_p95 is not None and seen.lag_p95 > limits.lag_milliseconds:
        do = "if the queue is long, a larger IngestConcurrency; if a backfill runs, a lower --max-waiting"
        yield Advice("watch", f"saves become searchable only after {seen.lag_p95 / 1000:.0f} s (p95)", do)
    if (seen.iterator_age or 0) > limits.iterator_age_milliseconds:
        do = "read the stream function's log: a shard may be stuck; it gives a batch up after 20 tries"
        yield Advice("act", f"the stream is {(seen.iterator_age or 0) / 1000:.0f} s behind", do)
    if (seen.failure_percent or 0) > limits.failure_percent and not seen.retries:
        yield Advice(
            "watch", f"{seen.failure_percent:.0f}% of the items failed", "read the ingest function's log"
        )
    if (seen.dollars_today or 0) > limits.dollars_a_day:
        do = "`vector-memory usage --days 1` says whose; set a cap, or look for a sender in a loop"
        yield Advice("act", f"${seen.dollars_today or 0:.2f} spent on embeddings today", do)
    for what in seen.unseen:
        yield Advice("watch", f"not seen: {what}", "allow it to whoever runs this, or set what is missing")


def _unreadable(seen: StackHealth) -> Iterator[Advice]:
    if seen.unreadable_messages:
        what = f"{counted(seen.unreadable_messages, 'message')} of a shape that is not understood: not memory"
        yield Advice(
            "act", what, "`vector-memory audit` names the items; docs/your-data.md says what is read"
        )


def _summaries(seen: StackHealth) -> Iterator[Advice]:
    for cause, count in sorted(seen.summary_failures.items()):
        what = f"{counted(count, 'daily log')} not summarised: {cause}"
        yield Advice("watch", what, _SUMMARY_CAUSES.get(cause, "read the digest function's log"))


def as_text(seen: StackHealth, advised: Sequence[Advice]) -> str:
    """Return it for a terminal."""
    embedded, kept = seen.chunks_embedded, seen.chunks_kept or 0
    reuse = f"{100 * kept / (embedded + kept):.0f}%" if embedded is not None and embedded + kept else "-"
    rows = [
        ("notices waiting / delayed", f"{_number(seen.waiting)} / {_number(seen.delayed)}"),
        (
            "dead letters / stream batches given up",
            f"{_number(seen.dead_letters)} / {_number(seen.stream_failures)}",
        ),
        ("items looked at", _number(seen.items)),
        ("save to searchable, p95", "-" if seen.lag_p95 is None else f"{seen.lag_p95:,.0f} ms"),
        ("stream behind by, at most", "-" if seen.iterator_age is None else f"{seen.iterator_age:,.0f} ms"),
        ("chunks embedded / reused", f"{_number(embedded)} / {reuse}"),
        ("tokens embedded", _number(seen.tokens)),
        ("spent today", _UNSEEN if seen.dollars_today is None else f"${seen.dollars_today:.4f}"),
        ("conflicts", _number(seen.conflicts)),
        ("messages not understood", _number(seen.unreadable_messages)),
        ("secrets left out", _number(seen.secrets_redacted)),
        *((f"question, p95, {name}", f"{value:,.0f} ms") for name, value in sorted(seen.latency_p95.items())),
        *([("summaries written", f"{seen.summaries}")] if seen.summaries else []),
        *((f"retried: {cause}", f"{count}") for cause, count in sorted(seen.retries.items())),
        *((f"dead-lettered: {cause}", f"{count}") for cause, count in sorted(seen.dead_lettered.items())),
    ]
    lines = [aligned((f"last {seen.minutes} minutes", ""), rows), ""]
    lines += [f"{one.level.upper():<6}{one.what}\n      -> {one.do}" for one in advised]
    return "\n".join(lines if advised else [*lines, "OK    nothing needs doing"])


_UNSEEN = "not seen"


def _number(value: int | None) -> str:
    """Return a count; what was not seen is no 0."""
    return _UNSEEN if value is None else f"{value:,}"
