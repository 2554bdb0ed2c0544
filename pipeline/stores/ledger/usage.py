"""The usage ledger beside the ledger: a row a tenant, day and model. The cap is looked at before, in one conditional write."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from pipeline.stores.ledger.client import Client
from pipeline.stores.ledger.names import key, name_of
from pipeline.stores.ledger.rows import number


@dataclass(frozen=True, slots=True)
class DynamoDbUsageLedger:
    """Counts in the ledger's table. A tenant's own cap is the number ``daily_tokens`` of its row ``cap``.

    Args:
        dollars_per_million_tokens: of the model; ``None`` counts no dollars.
        daily_cap: tokens a tenant may use a day where it has no cap of its own; ``None`` is no cap.
    """

    client: Client
    table: str
    model: str
    dollars_per_million_tokens: float | None
    daily_cap: int | None = None

    def reserve(self, tenant_id: str, tokens: int, day: date) -> bool:
        """Count ``tokens`` unless the cap was reached."""
        own = self.client.get(self.table, key(name_of("usage", tenant_id), "cap"))
        cap = number(own, "daily_tokens") if own else self.daily_cap
        if cap is None:
            return self._add(tenant_id, tokens, day)
        if cap <= 0:
            return False
        condition = "attribute_not_exists(tokens) OR tokens < :cap"
        return self._add(tenant_id, tokens, day, condition, {":cap": {"N": str(cap)}})

    def correct(self, tenant_id: str, tokens: int, day: date) -> None:
        """Add ``tokens``."""
        if tokens:
            self._add(tenant_id, tokens, day)

    def _add(
        self,
        tenant_id: str,
        tokens: int,
        day: date,
        condition: str = "",
        values: dict[str, Any] | None = None,
    ) -> bool:
        dollars = tokens * Decimal(str(self.dollars_per_million_tokens or 0)) / 1_000_000
        added = {":tokens": {"N": str(tokens)}, ":dollars": {"N": f"{dollars:f}"}}
        return self.client.update(
            self.table,
            Key=key(name_of("usage", tenant_id), f"{day.isoformat()} {self.model}"),
            UpdateExpression="ADD tokens :tokens, dollars :dollars",
            ExpressionAttributeValues={**added, **(values or {})},
            **({"ConditionExpression": condition} if condition else {}),
        )
