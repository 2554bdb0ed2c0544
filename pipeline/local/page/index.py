"""The index of a running stack as it lies there, read for one person at a time."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.local.page.hits import body
from pipeline.local.page.holdings import holdings
from pipeline.local.page.people import Person
from pipeline.source.documents import ItemKey
from pipeline.stores.inventory import Inventory


@dataclass(frozen=True, slots=True)
class Index:
    """Reads as the database's owner, one reader at a time, and gives a person what is theirs.

    Args:
        sessions: name of the sessions table.
    """

    inventory: Inventory
    sessions: str
    _reading: threading.Lock = field(default_factory=threading.Lock)

    def holdings(self, person: Person) -> list[dict[str, Any]]:
        """Return everything that is held of a person, see :func:`pipeline.local.page.holdings.holdings`."""
        with self._reading:
            sources = [
                source for tenant_id, source, *_ in self.inventory.items() if tenant_id == person.tenant_id
            ]
            return holdings(person, self.inventory.rows(sources), self.inventory.messages(sources))

    def texts(self, person: Person, key: str) -> Sequence[str]:
        """Return what a search may give this person of one conversation, chunk by chunk, without headers.

        What is withheld belongs to nobody, and so is not among it.
        """
        source = ItemKey(self.sessions, "tenant_id", person.tenant_id, "session_key", key).source
        with self._reading:
            rows = self.inventory.rows([source])
        own = (person.tenant_id, person.user_id)
        return [body(row.content) for row in rows if (row.tenant_id, row.user_id) == own]
