"""Talks to the ledger's table: what is held, leases, forget markers, and moving from one revision to the next."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.embedding.vectors import Space
from pipeline.errors import StoreUnavailableError
from pipeline.stores.ledger.client import Cancelled, Client
from pipeline.stores.ledger.names import (
    CHUNK_PREFIX,
    LEDGER,
    chunk_key,
    epoch_key,
    epoch_shard,
    key,
    ledger_key,
    name_of,
    state_key,
)
from pipeline.stores.ledger.rows import (
    ChunkRow,
    LedgerRow,
    UserState,
    adds_up,
    chunk_row,
    ledger_row,
    moment,
    number,
    user_state,
)
from pipeline.stores.ledger.steps import MAX_OPS, Step, Steps
from pipeline.stores.ledger.writes import OwnRows, writes_of
from pipeline.stores.protocol import Change, Held

READ_AGAIN_SECONDS = (0.01, 0.03, 0.1, 0.3)
"""A transaction that is half visible is whole within milliseconds; rows that still do not add up were tampered with."""


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
        self, client: Client, table: str, space: Space, runtime: Runtime, max_ops: int = MAX_OPS
    ) -> None:
        self._client, self.table, self._space, self._runtime = client, table, space, runtime
        self._max_ops = max_ops
        self._checked = False

    def read(self, tenant_id: str, sources: Sequence[str]) -> Mapping[str, Held]:
        """Return what is held of each item. Epochs are read first: a marker set later must make a conflict."""
        self.check_space(claim=True)
        epochs = self._epochs(tenant_id, sources)
        return {source: self._held(tenant_id, source, epochs[epoch_shard(source)]) for source in sources}

    def rows(self, tenant_id: str, source: str) -> tuple[LedgerRow, list[ChunkRow]]:
        """Return an item's ledger row and its chunk rows as they belong together."""
        for pause in (*READ_AGAIN_SECONDS, 0.0):
            ledger, rows = self._item(tenant_id, source)
            if adds_up(rows, ledger):
                break
            self._runtime.sleep(pause)
        return ledger, rows

    def lease(self, tenant_id: str, revisions: Mapping[str, int], seconds: float) -> Mapping[str, int]:
        """Take the leases that are free."""
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
                Key=ledger_key(tenant_id, source),
                UpdateExpression="REMOVE lease_until",
                ConditionExpression="revision = :revision",
                ExpressionAttributeValues={":revision": {"N": str(revision)}},
            )

    def apply(
        self,
        tenant_id: str,
        change: Change,
        own_rows: OwnRows,
        versions: Mapping[str, str] | None = None,
        indexed_at: datetime | None = None,
    ) -> bool:
        """Write a change if its revision and epoch still stand; tell whether.

        Args:
            own_rows: the store's own rows.
            versions: chunk id → version of what the store wrote of it elsewhere.
            indexed_at: default now.
        """
        self.check_space(claim=True)
        for pause in (*READ_AGAIN_SECONDS, None):
            ledger, known = self._known(tenant_id, change)
            if ledger.revision != change.expected_revision:
                return False
            steps = Steps(
                self.table,
                tenant_id,
                change,
                ledger,
                own_rows,
                self._runtime.now(),
                indexed_at,
                self._max_ops,
            )
            moved = self._carry_out(steps.cut(writes_of(change, known, versions, self._runtime.token)))
            if moved is not None:
                return moved
            if pause is not None:
                self._runtime.sleep(pause)
        raise StoreUnavailableError("the ledger's rows of an item were not readable all at once")

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

    def chunks(self, tenant_id: str, wanted: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], ChunkRow]:
        """Return those of the chunks (source, id) that the ledger lists."""
        asked = dict.fromkeys(wanted)
        names = {name_of("item", tenant_id, source): source for source, _ in asked}
        keys = [chunk_key(tenant_id, source, id_) for source, id_ in asked]
        found = ((item["pk"]["S"], chunk_row(item)) for item in self._client.get_all(self.table, keys))
        return {(names[pk], row.id): row for pk, row in found}

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

    def retained(self) -> Iterator[tuple[str, str, str]]:
        """Yield tenant, source and id of every chunk that has lost something of its item, across tenants."""
        rows = list(self._client.scan(self.table))
        places = {row["pk"]["S"]: row for row in rows if row["sk"]["S"] == LEDGER}
        for row in rows:
            if row["sk"]["S"].startswith(CHUNK_PREFIX) and row["lost"]["S"] != "{}":
                place = places[row["pk"]["S"]]
                yield place["tenant_id"]["S"], place["source"]["S"], chunk_row(row).id

    def expiries(self) -> Mapping[tuple[str, str], datetime | None]:
        """Return when DynamoDB's TTL may take each item away, by tenant and source."""
        return {
            (row["tenant_id"]["S"], row["source"]["S"]): moment(row, "expires_at")
            for row in self._client.scan(self.table)
            if row["sk"]["S"] == LEDGER
        }

    def _item(self, tenant_id: str, source: str) -> tuple[LedgerRow, list[ChunkRow]]:
        pk = {"S": name_of("item", tenant_id, source)}
        ledger, rows = LedgerRow(), []
        for item in self._client.query(self.table, "pk = :pk", {":pk": pk}):
            if item["sk"]["S"].startswith(CHUNK_PREFIX):
                rows.append(chunk_row(item))
            else:
                ledger = ledger_row(item)
        return ledger, rows

    def _held(self, tenant_id: str, source: str, epoch: int) -> Held:
        return _held(*self.rows(tenant_id, source), epoch)

    def epoch(self, tenant_id: str, source: str) -> int:
        """Return how often the tenant was asked to forget, as writers of this item check it."""
        return self._epochs(tenant_id, [source])[epoch_shard(source)]

    def _epochs(self, tenant_id: str, sources: Sequence[str]) -> Mapping[int, int]:
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
                Key=ledger_key(tenant_id, source),
                UpdateExpression="SET lease_until = :until, revision = :one, tenant_id = :tenant, #source = :source",
                ConditionExpression="attribute_not_exists(pk)",
                ExpressionAttributeNames={"#source": "source"},
                ExpressionAttributeValues={**values, **names},
            )
        return self._client.update(
            self.table,
            Key=ledger_key(tenant_id, source),
            UpdateExpression="SET lease_until = :until",
            ConditionExpression="revision = :revision AND (attribute_not_exists(lease_until) OR lease_until <= :now)",
            ExpressionAttributeValues={**values, ":revision": {"N": str(revision)}, ":now": {"N": str(now)}},
        )

    def _known(self, tenant_id: str, change: Change) -> tuple[LedgerRow, Mapping[str, ChunkRow]]:
        """Return the ledger row and the rows of the chunks that the change touches."""
        upserted = [chunk.id for chunk, _ in change.upserts]
        ids = dict.fromkeys((*change.deletes, *upserted, *change.lost))
        keys = [ledger_key(tenant_id, change.source)]
        keys += [chunk_key(tenant_id, change.source, id_) for id_ in ids]
        items = self._client.get_all(self.table, keys)
        rows = [chunk_row(item) for item in items if item["sk"]["S"].startswith(CHUNK_PREFIX)]
        ledger = next((item for item in items if not item["sk"]["S"].startswith(CHUNK_PREFIX)), None)
        return ledger_row(ledger), {row.id: row for row in rows}

    def _carry_out(self, steps: Sequence[Step]) -> bool | None:
        """Run the transactions; tell whether all were carried out, or ``None`` to begin again with what is known."""
        for step in steps:
            try:
                self._client.transact(self.table, step.ops)
            except Cancelled as cancelled:
                if cancelled.failed & {0, 1} or step is not steps[0]:
                    return False
                return None
        return True


def _held(ledger: LedgerRow, rows: Sequence[ChunkRow], epoch: int) -> Held:
    return Held(
        ledger.revision,
        ledger.position,
        tuple(row.held for row in rows),
        epoch,
        ledger.created_at,
        ledger.applying,
    )
