"""The usage ledger in Postgres; each call is one short transaction of one tenant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pipeline.stores.pgvector.connection import Along, Connector
from pipeline.stores.usage import DayOfUse

# In the order of tenants, so that two who count for the same ones cannot wait for each other.
_RESERVE = """
INSERT INTO usage AS u (tenant_id, day, model, tokens, dollars)
SELECT w.tenant_id, %(day)b, %(model)b, w.tokens, w.tokens * %(price)b::numeric / 1000000
FROM unnest(%(tenants)b::text[], %(tokens)b::int8[]) AS w (tenant_id, tokens)
LEFT JOIN usage_cap c ON c.tenant_id = w.tenant_id
CROSS JOIN LATERAL (SELECT COALESCE(c.daily_tokens, %(cap)b::int8) AS tokens) AS cap
WHERE cap.tokens IS NULL
   OR cap.tokens > (SELECT COALESCE(sum(o.tokens), 0) FROM usage o WHERE o.tenant_id = w.tenant_id AND o.day = %(day)b)
ORDER BY w.tenant_id
ON CONFLICT (tenant_id, day, model) DO UPDATE
SET tokens = u.tokens + EXCLUDED.tokens, dollars = u.dollars + EXCLUDED.dollars
RETURNING tenant_id
"""

_CORRECT = """
SELECT memory_count_use(%(tenant_id)b, %(day)b, %(model)b, %(tokens)b::int8, %(price)b::numeric)
"""

_CORRECT_SEVERAL = """
SELECT memory_count_use(tenant_id, %(day)b, %(model)b, tokens, %(price)b::numeric)
FROM (SELECT * FROM unnest(%(tenants)b::text[], %(tokens)b::int8[]) AS w (tenant_id, tokens) ORDER BY tenant_id) AS w
"""

_CORRECT_ALONG = """
SELECT memory_count_use_along(%(tenant_id)b, %(day)b, %(model)b, %(tokens)b::int8, %(price)b::numeric)
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
        return self.several.reserve({tenant_id: tokens}, day)[tenant_id]

    def correct(self, tenant_id: str, tokens: int, day: date) -> None:
        """Add ``tokens``, without waiting for the disk: every question comes through here."""
        if tokens:
            parameters = {"tenant_id": tenant_id, "tokens": tokens, **self.named(day)}
            self.connector.run(tenant_id, _CORRECT, parameters)

    @property
    def several(self) -> "_SeveralUses":
        """What it does for several tenants at once, as ingest's role."""
        return _SeveralUses(self)

    def named(self, day: date) -> dict[str, Any]:
        """Return what every row of a day says of the model."""
        return {"day": day, "model": self.model, "price": str(self.dollars_per_million_tokens or 0)}


@dataclass(frozen=True, slots=True)
class _SeveralUses:
    """Counts for several tenants in one transaction."""

    ledger: PgUsageLedger

    def reserve(self, tokens: Mapping[str, int], day: date) -> Mapping[str, bool]:
        """Count tokens of each that had not reached its cap; tell which."""
        parameters = {**self._rows(tokens, day), "cap": self.ledger.daily_cap}
        with self.ledger.connector.tenants(list(tokens)) as connection:
            counted = {tenant for (tenant,) in connection.execute(_RESERVE, parameters).fetchall()}
        return {tenant: tenant in counted for tenant in tokens}

    def correct(self, tokens: Mapping[str, int], day: date) -> None:
        """Add tokens, without waiting for the disk; the function says each time whose."""
        with self.ledger.connector.tenants(list(tokens)) as connection:
            connection.execute(_CORRECT_SEVERAL, self._rows(tokens, day))

    def _rows(self, tokens: Mapping[str, int], day: date) -> dict[str, Any]:
        return {"tenants": list(tokens), "tokens": list(tokens.values()), **self.ledger.named(day)}


class UseAlong:
    """Counts use in the round trip of the question that it belongs to.

    What could not be counted then, or belonged to a question that failed, is owed, and counted with the tenant's next
    question.
    """

    several = None

    def __init__(self, ledger: PgUsageLedger) -> None:
        self._ledger = ledger
        self._owed: dict[tuple[str, date], int] = {}

    def reserve(self, tenant_id: str, tokens: int, day: date) -> bool:
        """Count ``tokens`` at once unless the cap was reached."""
        return self._ledger.reserve(tenant_id, tokens, day)

    def correct(self, tenant_id: str, tokens: int, day: date) -> None:
        """Add ``tokens`` with the next question, which is about to be asked."""
        if not tokens:
            return
        self._owed[tenant_id, day] = self._owed.get((tenant_id, day), 0) + tokens

        def parameters() -> Mapping[str, Any]:
            owed = self._owed.get((tenant_id, day), 0)
            return {"tenant_id": tenant_id, "tokens": owed, **self._ledger.named(day)}

        def told(rows: list[tuple[Any, ...]]) -> None:
            if rows[0][0]:
                self._owed.pop((tenant_id, day), None)

        self._ledger.connector.send_along(Along(tenant_id, _CORRECT_ALONG, parameters, told, before=False))


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
