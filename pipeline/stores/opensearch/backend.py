"""OpenSearch Serverless: chunks in a collection, the ledgers in a table of DynamoDB."""

from collections.abc import Callable

from pipeline.embedding.providers import space_of
from pipeline.stores.backend import Swept
from pipeline.stores.inventory import Inventory
from pipeline.stores.ledger.backend import LedgerBackend, concurrently
from pipeline.stores.opensearch.collection import Collection, connect
from pipeline.stores.opensearch.inventory import OpenSearchInventory
from pipeline.stores.opensearch.store import OpenSearchStore
from pipeline.stores.opensearch.sweep import PASS_EVERY


class OpenSearchBackend(LedgerBackend):
    """Opens collection and table."""

    def store(self) -> OpenSearchStore:
        """Return the store."""
        client, ledger, runtime = self.parts()
        space = space_of(self.settings.embedding)
        return OpenSearchStore(self._collection(), client, ledger, space, runtime, concurrently())

    def inventory(self) -> Inventory:
        """Return what reads the collection."""
        _, ledger, _ = self.parts()
        return OpenSearchInventory(self._collection(), ledger, self.mend)

    def sweep(self, seconds_left: Callable[[], float]) -> Swept:
        """Delete what a worker that was slow left behind in the collection."""
        return self.store().sweep(seconds_left, PASS_EVERY)

    def _collection(self) -> Collection:
        chosen = self.settings.store
        client = connect(chosen.require("endpoint"), *self.account.signer())
        return Collection(client, chosen.index, space_of(self.settings.embedding), chosen.generation)
