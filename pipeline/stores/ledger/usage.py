"""The usage ledger in the ledger's table: a row a tenant, day and model. The cap is looked at before, in one conditional write."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

from pipeline.stores.ledger.client import Client
from pipeline.stores.ledger.keys import key, name_of
from pipeline.stores.ledger.records import Item, number
from pipeline.stores.usage import DayOfUse

_AFTER_DATES = ":"
"""The character after the digits: a sort key from a date up to it begins with a date."""
_SINCE = "sk BETWEEN :since AND :end"


@dataclass(frozen=True, slots=True)
class DynamoDbUsageLedger:
    """Counts in the ledger's table. A tenant's own cap is the number ``daily_tokens`` of its row ``cap``.

    Args:
        dollars_per_million_tokens: of the model; ``None`` counts no dollars.
        daily_cap: tokens a tenant may use a day where it has no cap of its own; ``None`` is no cap.
    """

    several: ClassVar[None] = None
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
        added = {
            ":tenant": {"S": tenant_id},
            ":tokens": {"N": str(tokens)},
            ":dollars": {"N": f"{dollars:f}"},
        }
        return self.client.update(
            self.table,
            Key=key(name_of("usage", tenant_id), f"{day.isoformat()} {self.model}"),
            UpdateExpression="SET tenant_id = :tenant ADD tokens :tokens, dollars :dollars",
            ExpressionAttributeValues={**added, **(values or {})},
            **({"ConditionExpression": condition} if condition else {}),
        )


@dataclass(frozen=True, slots=True)
class DynamoDbUsageBook:
    """Reads the counts of all tenants: of one from its own partition, of all by a scan of the ledger's table."""

    client: Client
    table: str

    def report(self, since: date, tenant_id: str | None = None) -> Sequence[DayOfUse]:
        """Return what was used since a day, by day, tenant and model."""
        bounds = {":since": {"S": since.isoformat()}, ":end": {"S": _AFTER_DATES}}
        if tenant_id is not None:
            own = {":pk": {"S": name_of("usage", tenant_id)}, **bounds}
            rows = self.client.query(self.table, f"pk = :pk AND {_SINCE}", own)
        else:
            rows = self.client.scan(
                self.table,
                FilterExpression=f"begins_with(pk, :usage) AND {_SINCE}",
                ExpressionAttributeValues={":usage": {"S": "usage "}, **bounds},
            )
        return sorted(map(_day_of_use, rows), key=lambda row: (row.day, row.tenant_id, row.model))

    def cap(self, tenant_id: str, daily_tokens: int | None) -> None:
        """Set a tenant's own cap; ``None`` takes it away."""
        place = key(name_of("usage", tenant_id), "cap")
        if daily_tokens is None:
            self.client.delete(self.table, place)
        else:
            self.client.put(self.table, Item={**place, "daily_tokens": {"N": str(daily_tokens)}})


def _day_of_use(item: Item) -> DayOfUse:
    day, _, model = item["sk"]["S"].partition(" ")
    dollars = float(item["dollars"]["N"])
    return DayOfUse(item["tenant_id"]["S"], date.fromisoformat(day), model, number(item, "tokens"), dollars)
