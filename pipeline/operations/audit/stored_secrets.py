"""Finds secrets that became memory before they were redacted, and makes ingest look at their items again.

Ingest reads the item, leaves its secrets out, and replaces the chunks that held them. What is kept, and not in the item
any more, is made again of its own text.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.ingest.notices import Notice
from pipeline.source.layouts import Address
from pipeline.source.redaction import Redactor
from pipeline.stores.inventory import Inventory, StoredChunk


@dataclass(frozen=True, slots=True)
class StoredSecrets:
    """Chunks that hold secrets.

    Args:
        chunks: source → ids.
        tenants: source → tenant.
        groups: group of secrets → how many.
    """

    chunks: Mapping[str, frozenset[str]]
    tenants: Mapping[str, str]
    groups: Mapping[str, int]


def stored_secrets(inventory: Inventory, redactor: Redactor) -> StoredSecrets:
    """Look through everything that is stored."""
    return secrets_in(inventory.everything(), redactor)


def secrets_in(rows: Iterable[StoredChunk], redactor: Redactor) -> StoredSecrets:
    """Return which of ``rows`` hold what the redactor would leave out."""
    chunks: defaultdict[str, set[str]] = defaultdict(set)
    tenants: dict[str, str] = {}
    groups: Counter[str] = Counter()
    for row in rows:
        if redactor.redact(row.content)[1]:
            chunks[row.source].add(row.id)
            tenants[row.source] = row.tenant_id
            groups += redactor.kinds(row.content)
    return StoredSecrets({source: frozenset(ids) for source, ids in chunks.items()}, tenants, dict(groups))


def mending_notices(
    found: StoredSecrets, addresses: Mapping[str, Address | None], now: float
) -> tuple[list[Notice], list[str]]:
    """Return the notices that mend what was found, and the sources that no notice can reach.

    Args:
        addresses: source → its address, ``None`` where it is not known.
    """
    notices = [
        Notice(address, force_read=True, redact=True, first_sent_at=now)
        for source in sorted(found.chunks)
        if (address := addresses.get(source)) is not None and address.tenant_id == found.tenants[source]
    ]
    reached = {notice.address.key.source for notice in notices}
    return notices, sorted(found.chunks.keys() - reached)
