"""Embeds what the works of a round lack, and counts it; what cannot be embedded now fails by itself."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.embedding.parts import Outcome, Refused, embed_each
from pipeline.embedding.tokens import estimate_tokens
from pipeline.embedding.vectors import Embedder
from pipeline.errors import (
    CapReachedError,
    EmbeddingRejectedError,
    VectorMemoryError,
    describe,
)
from pipeline.ingest.work import ItemWork, Report, Vectors
from pipeline.stores.usage import Meter, seconds_left


@dataclass(frozen=True, slots=True)
class EmbeddingWork:
    """Asks the embedder, within the tenants' caps."""

    embedder: Embedder
    meter: Meter
    now: Callable[[], datetime]
    report: Report

    def vectors(self, works: Sequence[ItemWork]) -> Vectors:
        """Return vectors of what ``works`` lack; those that must wait, or have a text that is refused, fail."""
        needy = [work for work in works if work.plan.missing]
        if not needy:
            return Vectors()
        try:
            return self._embed(needy)
        except Exception as error:  # noqa: BLE001  # what needs no embedding goes on, whatever it is
            fault = error if isinstance(error, VectorMemoryError) else VectorMemoryError(describe(error))
            self.report.failures |= {work.source: fault for work in needy}
            return Vectors()

    def _embed(self, works: Sequence[ItemWork]) -> Vectors:
        now, estimates = self.now(), _estimates(works)
        shut = _refusals(self.meter.reserve(estimates, now.date()), now)
        self.report.failures |= {
            work.source: shut[work.tenant_id] for work in works if work.tenant_id in shut
        }
        open_works = [work for work in works if work.tenant_id not in shut]
        texts = list(dict.fromkeys(text for work in open_works for text in work.texts))
        before = self.embedder.usage.tokens
        try:
            vectors = dict(zip(texts, embed_each(self.embedder, texts), strict=True))
        finally:
            asked = {tenant: tokens for tenant, tokens in estimates.items() if tenant not in shut}
            self.meter.settle(asked, self.embedder.usage.tokens - before, now.date())
        return self._told(open_works, vectors)

    def _told(self, works: Iterable[ItemWork], outcomes: Mapping[str, Outcome]) -> Vectors:
        refused = {text: one for text, one in outcomes.items() if isinstance(one, Refused)}
        self.report.failures |= {
            work.source: EmbeddingRejectedError(refused[text].reason)
            for work in works
            for text in work.texts
            if text in refused
        }
        found = {text: one for text, one in outcomes.items() if not isinstance(one, Refused)}
        self.report.chunks_embedded += len(found)
        return Vectors(found, frozenset(refused))


def _refusals(
    outcomes: Mapping[str, bool | VectorMemoryError], now: datetime
) -> dict[str, VectorMemoryError]:
    capped = CapReachedError("the tenant's daily cap is reached", retry_after_seconds=seconds_left(now))
    return {
        tenant: outcome if isinstance(outcome, VectorMemoryError) else capped
        for tenant, outcome in outcomes.items()
        if outcome is not True
    }


def _estimates(works: Iterable[ItemWork]) -> dict[str, int]:
    estimates: defaultdict[str, int] = defaultdict(int)
    for work in works:
        estimates[work.tenant_id] += sum(map(estimate_tokens, dict.fromkeys(work.texts)))
    return dict(estimates)
