"""Writes down what memory holds of a tenant or a user: what its searches show, and nothing that is hidden or erased.

What is in an item is read from the item; what has left it, from the chunks that keep it. Both are settled by the rules
that ingest goes by, so a request to forget counts from its first moment on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice

from pipeline.ingest.reconcile import Reconciler
from pipeline.ingest.work import ItemWork
from pipeline.operations.export.kept_texts import Said, said_in, taken_apart
from pipeline.operations.items.dry_run import Items, dry_run_of_damaged
from pipeline.operations.items.tables import Schemas, Tables, address_of
from pipeline.operations.portable.file_format import (
    Counts,
    Header,
    PortableItem,
    PortableMessage,
    end_line,
    header_line,
    item_lines,
)
from pipeline.source.documents import Entry
from pipeline.source.layouts import Address, Layouts
from pipeline.stores.inventory import Inventory, StoredItem
from pipeline.stores.message_rows import MessageRow

PAGE = 50


@dataclass(slots=True)
class Exporter:
    """Exports.

    Args:
        reconciler: says what memory shows; it writes nothing here.
        inventory: names the items; its database role must see every tenant.
        schemas: of the chat app's tables, for items whose key nobody wrote down.
    """

    tables: Tables
    layouts: Layouts
    reconciler: Reconciler
    inventory: Inventory
    schemas: Schemas = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)

    def lines(self, tenant_id: str, user_id: str | None) -> Iterator[str]:
        """Yield the lines of the file; what is in :attr:`counts` is right once they are all out."""
        self.counts = Counts()
        yield header_line(Header(tenant_id, user_id, datetime.now(UTC)))
        for item in self._items(tenant_id, user_id):
            self.counts.items += 1
            self.counts.messages += len(item.messages)
            yield from item_lines(item)
        yield end_line(self.counts)

    def _items(self, tenant_id: str, user_id: str | None) -> Iterator[PortableItem]:
        stored = (item for item in self.inventory.items() if item[0] == tenant_id)
        addresses = (address for item in stored if (address := self._address(item)))
        while page := list(islice(addresses, PAGE)):
            for work in self._works(page):
                item = self._item(work, user_id)
                if item.messages or (user_id in {None, item.user_id} and item.present):
                    yield item

    def _address(self, item: StoredItem) -> Address | None:
        tenant_id, source, key, *_ = item
        found = (
            self.layouts.address(key.table, key.to_dynamodb())
            if key
            else address_of(source, self.schemas, self.layouts)
        )
        if found is None or found.tenant_id != tenant_id:
            self.counts.elsewhere += 1
            return None
        return found

    def _works(self, page: Sequence[Address]) -> Sequence[ItemWork]:
        items: Items = {each.key.source: (each, self.tables.get(each.key)) for each in page}
        done = dry_run_of_damaged(self.reconciler, items)
        self.counts.unreadable += len(done.malformed) + len(done.lost)
        return done.works

    def _item(self, work: ItemWork, user_id: str | None) -> PortableItem:
        document, address = work.snapshot.reading.document, work.snapshot.notice.address
        owner = document.user_id if document else work.settled.facts.user_id or address.default_user_id
        live = [self._live(entry, work.settled.rows[entry.id], owner) for entry in work.settled.entries]
        messages = [*self._kept(work, user_id), *live]
        item = PortableItem(address.key, address.kind, owner, present=document is not None)
        if document:
            self.counts.unreadable += document.unreadable
            item = replace(
                item,
                created_at=document.created_at,
                updated_at=document.updated_at,
                expires_at=document.expires_at,
            )
        shown = tuple(message for message in messages if user_id in {None, message.user_id})
        self.counts.hidden += sum(
            work.settled.rows[id_].state != "erased" and user_id in {None, work.settled.rows[id_].user_id}
            for id_ in work.settled.hidden
        )
        return replace(item, messages=shown)

    def _live(self, entry: Entry, row: MessageRow, owner: str) -> PortableMessage:
        return PortableMessage(
            owner, entry.role, entry.text, entry.label, self._time(row.said_at), self._time(row.saved_at)
        )

    def _kept(self, work: ItemWork, user_id: str | None) -> list[PortableMessage]:
        """Return the kept messages that are shown, oldest first; of the user's, those whose text is lost are counted."""
        settled = work.settled
        rows = {
            id_: row for id_, row in settled.rows.items() if row.state == "kept" and id_ not in settled.hidden
        }
        if not rows:
            return []
        chunks = [chunk for chunk in work.chunks if not rows.keys().isdisjoint(chunk.members)]
        texts = self.reconciler.store.texts(work.tenant_id, work.source, [chunk.id for chunk in chunks])
        said = {id_: each for id_, each in said_in(chunks, texts).items() if id_ in rows}
        self.counts.unreadable += sum(
            user_id in {None, rows[id_].user_id} for id_ in rows.keys() - said.keys()
        )
        return [
            self._kept_message(said[id_], rows[id_]) for id_ in sorted(said, key=lambda id_: said[id_].place)
        ]

    def _kept_message(self, said: Said, row: MessageRow) -> PortableMessage:
        role, name, text = taken_apart(said, row, self.layouts.hasher)
        times = (self._time(row.said_at), self._time(row.saved_at))
        return PortableMessage(row.user_id, role, text, name, *times, "kept", row.reason)

    def _time(self, seconds: float | None) -> datetime | None:
        return None if seconds is None else datetime.fromtimestamp(seconds, self.layouts.zone)
