"""The usage ledger in Postgres; each call is one short transaction of one tenant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.usage import DayOfUse

_RESERVE = """
INSERT INTO usage AS u (tenant_id, day, model, tokens, dollars)
SELECT %(tenant_id)b, %(day)b, %(model)b, %(tokens)b::int8, %(tokens)b::int8 * %(price)b::numeric / 1000000
FROM (SELECT COALESCE((SELECT daily_tokens FROM usage_cap WHERE tenant_id = %(tenant_id)b), %(cap)b::int8) AS tokens) AS cap
WHERE cap.tokens IS NULL
   OR cap.tokens > (SELECT COALESCE(sum(tokens), 0) FROM usage WHERE tenant_id = %(tenant_id)b AND day = %(day)b)
ON CONFLICT (tenant_id, day, model) DO UPDATE
SET tokens = u.tokens + EXCLUDED.tokens, dollars = u.dollars + EXCLUDED.dollars
RETURNING tokens
"""

_CORRECT = """
SELECT memory_count_use(%(tenant_id)b, %(day)b, %(model)b, %(tokens)b::int8, %(price)b::numeric)
"""

_REPORT = """
SELECT tenant_id, day, model, tokens, dollars::float8 FROM usage
WHERE day >= %(since)b AND (%(tenant_id)b::text IS NULL OR tenant_id = %(tenant_id)b)
ORDER BY day, tenant_id, model
"""

_SET_CAP = """
INSERT INTO usage_cap (tenant_id, daily_tokens) VALUES (%(tenant_id)b, %(tokens)b::int8)
ON CONFLICT (tenant_id) DO UPDATE SET daily_tokens = EXCLUDED.daily_tokens
"""

_DROP_CAP = "DELETE FROM usage_cap WHERE tenant_id = %(tenant_id)b"


@dataclass(frozen=True, slots=True)
class PgUsageLedger:
    """Counts in the table ``usage``.

    Args:
        connector: connects as ingest or query; a ledger with a connection of its own is not needed.
        model: what is asked.
        dollars_per_million_tokens: of the model; ``None`` counts no dollars.
        daily_cap: tokens a tenant may use a day where ``usage_cap`` says nothing; ``None`` is no cap.
    """

    connector: Connector
    model: str
    dollars_per_million_tokens: float | None
    daily_cap: int | None = None

    def reserve(self, tenant_id: str, tokens: int, day: date) -> bool:
        """Count ``tokens`` unless the cap was reached."""
        with self.connector.tenant(tenant_id) as connection:
            parameters = {**self._row(tenant_id, tokens, day), "cap": self.daily_cap}
            return connection.execute(_RESERVE, parameters).fetchone() is not None

    def correct(self, tenant_id: str, tokens: int, day: date) -> None:
        """Add ``tokens``, without waiting for the disk: every question comes through here."""
        if tokens:
            self.connector.run(tenant_id, _CORRECT, self._row(tenant_id, tokens, day))

    def _row(self, tenant_id: str, tokens: int, day: date) -> dict[str, Any]:
        price = str(self.dollars_per_million_tokens or 0)
        return {"tenant_id": tenant_id, "tokens": tokens, "day": day, "model": self.model, "price": price}


@dataclass(frozen=True, slots=True)
class PgUsageBook:
    """Reads the ledger across tenants and sets caps, as a member of memory_operations or the owner.

    Args:
        connector: connects as a role that may see every tenant.
    """

    connector: Connector

    def report(self, since: date, tenant_id: str | None = None) -> Sequence[DayOfUse]:
        """Return what was used since a day, by day, tenant and model."""
        rows = self.connector.read(
            lambda connection: connection.execute(
                _REPORT, {"since": since, "tenant_id": tenant_id}, binary=True
            ).fetchall()
        )
        return [DayOfUse(*row) for row in rows]

    def cap(self, tenant_id: str, daily_tokens: int | None) -> None:
        """Set a tenant's own cap; ``None`` takes it away."""
        statement = _DROP_CAP if daily_tokens is None else _SET_CAP
        with self.connector.connection() as connection:
            connection.execute(statement, {"tenant_id": tenant_id, "tokens": daily_tokens})
