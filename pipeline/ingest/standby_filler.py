"""Keeps two spaces in step while re-embedding: what one has of an item, and the other lacks, is embedded there as well.

The active space is reconciled with the item first, and by itself; a provider of the other one that is down delays only
that one. Whatever is missing is found anew each time, so a notice that comes again embeds only what is still missing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from pipeline.embedding.parts import Outcome, Refused, embed_each
from pipeline.embedding.tokens import estimate_tokens
from pipeline.embedding.vectors import Embedder, Vector
from pipeline.errors import CapReachedError, EmbeddingRejectedError, VectorMemoryError, describe
from pipeline.ingest.chunking import Chunker, embedded_text
from pipeline.stores.usage import Meter, Uncounted, seconds_left

MAX_ROWS = 512
"""Put in one transaction; a session of 400 KB has more."""


class Row(Protocol):
    """A chunk that one space has, see :class:`pipeline.stores.pgvector.space_copy.Lacking`."""

    @property
    def source(self) -> str: ...  # noqa: D102  # see the class
    @property
    def user_id(self) -> str: ...  # noqa: D102  # see the class
    @property
    def content(self) -> str: ...  # noqa: D102  # see the class
    @property
    def metadata(self) -> Mapping[str, Any]: ...  # noqa: D102  # see the class


class Between(Protocol):
    """Reads what one space lacks, and puts it there, see :class:`pipeline.stores.pgvector.space_copy.SpaceCopy`."""

    def behind(self, tenant_id: str, sources: Sequence[str]) -> Sequence[Any]: ...  # noqa: D102  # see the class

    def put(self, tenant_id: str, rows: Sequence[tuple[Any, Vector, str]]) -> int: ...  # noqa: D102  # see the class


@dataclass(frozen=True, slots=True)
class Filler:
    """Fills one space with what the other has.

    Args:
        between: from the one that has to the one that lacks.
        embedder: of the one that lacks.
        chunker: of the one that lacks.
        meter: counts what is asked of the embedder, and knows caps.
    """

    between: Between
    embedder: Embedder
    chunker: Chunker
    meter: Meter = field(default_factory=lambda: Meter(Uncounted()))
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def fill(self, sources_of: Mapping[str, str]) -> dict[str, VectorMemoryError]:
        """Fill in what is missing of these items (source → tenant); return failures by source."""
        failures: dict[str, VectorMemoryError] = {}
        by_tenant: dict[str, list[str]] = {}
        for source, tenant_id in sources_of.items():
            by_tenant.setdefault(tenant_id, []).append(source)
        for tenant_id, sources in by_tenant.items():
            try:
                rows = self.between.behind(tenant_id, sorted(sources))
            except VectorMemoryError as error:
                failures.update(dict.fromkeys(sources, error))
                continue
            for start in range(0, len(rows), MAX_ROWS):
                failures.update(self._fill(tenant_id, rows[start : start + MAX_ROWS]))
        return failures

    def _fill(self, tenant_id: str, rows: Sequence[Row]) -> dict[str, VectorMemoryError]:
        """Embed and put ``rows``; those with a text that the provider refuses fail alone."""
        try:
            return self._put(tenant_id, rows)
        except Exception as error:  # noqa: BLE001  # what the other space meets must not stop the active one
            ours = error if isinstance(error, VectorMemoryError) else VectorMemoryError(describe(error))
            return dict.fromkeys((row.source for row in rows), ours)

    def _put(self, tenant_id: str, rows: Sequence[Row]) -> dict[str, VectorMemoryError]:
        texts = [embedded_text(row.content, row.metadata) for row in rows]
        outcomes = self._embed(tenant_id, list(dict.fromkeys(texts)))
        found = [(row, outcomes[text]) for row, text in zip(rows, texts, strict=True)]
        ready = [
            (row, one, self.chunker.fingerprint(row.content, row.metadata))
            for row, one in found
            if not isinstance(one, Refused)
        ]
        if ready:
            self.between.put(tenant_id, ready)
        return {
            row.source: EmbeddingRejectedError(one.reason) for row, one in found if isinstance(one, Refused)
        }

    def _embed(self, tenant_id: str, texts: Sequence[str]) -> dict[str, Outcome]:
        now = self.now()
        estimates = {tenant_id: sum(map(estimate_tokens, texts))}
        reserved = self.meter.reserve(estimates, now.date())[tenant_id]
        if isinstance(reserved, VectorMemoryError):
            raise reserved
        if not reserved:
            raise CapReachedError("the tenant's daily cap is reached", retry_after_seconds=seconds_left(now))
        before = self.embedder.usage.tokens
        try:
            return dict(zip(texts, embed_each(self.embedder, texts), strict=True))
        finally:
            self.meter.settle(estimates, self.embedder.usage.tokens - before, now.date())
