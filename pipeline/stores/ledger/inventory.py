"""Reads the ledger's table across tenants, for audits. Needs a role that may scan it."""

from collections.abc import Iterator, Sequence

from pipeline.stores.inventory import StoredItem
from pipeline.stores.ledger.client import Client
from pipeline.stores.ledger.item_reader import ItemReader
from pipeline.stores.ledger.keys import LEDGER
from pipeline.stores.ledger.records import Item, ledger_record, message_row
from pipeline.stores.message_rows import MessageRow


class LedgerInventory:
    """Items and messages of all tenants. The table has no index by item, on purpose: it is scanned for every look.

    Args:
        table: the ledger's.
        items: reads one item's records.
    """

    def __init__(self, client: Client, table: str, items: ItemReader) -> None:
        self._client, self._table, self._items = client, table, items

    def messages(self, sources: Sequence[str]) -> Sequence[tuple[str, str, MessageRow]]:
        """Return tenant, source and row of every message of these items, under whatever tenant they lie."""
        wanted = set(sources)
        places = [
            (row["tenant_id"]["S"], row["source"]["S"])
            for row in self._rows("tenant_id", "source")
            if row["source"]["S"] in wanted
        ]
        return [
            (tenant_id, source, message_row(item))
            for tenant_id, source in sorted(places)
            for item in self._items.every_message(tenant_id, source)
        ]

    def items(self) -> Iterator[StoredItem]:
        """Yield every item to which something was applied, of whatever tenant."""
        for row in self._rows("tenant_id", "source", "item_key", "facts", "expires_at"):
            item = ledger_record(row)
            if "facts" in row:
                yield row["tenant_id"]["S"], row["source"]["S"], item.key, item.facts, item.expires_at

    def _rows(self, *names: str) -> Iterator[Item]:
        """Yield so much of every item's ledger row."""
        wanted = {f"#{name}": name for name in ("pk", "sk", *names)}
        rows = self._client.scan(
            self._table, ProjectionExpression=", ".join(wanted), ExpressionAttributeNames=wanted
        )
        return (row for row in rows if row["sk"]["S"] == LEDGER)
