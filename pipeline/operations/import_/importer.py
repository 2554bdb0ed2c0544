"""Brings exported memory into another deployment: writes the chat app's items, and the pipeline does the rest.

Nothing is written to the index. What memory kept although its item had lost it becomes so again: it is saved, and taken
away as it was then, once ingest has seen it. So an import goes by steps, each of which waits for the one before.

An item that is there already is left alone, unless it is one that an earlier import left half-way: then that goes on.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import accumulate, groupby, islice, takewhile
from typing import TYPE_CHECKING, Any

from pipeline.errors import BusyError, InvalidRequestError
from pipeline.ingest.reconcile import Reconciler
from pipeline.operations.items.differences import differences
from pipeline.operations.items.dry_run import Items, dry_run
from pipeline.operations.items.tables import Tables
from pipeline.operations.portable.file_format import Header, PortableItem, PortableMessage
from pipeline.source.files import ITEM_BYTES
from pipeline.source.layouts import Address, Item, Layouts, normalised
from pipeline.source.table import put_if
from pipeline.stores.inventory import Inventory

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PAGE = 50
PAUSE_SECONDS = 0.5
PATIENCE_SECONDS = 900.0
"""So long nothing may come of a step before the import gives up; it can be run again."""


class ItemWriter:
    """Writes items, each only in place of the one it was made to follow.

    Args:
        client: a boto3 DynamoDB client.
    """

    def __init__(self, client: "DynamoDBClient") -> None:
        self._client = client

    def put(self, table: str, item: Item, before: Item | None, attribute: str) -> bool:
        """Write ``item`` if the table has ``before`` under its key, told by one attribute; tell whether it was so.

        Raises:
            SourceUnavailableError: throttled, refused or not reached.
        """
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(#a)"}
        if before:
            condition = {
                "ConditionExpression": "#a = :before",
                "ExpressionAttributeValues": {":before": before[attribute]},
            }
        names = {"ExpressionAttributeNames": {"#a": attribute}}
        return put_if(self._client, table, item, names | condition)


@dataclass(slots=True)
class Imported:
    """What came of an import.

    Args:
        standing: items that were there already, and are left as they are.
    """

    items: int = 0
    messages: int = 0
    standing: int = 0


@dataclass(slots=True)
class _Transfer:
    """An item on its way: the versions that are saved one after another, and how far it has come."""

    address: Address
    attribute: str
    versions: Sequence[Item]
    done: int = 0

    @property
    def current(self) -> Item | None:
        """The version that the table has now."""
        return self.versions[self.done - 1] if self.done else None


@dataclass(frozen=True, slots=True)
class Importer:
    """Imports.

    Args:
        put: see :meth:`ItemWriter.put`.
        targets: exported table → table here.
        reconciler: tells whether the index has caught up; it writes nothing here.
        sleep: waits, in seconds.
        patience_seconds: see :data:`PATIENCE_SECONDS`.
    """

    tables: Tables
    put: Callable[[str, Item, Item | None, str], bool]
    targets: Callable[[PortableItem], str]
    layouts: Layouts
    reconciler: Reconciler
    inventory: Inventory
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    patience_seconds: float = PATIENCE_SECONDS
    progress: Callable[[Imported], None] = field(default=lambda _: None)

    def run(self, header: Header, items: Iterable[PortableItem]) -> Imported:
        """Import; return what came of it once the index has all of it.

        Raises:
            InvalidRequestError: an item belongs to another tenant, or to no table.
            BusyError: the index did not catch up in time.
        """
        total, ahead = Imported(), iter(items)
        while page := list(islice(ahead, PAGE)):
            transfers = [self._transfer(header, item) for item in page]
            total.messages += self._travel(page, transfers, total)
            self.progress(total)
        return total

    def _travel(self, page: Sequence[PortableItem], transfers: Sequence[_Transfer], total: Imported) -> int:
        going = [pair for pair in zip(page, transfers, strict=True) if self._begins(pair[1])]
        total.standing += len(page) - len(going)
        total.items += len(going)
        underway = [transfer for _, transfer in going]
        while underway:
            self._arrived(underway)
            underway = [transfer for transfer in underway if self._step(transfer)]
        return sum(len(item.messages) for item, _ in going)

    def _transfer(self, header: Header, item: PortableItem) -> _Transfer:
        key = replace(item.key, table=self.targets(item))
        address = self.layouts.address(key.table, key.to_dynamodb())
        if address is None or address.tenant_id != header.tenant_id or address.kind != item.kind:
            raise InvalidRequestError(
                "the file has an item that is not the tenant's, or of another kind than its key says",
                hint="check ATTRIBUTE_NAMES, or take the file as it was exported",
            )
        names = self.layouts.names
        attribute = names["messages"].split(",")[0].strip() if item.kind == "session" else names["content"]
        form = _Form(address, names, attribute, header.exported_at)
        return _Transfer(address, attribute, _versions(form, item))

    def _begins(self, transfer: _Transfer) -> bool:
        """Save the first version, or find out which one an earlier import came to."""
        if self._step(transfer):
            return True
        there = self.tables.get(transfer.address.key)
        transfer.done = 1 + transfer.versions.index(there) if there in transfer.versions else 0
        return bool(transfer.done)

    def _step(self, transfer: _Transfer) -> bool:
        """Save the next version; tell whether there was one, and it was saved."""
        if transfer.done == len(transfer.versions):
            return False
        version, table = transfer.versions[transfer.done], transfer.address.key.table
        saved = self.put(table, version, transfer.current, transfer.attribute)
        transfer.done += saved
        return saved

    def _arrived(self, transfers: Sequence[_Transfer]) -> None:
        """Wait until the index reflects what was saved."""
        deadline, waiting = self.clock() + self.patience_seconds, list(transfers)
        while waiting := self._behind(waiting):
            if self.clock() > deadline:
                raise BusyError(
                    f"{len(waiting)} items are not indexed yet: see vector-memory status, and import again to go on"
                )
            self.sleep(PAUSE_SECONDS)

    def _behind(self, transfers: Sequence[_Transfer]) -> list[_Transfer]:
        items: Items = {each.address.key.source: (each.address, each.current) for each in transfers}
        works = {work.source: work for work in dry_run(self.reconciler, items).works}
        rows = sorted(self.inventory.rows(sorted(works)), key=lambda row: row.source)
        held = {source: list(group) for source, group in groupby(rows, key=lambda row: row.source)}
        behind = {
            source
            for source, work in works.items()
            if work.settled.hidden or any(differences(work, held.get(source, ())))
        }
        return [each for each in transfers if each.address.key.source in behind]


_Step = tuple[str, Sequence[PortableMessage]]


@dataclass(frozen=True, slots=True)
class _Form:
    """How items are written here.

    Args:
        names: our attribute name → the table's.
        attribute: of the messages or the note's text.
        expired_at: when what the old table no longer had is to expire here: TTL takes it away again.
    """

    address: Address
    names: Mapping[str, str]
    attribute: str
    expired_at: datetime


def _versions(form: _Form, item: PortableItem) -> list[Item]:
    """Return the versions of an item that are saved one after another, so that memory comes to know what it knew."""
    steps = list(_steps(item)) if item.kind == "session" else [(item.user_id, item.messages)]
    before = [_version(form, replace(item, present=True), step) for step in steps[:-1]]
    return [*before, _version(form, item, steps[-1])]


def _steps(item: PortableItem) -> Iterator[_Step]:
    """Yield whose the item is and what is in it: what was cleared, an empty item, what was capped, what is there now.

    Memory may have kept more of a conversation than an item holds, so what was cleared or capped may take several steps.
    """
    kept = [message for message in item.messages if message.state == "kept"]
    live = [message for message in item.messages if message.state != "kept"]
    cut = max((at for at, one in enumerate(kept, 1) if one.reason != "capped"), default=0)
    capped = kept[cut:]
    if capped and live and {one.user_id for one in capped} == {item.user_id} and _slides(capped, live):
        yield from _cleared(kept[:cut])
        yield from ((item.user_id, window) for window in _windows(capped, live))
    else:
        yield from _cleared(kept)
    if live or not kept:
        yield item.user_id, live


def _cleared(messages: Sequence[PortableMessage]) -> Iterator[_Step]:
    for user_id, run in groupby(messages, key=lambda message: message.user_id):
        rest = list(run)
        while rest:
            fitting = _fitting(rest)
            yield user_id, rest[:fitting]
            yield user_id, []
            rest = rest[fitting:]


def _windows(
    capped: Sequence[PortableMessage], live: Sequence[PortableMessage]
) -> Iterator[Sequence[PortableMessage]]:
    """Yield what fits into an item, from the first capped message on; each window begins with the last one's end, as a cap leaves it."""
    messages, start = [*capped, *live], 0
    while start < len(capped):
        end = start + max(2, _fitting(messages[start:]))  # neighbours stood in one item once
        yield messages[start:end]
        start = min(end - 1, len(capped))


def _slides(capped: Sequence[PortableMessage], live: Sequence[PortableMessage]) -> bool:
    """Tell whether windows show what was capped: they do if one is enough, or if no message is like another."""
    messages = [*capped, *live]
    alike = {(one.role, normalised(one.text), one.said_at) for one in messages}
    return len(alike) == len(messages) or _fitting(messages) == len(messages)


def _fitting(messages: Sequence[PortableMessage]) -> int:
    """Return how many of the first messages fit into one item, at least one."""
    sizes = accumulate(len(_json([message]).encode("utf-8", "surrogatepass")) for message in messages)
    return max(1, sum(1 for _ in takewhile(lambda size: size <= ITEM_BYTES, sizes)))


def _version(form: "_Form", item: PortableItem, step: _Step) -> Item:
    address, names, attribute = form.address, form.names, form.attribute
    user_id, messages = step
    times = {"created_at": item.created_at, "updated_at": item.updated_at}
    made: dict[str, Any] = {
        **{names[name]: {"S": value.isoformat()} for name, value in times.items() if value},
        **address.key.to_dynamodb(),
        attribute: {"S": _json(messages) if item.kind == "session" else markdown(messages, address.date)},
    }
    if user_id != address.default_user_id:
        made[names["user_id"]] = {"S": user_id}
    expires_at = item.expires_at if item.present else form.expired_at
    if expires_at:
        made[names["ttl"]] = {"N": str(int(expires_at.timestamp()))}
    return made


def _json(messages: Sequence[PortableMessage]) -> str:
    rows = [
        {
            "role": message.role,
            "content": message.text,
            **({"timestamp": message.said_at.isoformat()} if message.said_at else {}),
            **({"name": message.name} if message.name else {}),
        }
        for message in messages
    ]
    return json.dumps(rows, ensure_ascii=False)


def markdown(blocks: Sequence[PortableMessage], date: str | None) -> str:
    """Return the note that is made of these blocks, under their headings.

    Args:
        date: of the note; a block under that heading names none.
    """
    lines: list[str] = []
    heading: str | None = None
    for block in blocks:
        own = block.name or (date if heading else None)
        if own and own != heading:
            lines.append(f"## {own}")
            heading = own
        lines.append(block.text)
    return "\n\n".join(lines)
