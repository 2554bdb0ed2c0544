"""One request for several tenants, and each one's failure told from the others'. Pure."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from pipeline.errors import StoreUnavailableError, VectorMemoryError, describe

Given = TypeVar("Given")
Found = TypeVar("Found")


def outcomes(
    given: Mapping[str, Given],
    alone: Callable[[str, Given], Found],
    together: Callable[[Mapping[str, Given]], Mapping[str, Found]] | None,
) -> dict[str, Found | VectorMemoryError]:
    """Return what becomes of each tenant's request.

    Args:
        alone: asks for one tenant.
        together: asks for several, all or nothing; ``None``: one after the other.
    """
    if len(given) <= 1 or together is None:
        return {tenant: outcome_of(alone, tenant, own) for tenant, own in given.items()}
    try:
        return dict(together(given))
    except StoreUnavailableError:
        raise
    except Exception:  # noqa: BLE001  # whoever it is the fault of meets it again
        tenants, middle = list(given), len(given) // 2
        halves = tenants[:middle], tenants[middle:]
        found: dict[str, Found | VectorMemoryError] = {}
        for half in halves:
            found |= outcomes({tenant: given[tenant] for tenant in half}, alone, together)
        return found


def outcome_of(ask: Callable[[str, Given], Found], tenant_id: str, own: Given) -> Found | VectorMemoryError:
    """Return what one tenant's request gives, or what is wrong with it."""
    try:
        return ask(tenant_id, own)
    except StoreUnavailableError:
        raise
    except Exception as error:  # noqa: BLE001  # a bug met by one tenant must not stop its neighbours
        return error if isinstance(error, VectorMemoryError) else VectorMemoryError(describe(error))
