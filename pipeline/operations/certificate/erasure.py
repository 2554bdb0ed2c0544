"""Looks for what is left of a person or a session after a request to forget, in every place that memory has.

Nothing is believed because it was done: rows are read as they lie, in every space; queues are opened; the summaries that
the digest wrote are looked for in the chat app's tables; and the audit says whether the index is as the ledger would have it.
What cannot be looked at counts as left, so that nothing is certified in doubt.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.digest.days import summary_key
from pipeline.ingest.forget_messages import ForgetMessage
from pipeline.ingest.notices import Notice
from pipeline.ingest.ownership import Ownership
from pipeline.ingest.reconcile import Reconciler
from pipeline.ingest.work import ItemWork
from pipeline.operations.items.differences import Finding, differences
from pipeline.operations.items.dry_run import Items, dry_run
from pipeline.operations.items.tables import Schemas, Tables, address_of
from pipeline.operations.queues.dead_letter_messages import read_dead_letter
from pipeline.operations.queues.sqs_message import Message
from pipeline.operations.queues.stream_batches import read_batch
from pipeline.source.documents import ItemKey
from pipeline.source.layouts import Address, Layouts
from pipeline.source.times import read_time
from pipeline.stores.forget_requests import Forgotten
from pipeline.stores.inventory import Inventory, LyingRow, StoredChunk, StoredItem
from pipeline.stores.message_rows import MessageRow

PAGE = 50
PLACES = (
    "index",
    "standby space",
    "words",
    "message ledger",
    "forget marker",
    "notice queue",
    "dead-letter queue",
    "stream failure queue",
    "summaries",
    "audit",
)
"""Where is looked, in the order in which a certificate lists it."""
HARMLESS = frozenset({"missing", "unreadable", "lost"})
"""Findings of the audit that are no remains: something is not there, or never was memory."""


class Queue(Protocol):
    """A queue that was opened, see :class:`pipeline.operations.queues.queue_drain.QueueDrain`."""

    hidden: int
    emptied: bool

    @property
    def messages(self) -> Sequence[Message]: ...  # noqa: D102  # see the class


@dataclass(slots=True)
class Remains:
    """What a look came to.

    Args:
        looked_at: place → how many rows or messages were looked at.
        found: place → how many of them are left of what was to be erased, or cannot be looked at.
        notes: what is wrong, without anybody's text.
    """

    looked_at: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing is left."""
        return not self.found.total()

    def left(self, place: str, number: int, note: str) -> None:
        """Note that something is left."""
        if number:
            self.found[place] += number
            self.notes.append(f"{place}: {number} {note}")


@dataclass(frozen=True, slots=True)
class _Subject:
    """Whom or what a request is about, and the items that it may concern.

    Args:
        owner: keyed hash of the user, by which transitions call them.
    """

    forgotten: Forgotten
    owner: str | None
    items: Mapping[str, Address]

    @property
    def until(self) -> float:
        return self.forgotten.request.asked_at.timestamp()

    def concerns(self, notice: Notice) -> bool:
        """Tell whether a notice is about an item of theirs, and of a change before T or at an unknown time."""
        request, address = self.forgotten.request, notice.address
        if address.tenant_id != request.tenant_id:
            return False
        hashes = {each for one in notice.transitions for each in (one.owner_before, one.owner_after)}
        named = address.key.source in self.items or (self.owner is not None and self.owner in hashes)
        return named and (notice.saved_at is None or notice.saved_at < self.until)


@dataclass(frozen=True, slots=True)
class Search:
    """Looks for remains.

    Args:
        reconciler: says what ingest would do; it writes nothing here.
        inventory: its database role must see every tenant.
        schemas: of the chat app's tables.
        queues: place → opens the queue; the dead-letter queue and the notice queue hold notices, the other one batches.
    """

    tables: Tables
    layouts: Layouts
    reconciler: Reconciler
    inventory: Inventory
    schemas: Schemas
    queues: Mapping[str, Callable[[], AbstractContextManager[Queue]]]

    def run(self, forgotten: Forgotten) -> Remains:
        """Look everywhere."""
        remains = Remains(Counter(dict.fromkeys(PLACES, 0)))
        lying = list(self.inventory.lying(forgotten.request.tenant_id))
        items = {item[1]: item for item in self.inventory.items() if item[0] == forgotten.request.tenant_id}
        subject = self._subject(forgotten, items, lying)
        self._rows(subject, lying, items, remains)
        self._marker(subject, remains)
        for place, opened in self.queues.items():
            with opened() as queue:
                self._queue(place, queue, subject, remains)
        self._summaries(subject, remains)
        return remains

    # Which items there are to look at.

    def _subject(
        self, forgotten: Forgotten, items: Mapping[str, StoredItem], lying: Sequence[LyingRow]
    ) -> _Subject:
        request = forgotten.request
        owner = self.layouts.owner(request.tenant_id, request.user_id) if request.user_id else None
        of_user = {row.source for row in lying if row.user_id == request.user_id}
        for _, source, row in self.inventory.messages(list(items)):
            if row.user_id == request.user_id:
                of_user.add(source)
        concerned: dict[str, Address] = {}
        for source, item in items.items():
            address = self._address(item)
            if address and _is_concerned(item, address, forgotten, owner, of_user):
                concerned[source] = address
        return _Subject(forgotten, owner, concerned)

    def _address(self, item: StoredItem) -> Address | None:
        _, source, key, *_ = item
        if key is not None:
            return self.layouts.address(key.table, key.to_dynamodb())
        return address_of(source, self.schemas, self.layouts)

    # The index, the standby space, the words, the message ledger, and the audit.

    def _rows(
        self,
        subject: _Subject,
        lying: Sequence[LyingRow],
        items: Mapping[str, StoredItem],
        remains: Remains,
    ) -> None:
        rows: defaultdict[str, list[StoredChunk]] = defaultdict(list)
        for stored in self.inventory.rows(sorted(subject.items)):
            rows[stored.source].append(stored)
        works = self._works(subject, rows, remains)
        wrong = {source: list(_wrong(work, rows[source])) for source, work in works.items()}
        ids = {finding.chunk_id for findings in wrong.values() for finding in findings}
        allowed = {(row.id, row.content) for source in works for row in rows[source] if row.id not in ids}
        for row in lying:
            if _is_about(row, subject, items):
                remains.looked_at[row.place] += 1
                left = _is_left(row, subject, allowed)
                remains.left(row.place, left, "row that no live message accounts for")
        for source, work in works.items():
            self._ledger(work, subject, remains)
            remains.looked_at["audit"] += 1
            kinds = ", ".join(sorted({finding.kind for finding in wrong[source]}))
            remains.left("audit", len(wrong[source]), f"difference ({kinds})")

    def _ledger(self, work: ItemWork, subject: _Subject, remains: Remains) -> None:
        settled = work.settled
        remains.looked_at["message ledger"] += len(settled.rows)
        remains.left("message ledger", settled.erased, "message that the request covers is not erased")
        held = sum(
            _holds_text(settled.rows[id_], subject.until) for id_ in settled.hidden & settled.rows.keys()
        )
        remains.left(
            "message ledger", held, "hidden message of an unknown time, whose text waits for its record"
        )

    def _works(
        self, subject: _Subject, rows: Mapping[str, Sequence[StoredChunk]], remains: Remains
    ) -> dict[str, ItemWork]:
        works: dict[str, ItemWork] = {}
        sources = sorted(subject.items)
        for start in range(0, len(sources), PAGE):
            addresses = [subject.items[source] for source in sources[start : start + PAGE]]
            page: Items = {each.key.source: (each, self.tables.get(each.key)) for each in addresses}
            done = dry_run(self.reconciler, page)
            works |= {work.source: work for work in done.works}
            unknown = sum(len(rows[source]) for source in done.malformed if source in rows)
            remains.left("audit", unknown, "row of an item that cannot be read")
        return works

    def _marker(self, subject: _Subject, remains: Remains) -> None:
        request = subject.forgotten.request
        users = {request.user_id} if request.user_id else set()
        users |= {Ownership.subject(subject.owner)} if subject.owner else set()
        sessions = {request.session_key} if request.session_key else set()
        markers = self.reconciler.store.markers(request.tenant_id, users, sessions)
        remains.looked_at["forget marker"] = 1
        standing = request.asked_at in markers.times.get((request.scope, request.subject), ())
        remains.left(
            "forget marker", int(not standing), "marker is missing: what was forgotten could come back"
        )

    # Queues.

    def _queue(self, place: str, queue: Queue, subject: _Subject, remains: Remains) -> None:
        remains.looked_at[place] += len(queue.messages)
        about = sum(self._is_left_in(place, message, subject) for message in queue.messages)
        remains.left(place, about, "message about them, or one that cannot be read")
        unseen = queue.hidden + (not queue.emptied)
        remains.left(place, unseen, "message in flight, which cannot be looked at")

    def _is_left_in(self, place: str, message: Message, subject: _Subject) -> bool:
        if place == "stream failure queue":
            return read_batch(message.body) is None  # a batch names shards and positions, and nobody
        notice = read_dead_letter(message, self.layouts).notice
        if isinstance(notice, ForgetMessage):
            return notice.request.id == subject.forgotten.request.id
        return notice is None or subject.concerns(notice)

    # Summaries.

    def _summaries(self, subject: _Subject, remains: Remains) -> None:
        """Look for summaries that were made before T of what was forgotten; the digest takes them back when it runs next."""
        for key in _summary_keys(subject.items.values()):
            item = self.tables.get(key)
            if item is None or "sources" not in item:  # none, or the chat app's own
                continue
            remains.looked_at["summaries"] += 1
            made = read_time(item.get("updated_at", {}).get("S"))
            if made is None or made.timestamp() < subject.until:
                remains.left(
                    "summaries", 1, "summary of what was forgotten; run the digest function, or delete it"
                )


def _is_concerned(
    item: StoredItem, address: Address, forgotten: Forgotten, owner: str | None, of_user: set[str | None]
) -> bool:
    request = forgotten.request
    if request.session_key is not None and address.key.range_value not in _names(request.session_key):
        return False
    if request.user_id is None:
        return True
    facts = item[3]
    hashes = {each for event in facts.events for each in (event.before, event.after)}
    owners = {facts.user_id, address.default_user_id if facts.user_id is None else None}
    return item[1] in of_user or request.user_id in owners or (owner is not None and owner in hashes)


def _names(session_key: str) -> set[str]:
    """Return the name of a session, and of the summary of the day whose log it is."""
    summaries = {
        "memory:daily:": "memory:summary:",
        "DAILY#": "SUMMARY#",
    }
    others = {
        summary + session_key.removeprefix(log)
        for log, summary in summaries.items()
        if session_key.startswith(log)
    }
    return {session_key, *others}


def _wrong(work: ItemWork, rows: Sequence[StoredChunk]) -> Iterator[Finding]:
    return (finding for finding in differences(work, rows) if finding.kind not in HARMLESS)


def _holds_text(row: MessageRow, until: float) -> bool:
    """Tell whether a hidden message may be of before T."""
    return row.state != "erased" and (row.saved_at is None or row.saved_at < until)


def _is_about(row: LyingRow, subject: _Subject, items: Mapping[str, StoredItem]) -> bool:
    """Tell whether a row is theirs, or may be: one of an item that nobody knows, of a user whom nobody names."""
    request = subject.forgotten.request
    if row.source in subject.items:
        return True
    if row.source in items:
        return False
    if row.source is not None and (values := ItemKey.values_of(row.source)):
        of_session = request.session_key in {None, values[2]}
    else:
        of_session = request.session_key is None or row.source is not None
    return of_session and (request.user_id is None or row.user_id in {request.user_id, None, ""})


def _is_left(row: LyingRow, subject: _Subject, allowed: Iterable[tuple[str, str]]) -> int:
    if row.source in subject.items:
        return int((row.id, row.content) not in allowed)
    if row.source is None and row.created_at is not None:  # the chat app's own, as old as it says
        return int(row.created_at.timestamp() < subject.until)
    return 1


def _summary_keys(addresses: Iterable[Address]) -> Iterator[ItemKey]:
    for address in addresses:
        if address.kind == "summary":
            yield address.key
        if address.kind == "daily":
            key = address.key
            name = summary_key(address)[key.range_name]["S"]
            yield ItemKey(
                key.table, key.hash_name, key.hash_value, key.range_name, name, key.hash_type, key.range_type
            )
