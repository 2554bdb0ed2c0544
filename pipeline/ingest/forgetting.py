"""Carries out a wish to forget: marks, purges, and has looked at again what was said since."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.errors import QueueUnavailableError
from pipeline.ingest.notices import Notice
from pipeline.ingest.queue import NoticeQueue
from pipeline.ingest.wishes import Wish
from pipeline.source.documents import ItemKey
from pipeline.source.layouts import Layouts
from pipeline.stores.forgetting import Forgotten
from pipeline.stores.protocol import Store


@dataclass(frozen=True, slots=True)
class Forgetter:
    """Forgets when told.

    Args:
        layouts: tell what a key addresses.
        queue: takes the notices of what must be indexed anew.
    """

    store: Store
    layouts: Layouts
    queue: NoticeQueue

    def carry_out(self, wish: Wish) -> Forgotten:
        """Forget; a second time it only sends again the notices of what was said after the asking.

        Raises:
            StoreUnavailableError: nothing was forgotten.
            QueueUnavailableError: it is forgotten, and some notice was not taken: the wish must come again.
        """
        done = self.store.forget(wish.request)
        if self.queue.send(list(self._looks(done.again))):
            raise QueueUnavailableError(
                "the notice queue took no notice of what was said after a wish to forget"
            )
        return done

    def _looks(self, keys: tuple[ItemKey, ...]) -> Iterator[Notice]:
        for key in keys:
            address = self.layouts.address(key.table, key.to_dynamodb())
            if address is not None:
                yield Notice(address, look=True, first_sent_at=time.time())
