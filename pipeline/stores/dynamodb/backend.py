"""DynamoDB alone: chunks in a table of their own, the ledgers in a second one."""

from pipeline.embedding.providers import space_of
from pipeline.stores.inventory import Inventory
from pipeline.stores.ledger.backend import LedgerBackend, concurrently
from pipeline.stores.protocol import Store


class DynamoDbBackend(LedgerBackend):
    """Opens both tables."""

    def store(self) -> Store:
        """Return the store."""
        from pipeline.stores.dynamodb.store import DynamoDbStore  # noqa: PLC0415  # numpy takes a while to import

        client, ledger, runtime = self.parts()
        space = space_of(self.settings.embedding)
        return DynamoDbStore(client, self._table, ledger, space, runtime, concurrently())

    def inventory(self) -> Inventory:
        """Return what reads the table of chunks."""
        from pipeline.stores.dynamodb.inventory import DynamoDbInventory  # noqa: PLC0415  # the same

        client, ledger, _ = self.parts()
        return DynamoDbInventory(client, self._table, ledger, self.mend)

    @property
    def _table(self) -> str:
        return self.settings.store.require("vector_table")
