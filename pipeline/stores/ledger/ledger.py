"""Talks to the ledger's table: what is held, leases, and moving from one revision to the next."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.errors import StoreUnavailableError
from pipeline.source.documents import ItemKey
from pipeline.stores.index_state import IndexDetail, IndexState, PlannedWrite
from pipeline.stores.ledger.client import Cancelled, Client
from pipeline.stores.ledger.inventory import LedgerInventory
from pipeline.stores.ledger.item_reader import READ_AGAIN_SECONDS, ItemReader
from pipeline.stores.ledger.keys import (
    BEYOND,
    HIDDEN_SHARDS,
    epoch_key,
    epoch_shard,
    item_key,
    key,
    name_of,
    since_sk,
    state_key,
)
from pipeline.stores.ledger.mutations import ExtraOperations, Mutations, PartialReadError
from pipeline.stores.ledger.records import (
    ChunkRecord,
    UserState,
    chunk_record,
    ledger_record,
    message_row,
    moment,
    number,
    strings,
    user_state,
)
from pipeline.stores.ledger.transactions import MAX_OPS, Transaction, Transactions

__all__ = ["READ_AGAIN_SECONDS", "Ledger", "Runtime"]


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a store takes from the world around it.

    Args:
        sleep: waits, in seconds.
        now: the time.
        token: a text that no other write ever has.
    """

    sleep: Callable[[float], None]
    now: Callable[[], datetime]
    token: Callable[[], str]


class Ledger:
    """The ledger of one index.

    Args:
        client: DynamoDB.
        table: the ledger's.
        space: of the vectors that the ledger's chunks have.
        max_ops: of a transaction; lower only to see more of them.
    """

    def __init__(
        self, client: Client, table: str, space: EmbeddingSpace, runtime: Runtime, max_ops: int = MAX_OPS
    ) -> None:
        self._client, self.table, self._space, self._runtime = client, table, space, runtime
        self._max_ops = max_ops
        self._checked = False
        self._items = ItemReader(client, table, runtime.sleep)

    def read(self, tenant_id: str, named: Mapping[str, AbstractSet[str]]) -> Mapping[str, IndexState]:
        """Return what is held of each item. Epochs are read first: a marker set later must make a conflict."""
        self.check_space()
        epochs = self._epochs(tenant_id, named)
        return {
            source: self._state(tenant_id, source, names, epochs[epoch_shard(source)])
            for source, names in named.items()
        }

    def detail(
        self, tenant_id: str, named: Mapping[str, AbstractSet[str] | None]
    ) -> Mapping[str, IndexDetail]:
        """Return what planning needs of each item."""
        return {source: self._detail(tenant_id, source, names) for source, names in named.items()}

    def inventory(self) -> LedgerInventory:
        """Return what reads the items and messages of all tenants."""
        return LedgerInventory(self._client, self.table, self._items)

    def lease(self, tenant_id: str, revisions: Mapping[str, int], seconds: float) -> Mapping[str, int]:
        """Take the leases that are free."""
        self.check_space(claim=True)
        leased = {source: revision or 1 for source, revision in revisions.items()}
        return {
            source: leased[source]
            for source, revision in revisions.items()
            if self._lease(tenant_id, source, revision, seconds)
        }

    def release(self, tenant_id: str, revisions: Mapping[str, int]) -> None:
        """Give leases back."""
        for source, revision in revisions.items():
            self._client.update(
                self.table,
                Key=item_key(tenant_id, source),
                UpdateExpression="REMOVE lease_until",
                ConditionExpression="revision = :revision",
                ExpressionAttributeValues={":revision": {"N": str(revision)}},
            )

    def apply(
        self,
        tenant_id: str,
        write: PlannedWrite,
        extra: ExtraOperations,
        versions: Mapping[str, str] | None = None,
    ) -> bool:
        """Write if the revision and the epoch still stand; tell whether.

        Args:
            extra: the store's own rows.
            versions: chunk id → version of what the store wrote of it elsewhere; ``None``: it writes nothing elsewhere.
        """
        self.check_space(claim=True)
        for pause in (*READ_AGAIN_SECONDS, None):
            with suppress(PartialReadError):
                ledger, known = self._items.known(tenant_id, write)
                if ledger.revision != write.expected_revision:
                    return False
                mutations = Mutations(self.table, tenant_id, write, known, versions, self._runtime.token)
                now = self._runtime.now()
                transactions = Transactions(self.table, tenant_id, write, ledger, now, self._max_ops)
                return self._carry_out(transactions.cut(mutations.of(extra)))
            if pause is not None:
                self._runtime.sleep(pause)
        raise StoreUnavailableError(
            "rows of an item do not belong together, though they were read again", retry_after_seconds=1.0
        )

    def unchanged(self, tenant_id: str, source: str) -> PlannedWrite | None:
        """Return the write that leaves an item as it is; ``None`` if it is half written, or nothing is known of it."""
        epoch = self._epochs(tenant_id, [source])[epoch_shard(source)]
        row = self._client.get(self.table, item_key(tenant_id, source))
        ledger = ledger_record(row)
        if row is None or ledger.applying:
            return None
        return PlannedWrite(
            source, ledger.revision, epoch, ledger.facts, expires_at=ledger.expires_at, reflected=False
        )

    def waits(self) -> Iterator[None]:
        """Yield, with longer and longer pauses: what is half visible is whole within them."""
        for pause in READ_AGAIN_SECONDS:
            yield
            self._runtime.sleep(pause)
        yield

    def overdue(self, before: float, limit: int) -> list[tuple[str, ItemKey]]:
        """Return at most ``limit`` items with a message that is hidden since ``before``, epoch seconds, or longer."""
        end = {":end": {"S": since_sk(before) + BEYOND}}
        shards = (name_of("hidden", str(shard)) for shard in range(HIDDEN_SHARDS))
        pages = (
            self._client.query(self.table, "pk = :pk AND sk <= :end", {":pk": {"S": pk}, **end}, Limit=limit)
            for pk in shards
        )
        found = (row for page in pages for row in islice(page, limit))
        due = sorted((row for row in found if "item_key" in row), key=lambda row: str(row["sk"]["S"]))
        return [(row["tenant_id"]["S"], ItemKey(*strings(row, "item_key"))) for row in due[:limit]]

    def indexed_until(self, tenant_id: str, user_id: str, session_key: str | None) -> datetime | None:
        """Return how fresh a user's session, or all of the user's memory, is."""
        pk = {"S": name_of("user", tenant_id, user_id)}
        rows = self._client.query(self.table, "pk = :pk", {":pk": pk})
        named = (row for row in rows if session_key is None or row.get("name", {}).get("S") == session_key)
        return max((time for row in named if (time := moment(row, "until"))), default=None)

    def check(self) -> None:
        """Ask one thing, whatever was asked before."""
        self._checked = False
        self.check_space()

    def state(self, tenant_id: str, user_id: str) -> UserState:
        """Return where a user's memory stands."""
        return user_state(self._client.get(self.table, state_key(tenant_id, user_id)))

    def outdate(self, tenant_id: str, user_id: str) -> None:
        """Move a user's state, if there is one, so that whoever keeps the user's memory reads it again."""
        self._client.update(
            self.table,
            Key=state_key(tenant_id, user_id),
            UpdateExpression="ADD revision :one",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )

    def chunks(
        self, tenant_id: str, wanted: Iterable[tuple[str, str]]
    ) -> Mapping[tuple[str, str], ChunkRecord]:
        """Return those of the chunks (source, id) that the ledger lists."""
        return self._items.chunks(tenant_id, wanted)

    def check_space(self, *, claim: bool = False) -> None:
        """Refuse an index of another space.

        Args:
            claim: a new index takes ours; whoever only reads cannot claim it.

        Raises:
            StoreUnavailableError: the table holds vectors of another space.
        """
        if self._checked:
            return
        place = key(name_of("space"), "space")
        space = {
            "model": {"S": self._space.model},
            "dimensions": {"N": str(self._space.dimensions)},
        }
        found = self._client.get(self.table, place)
        if found is None and claim:
            self._client.put(
                self.table, Item={**place, **space}, ConditionExpression="attribute_not_exists(pk)"
            )
            found = self._client.get(self.table, place)
        if found is not None and found != {**place, **space}:
            raise StoreUnavailableError(
                f"the index holds vectors of {found['model']['S']} in {found['dimensions']['N']} dimensions, "
                f"the settings say {self._space.model} in {self._space.dimensions}: correct them, or use new tables"
            )
        self._checked = found is not None

    def _state(self, tenant_id: str, source: str, names: AbstractSet[str], epoch: int) -> IndexState:
        read = self._items.messages(tenant_id, source, names)
        return IndexState(
            read.ledger.revision,
            epoch,
            read.ledger.facts,
            tuple(map(message_row, (*read.records, *read.kept))),
            read.ledger.pending > 0,
            read.ledger.applying,
        )

    def _detail(self, tenant_id: str, source: str, names: AbstractSet[str] | None) -> IndexDetail:
        read = self._items.chunks_and_kept(tenant_id, source, names)
        return IndexDetail(
            tuple(map(message_row, read.kept)), tuple(chunk_record(item).held for item in read.records)
        )

    def _epochs(self, tenant_id: str, sources: Iterable[str]) -> Mapping[int, int]:
        shards = sorted({epoch_shard(source) for source in sources})
        found = self._client.get_all(self.table, [epoch_key(tenant_id, shard) for shard in shards])
        return dict.fromkeys(shards, 0) | {int(item["sk"]["S"]): number(item, "epoch") for item in found}

    def _lease(self, tenant_id: str, source: str, revision: int, seconds: float) -> bool:
        now = self._runtime.now().timestamp()
        values = {":until": {"N": str(now + seconds)}}
        if revision == 0:
            names = {":one": {"N": "1"}, ":tenant": {"S": tenant_id}, ":source": {"S": source}}
            return self._client.update(
                self.table,
                Key=item_key(tenant_id, source),
                UpdateExpression="SET lease_until = :until, revision = :one, tenant_id = :tenant, #source = :source",
                ConditionExpression="attribute_not_exists(pk)",
                ExpressionAttributeNames={"#source": "source"},
                ExpressionAttributeValues={**values, **names},
            )
        return self._client.update(
            self.table,
            Key=item_key(tenant_id, source),
            UpdateExpression="SET lease_until = :until",
            ConditionExpression="revision = :revision AND (attribute_not_exists(lease_until) OR lease_until <= :now)",
            ExpressionAttributeValues={**values, ":revision": {"N": str(revision)}, ":now": {"N": str(now)}},
        )

    def _carry_out(self, transactions: Sequence[Transaction]) -> bool:
        """Run them; tell whether all were carried out.

        Raises:
            PartialReadError: nothing was carried out, since a record is not as it was read.
        """
        for transaction in transactions:
            try:
                self._client.transact(self.table, transaction.ops)
            except Cancelled as cancelled:
                if cancelled.failed & {0, 1} or transaction is not transactions[0]:
                    return False
                raise PartialReadError from None
        return True
