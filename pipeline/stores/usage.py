"""The usage ledger's port: what each tenant had embedded, a day. Pure.

Tokens are reserved by estimate before the provider is asked, and set right by its own count afterwards; so that a
worker that dies in between has counted, and a call whose chunks were then lost to a conflict stays counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import ClassVar, Protocol

from pipeline.errors import StoreBusyError, StoreUnavailableError, VectorMemoryError
from pipeline.stores.outcomes import outcomes


@dataclass(frozen=True, slots=True)
class DayOfUse:
    """One tenant's use of one model on one day (UTC)."""

    tenant_id: str
    day: date
    model: str
    tokens: int
    dollars: float


class UsageBook(Protocol):
    """Reads the counts of all tenants, and sets caps. Every method raises StoreUnavailableError when it is away."""

    def report(self, since: date, tenant_id: str | None = None) -> Sequence[DayOfUse]:
        """Return what was used since a day, by day, tenant and model."""
        ...

    def cap(self, tenant_id: str, daily_tokens: int | None) -> None:
        """Set a tenant's own cap; ``None`` takes it away."""
        ...


class SeveralUses(Protocol):
    """Counts for several tenants in one round trip: all of it, or nothing and an error."""

    def reserve(self, tokens: Mapping[str, int], day: date) -> Mapping[str, bool]:
        """Count tokens (tenant → tokens) of each that had not reached its cap; tell which."""
        ...

    def correct(self, tokens: Mapping[str, int], day: date) -> None:
        """Add tokens (tenant → tokens), whatever the caps."""
        ...


class UsageLedger(Protocol):
    """Counts. Every method raises StoreUnavailableError when it is away."""

    @property
    def several(self) -> SeveralUses | None:
        """What it does for several tenants at once; ``None`` where each is a request of its own anyway."""
        ...

    def reserve(self, tenant_id: str, tokens: int, day: date) -> bool:
        """Count ``tokens`` as used, unless the tenant had reached its daily cap; tell whether they were.

        The cap is looked at before, so a tenant may pass it by the tokens of one invocation; no text is too long for it.
        """
        ...

    def correct(self, tenant_id: str, tokens: int, day: date) -> None:
        """Add ``tokens``, which may be negative, whatever the cap."""
        ...


@dataclass(frozen=True, slots=True)
class Uncounted:
    """A ledger that keeps no book and knows no cap."""

    several: ClassVar[None] = None

    def reserve(self, tenant_id: str, tokens: int, day: date) -> bool:  # noqa: ARG002  # it keeps nothing
        """Allow everything."""
        return True

    def correct(self, tenant_id: str, tokens: int, day: date) -> None:
        """Do nothing."""


@dataclass(slots=True)
class Meter:
    """Counts what is asked of a provider for several tenants at once.

    Args:
        ledger: holds the counts.
        owed: corrections that the ledger has not taken yet, by tenant and day.
    """

    ledger: UsageLedger
    owed: dict[tuple[str, date], int] = field(default_factory=dict)

    def reserve(self, estimates: Mapping[str, int], day: date) -> Mapping[str, bool | VectorMemoryError]:
        """Reserve tokens (tenant → estimate); tell of each tenant whether its cap left room, or what went wrong with it."""
        several = self.ledger.several
        return outcomes(
            estimates,
            lambda tenant, tokens: self.ledger.reserve(tenant, tokens, day),
            partial(several.reserve, day=day) if several else None,
        )

    def settle(self, estimates: Mapping[str, int], tokens: int, day: date) -> None:
        """Set reservations right: the provider counted ``tokens`` for all of them together.

        While the ledger is away the correction is kept, and made with the next one.
        """
        shares = apportioned(tokens, estimates)
        self.add({tenant_id: shares[tenant_id] - tokens for tenant_id, tokens in estimates.items()}, day)

    def add(self, tokens: Mapping[str, int], day: date) -> None:
        """Count tokens (tenant → tokens) that were asked for without a reservation, whatever the cap."""
        for tenant_id, more in tokens.items():
            self.owed[tenant_id, day] = self.owed.get((tenant_id, day), 0) + more
        try:
            for when in sorted({when for _, when in self.owed}):
                self._pay(when)
        except (StoreUnavailableError, StoreBusyError):
            return

    def _pay(self, day: date) -> None:
        due = {tenant: tokens for (tenant, when), tokens in sorted(self.owed.items()) if when == day}
        several = self.ledger.several
        if several and len(due) > 1:
            several.correct(due, day)
            for tenant_id in due:
                del self.owed[tenant_id, day]
            return
        for tenant_id, tokens in due.items():
            self.ledger.correct(tenant_id, tokens, day)
            del self.owed[tenant_id, day]


def apportioned(total: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Split ``total`` by ``weights`` into whole numbers that add up to it: largest remainders first."""
    whole = sum(weights.values())
    if not whole:
        return dict.fromkeys(weights, 0)
    shares = {name: total * weight // whole for name, weight in weights.items()}
    rest = sorted(weights, key=lambda name: (-(total * weights[name] % whole), name))
    for name in rest[: total - sum(shares.values())]:
        shares[name] += 1
    return shares


def seconds_left(now: datetime) -> float:
    """Return how long the UTC day of ``now`` still lasts."""
    midnight = datetime.combine(now.date() + timedelta(days=1), time(), now.tzinfo)
    return (midnight - now).total_seconds()
