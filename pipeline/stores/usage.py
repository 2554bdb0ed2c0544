"""The usage ledger's port: what each tenant had embedded, a day. Pure.

Tokens are reserved by estimate before the provider is asked, and set right by its own count afterwards; so that a
worker that dies in between has counted, and a call whose chunks were then lost to a conflict stays counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Protocol

from pipeline.errors import StoreUnavailableError


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


class UsageLedger(Protocol):
    """Counts. Every method raises StoreUnavailableError when it is away."""

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

    def reserve(self, estimates: Mapping[str, int], day: date) -> frozenset[str]:
        """Reserve tokens (tenant → estimate); return the tenants whose cap is reached."""
        return frozenset(
            tenant_id
            for tenant_id, tokens in sorted(estimates.items())
            if not self.ledger.reserve(tenant_id, tokens, day)
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
            for tenant_id, when in sorted(self.owed):
                self.ledger.correct(tenant_id, self.owed[tenant_id, when], when)
                del self.owed[tenant_id, when]
        except StoreUnavailableError:
            return


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
