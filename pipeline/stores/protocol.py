"""The port that every store fills, and the values that cross it. Pure.

A store holds, per source item, a ledger row (which revision the index reflects), the rows of its messages, and its
chunks. Writers read the rows, decide, and apply under the revision they read; if it moved meanwhile nothing of theirs is
written.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from pipeline.embedding.vectors import EmbeddingSpace, Vector
from pipeline.source.documents import ItemKey
from pipeline.stores.forget_requests import ForgetRequest, Forgotten, Scope, session_of

ChunkStatus = Literal["live", "mixed", "kept"]
"""What a chunk says is in its item: all of it, some of it, or none of it (memory alone has it)."""

NOBODY = ""
"""Owner of a withheld chunk. No user id is empty, so no search finds it; its text and vector wait under that name."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A text that is embedded and found.

    Args:
        id: UUID, deterministic: the same entries of the same item give the same id.
        members: ids of the messages whose text it holds.
        fingerprint: changes whenever the text, what its metadata says for good, or the space do; ``""`` for one that
            waits to be embedded.
        status: see :data:`ChunkStatus`.
        metadata: ``key, kind, roles, date`` for readers, ``"embedded": false`` if only its words find it, and where it stood in its document when it was written: which
            group (``place``), which part of it (``part``), its last entry (``last``) and the one before its first
            (``after``); JSON.
        line_lengths: characters of each member's line at the end of the text, if there are several members.
        header_length: how many characters at the beginning of the text only readers and words need: they are not embedded.
    """

    id: str
    user_id: str
    text: str = field(repr=False)
    members: tuple[str, ...]
    fingerprint: str
    created_at: datetime | None
    metadata: Mapping[str, Any] = field(repr=False)
    line_lengths: tuple[int, ...] = ()
    header_length: int = 0
    status: ChunkStatus = "live"

    @property
    def embedded(self) -> str:
        """The text that its vector is made of."""
        return self.text[self.header_length :]


@dataclass(frozen=True, slots=True)
class StoredText:
    """A held chunk as it can be read back."""

    content: str = field(repr=False)
    user_id: str
    created_at: datetime
    metadata: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class HeldChunk:
    """What the index holds of a chunk, as far as deciding needs it.

    Args:
        members: ids of the messages whose text it holds.
        fingerprint: of the text that its vector is made of; ``""`` while that is not embedded.
        user_id: whose it is; :data:`NOBODY` while it is withheld.
        line_lengths: characters of each member's line at the end of the text, if there are several members.
    """

    id: str
    members: tuple[str, ...]
    fingerprint: str
    user_id: str
    status: ChunkStatus = "live"
    line_lengths: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ChunkMove:
    """A held chunk's new owner and status. Its text and vector stay as they are."""

    user_id: str
    status: ChunkStatus


MessageState = Literal["live", "kept", "unexplained", "erased"]


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One row of the message ledger: a message seen in an item and not purged. It holds no text.

    Times are epoch seconds. A live message was last seen by the item's last read, see :class:`ItemFacts`; the row says it
    only of a message that has left.

    Args:
        id: 32 hex digits, of item, name and ordinal.
        name: keyed hash of role and normalised text; transitions call it so.
        ordinal: tells apart the copies of an equal text; given once for the ledger's life.
        state: see ``docs/ledger.md``.
        user_id: whose it is; of a message that has left, whose it was then.
        said_at: the client's time. For dates and ranking only.
        saved_at: AWS's time of its newest addition; ``None`` until the transition that added it arrives.
        at_tail: that addition was at the item's end.
        met_at: our clock at the start of the read that first saw it.
        added: position of its newest addition.
        seen: highest position known before the read that last saw it.
        seen_at: our clock at the start of that read.
        resolved: position of the transition that settled it.
        reason: what that transition said: ``capped``, ``cleared`` or ``expired``.
        hidden_at: our clock when it became unexplained.
    """

    id: str
    name: str
    ordinal: int
    state: MessageState
    user_id: str
    said_at: float | None = None
    saved_at: float | None = None
    at_tail: bool = False
    met_at: float = 0.0
    added: str = ""
    seen: str = ""
    seen_at: float = 0.0
    resolved: str = ""
    reason: str = ""
    hidden_at: float | None = None


@dataclass(frozen=True, slots=True)
class ItemEvent:
    """An INSERT, an expiry, a deletion or a change of owner of an item, as its stream told it; or that a read lacked it.

    Args:
        position: in the stream.
        at: AWS's time, epoch seconds; ``None`` if the record had none.
        before: keyed hash of the owner before; ``None`` if there was none.
        after: of the owner after.
    """

    kind: Literal["inserted", "expired", "deleted", "owner", "absent"]
    position: str
    at: float | None = None
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """What the ledger knows of an item besides its messages.

    Args:
        position: highest stream position known before the read that the index reflects.
        read_at: our clock at the start of that read, epoch seconds.
        present: the last read found the item, even if what it says could not be read.
        found: position known before the last read that found it.
        user_id: whose it was then.
        events: oldest first, each once.
        hidden_since: our clock when the first message that is unexplained now became so.
    """

    position: str = ""
    read_at: float = 0.0
    present: bool = False
    found: str = ""
    user_id: str | None = None
    events: tuple[ItemEvent, ...] = ()
    hidden_since: float | None = None


@dataclass(frozen=True, slots=True)
class IndexState:
    """What the index holds of an item, as far as it tells whether there is anything to do.

    Args:
        revision: 0 if there is no ledger row; never reused.
        epoch: how often the tenant was asked to forget a user or a session.
        messages: every row that is not kept, and the kept ones whose names were asked for.
        pending: a chunk of it waits to be embedded.
        in_progress: a write was begun and not finished, and whoever reads the item next must finish it.
    """

    revision: int = 0
    epoch: int = 0
    facts: ItemFacts = ItemFacts()
    messages: tuple[MessageRow, ...] = ()
    pending: bool = False
    in_progress: bool = False


@dataclass(frozen=True, slots=True)
class IndexDetail:
    """What planning needs besides.

    Args:
        kept: the kept rows whose names were asked for, and those of messages in withheld chunks.
        chunks: those with a message that is not kept, those that are withheld, and those that hold one of ``kept``.
    """

    kept: tuple[MessageRow, ...] = ()
    chunks: tuple[HeldChunk, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedWrite:
    """What one reconcile writes of one item, under the revision and the epoch it read.

    Args:
        messages: rows of the message ledger, new or changed.
        purged: ids of rows that go.
        upserts: chunks, each with its vector; ``None`` for one that is found by its words only.
        moves: chunk id → its new owner and status.
        deletes: chunk ids.
        saved_at: when the newest change it reflects was saved, if known.
        updated_at: the chat app's own time of the version it reflects.
        expires_at: when DynamoDB's TTL may take the item away, if it may.
        key: where the item lives.
        name: the chat app's own name of the item.
        reflected: whether the index reflects the item with this; ``saved_at`` and ``updated_at`` count only then.
    """

    source: str
    expected_revision: int
    expected_epoch: int
    facts: ItemFacts
    messages: Sequence[MessageRow] = ()
    purged: Sequence[str] = ()
    upserts: Sequence[tuple[Chunk, Vector | None]] = ()
    moves: Mapping[str, ChunkMove] = field(default_factory=dict)
    deletes: Sequence[str] = ()
    saved_at: datetime | None = None
    updated_at: datetime | None = None
    expires_at: datetime | None = None
    key: ItemKey | None = None
    name: str | None = None
    reflected: bool = True


@dataclass(frozen=True, slots=True)
class Markers:
    """Forget markers: permanent, and stronger than whatever the source item still says.

    Args:
        times: (scope, subject as :class:`ForgetRequest` names it) → T of each request: what was saved before is forgotten.
            All of them count, not only the last: an item may have had another owner then.
    """

    times: Mapping[tuple[Scope, str], Sequence[datetime]] = field(default_factory=dict)

    def of_user(self, user_id: str, session_key: str) -> list[float]:
        """Return T, epoch seconds, of every request about this user here."""
        return self._of(("user", user_id), ("user_session", session_of(user_id, session_key)))

    def of_session(self, session_key: str) -> list[float]:
        """Return T, epoch seconds, of every request about this session, whoever owns it."""
        return self._of(("session", session_key))

    def _of(self, *subjects: tuple[Scope, str]) -> list[float]:
        return [time.timestamp() for subject in subjects for time in self.times.get(subject, ())]


@dataclass(frozen=True, slots=True)
class Filters:
    """What a hit must be like. An empty set asks for nothing.

    Args:
        kinds: of these kinds of document.
        roles: holding something said by one of these roles.
        keys: from the items of these names (session keys).
        excluded_keys: from none of the items of these names.
        since: said at this moment or later.
        until: said before this moment.
    """

    kinds: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    excluded_keys: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None

    def admit(self, metadata: Mapping[str, Any], time: datetime) -> bool:
        """Tell whether a chunk is of the kind asked for."""
        key = metadata.get("key")
        return (
            (not self.kinds or metadata.get("kind") in self.kinds)
            and (not self.roles or bool(self.roles.intersection(metadata.get("roles", ()))))
            and (not self.keys or key in self.keys)
            and key not in self.excluded_keys
            and (self.since is None or time >= self.since)
            and (self.until is None or time < self.until)
        )


SEEDS = 24
"""How many candidates of each kind bring along what stands beside them."""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A question to one user's memory.

    Args:
        vector: of the question, in the store's space.
        terms: of the question, as :func:`pipeline.lexical.terms.terms` makes them; none asks for vectors only.
        top_k: how many candidates of each kind.
        around: how many chunks on either side of the best :data:`SEEDS` candidates of each kind come along, as their
            item tells them. They too meet the filters.
        whole: a memory of at most so many chunks may come whole, where choosing among them takes longer than that.
    """

    tenant_id: str
    user_id: str
    vector: Vector = field(repr=False)
    top_k: int = 5
    terms: tuple[str, ...] = field(default=(), repr=False)
    filters: Filters = Filters()
    around: int = 0
    whole: int = 0


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk found.

    Args:
        similarity: cosine, from -1 to 1; higher is closer.
        lexical: how well its words fit the question's, 0 if none does; comparable within one answer only.
        counts: how often each of the question's terms occurs in it, up to
            :data:`pipeline.lexical.terms.MOST_COUNTED`; those that do not are left out. ``None``: the store does not
            know.
        tokens: see :func:`pipeline.stores.chunk_text.said_tokens`; ``None``: the store does not know.
    """

    id: str
    content: str = field(repr=False)
    similarity: float
    created_at: datetime
    metadata: Mapping[str, Any] = field(repr=False)
    lexical: float = 0.0
    counts: Mapping[str, int] | None = field(default=None, repr=False)
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ListedChunk:
    """A chunk read back without a question.

    Args:
        retained: some of what it says is no longer in its item (cleared, capped, expired): only memory has it.
    """

    id: str
    content: str = field(repr=False)
    created_at: datetime
    metadata: Mapping[str, Any] = field(repr=False)
    retained: bool = False


class SeveralTenants(Protocol):
    """What ingest asks of a store, for several tenants in one round trip: all of it happens, or none.

    Each method is given tenant → what the store's method of that name is given, and returns tenant → what that returns.
    Any error may be one tenant's doing: ask for fewer. ``StoreUnavailableError`` is nobody's.
    """

    def read(
        self, named: Mapping[str, Mapping[str, AbstractSet[str]]]
    ) -> Mapping[str, Mapping[str, IndexState]]:
        """Return tenant → item → what is held of it."""
        ...

    def detail(
        self, named: Mapping[str, Mapping[str, AbstractSet[str] | None]]
    ) -> Mapping[str, Mapping[str, IndexDetail]]:
        """Return tenant → item → what planning needs of it."""
        ...

    def lease(
        self, revisions: Mapping[str, Mapping[str, int]], seconds: float
    ) -> Mapping[str, Mapping[str, int]]:
        """Reserve items, as far as they are free."""
        ...

    def apply(self, writes: Mapping[str, Sequence[PlannedWrite]]) -> Mapping[str, frozenset[str]]:
        """Write, and return tenant → the sources of which nothing was written.

        Their revision or epoch had moved, or somebody holds them right now: :meth:`Store.apply` tells which.
        """
        ...


class Store(Protocol):
    """Chunks, vectors and the ledger. Every method raises StoreUnavailableError when the store is away."""

    @property
    def space(self) -> EmbeddingSpace:
        """The space its vectors are in."""
        ...

    @property
    def searched(self) -> Mapping[str, int]:
        """How many searches were answered so far, by strategy: ``exact``, ``bq`` or ``hnsw``.

        An empty answer of a store that chooses by itself does not say; that counts as ``auto``.
        """
        ...

    @property
    def several(self) -> SeveralTenants | None:
        """What it does for several tenants at once; ``None`` where each tenant is a request of its own anyway."""
        ...

    def read(self, tenant_id: str, named: Mapping[str, AbstractSet[str]]) -> Mapping[str, IndexState]:
        """Return what is held of each item (source → names of the messages whose kept rows are wanted too)."""
        ...

    def detail(
        self, tenant_id: str, named: Mapping[str, AbstractSet[str] | None]
    ) -> Mapping[str, IndexDetail]:
        """Return what planning needs of each item (source → names of the wanted kept rows; ``None`` for all of them).

        Its cost follows what is live and what is named, not what is kept.
        """
        ...

    def lease(self, tenant_id: str, revisions: Mapping[str, int], seconds: float) -> Mapping[str, int]:
        """Reserve items (source → revision read) for embedding; a row is made for an item that has none.

        A lease saves money, not correctness: it ends by itself, at the next apply, or by :meth:`release`.

        Returns:
            those that were free and at that revision → the revision to apply under.
        """
        ...

    def release(self, tenant_id: str, revisions: Mapping[str, int]) -> None:
        """Give leases back before their time."""
        ...

    def apply(self, tenant_id: str, writes: Sequence[PlannedWrite]) -> frozenset[str]:
        """Write each whose expected revision and epoch still stand, each whole or not at all.

        A backend whose transactions cannot hold a whole write does it so that no search shows half of it, and that
        whoever applies next finishes what a worker left behind.

        Returns:
            the sources whose revision or epoch had moved; nothing of those is to be seen.
        """
        ...

    def texts(self, tenant_id: str, source: str, ids: Sequence[str]) -> Mapping[str, StoredText]:
        """Return what is stored of these chunks of an item; those that are gone are left out."""
        ...

    def markers(self, tenant_id: str, users: AbstractSet[str], sessions: AbstractSet[str]) -> Markers:
        """Return the forget markers of these users and sessions, and of these users' sessions."""
        ...

    def mark(self, request: ForgetRequest) -> int:
        """Set a permanent marker at T and move the tenant's epoch, so that whatever ingest is under way conflicts.

        Markers add up, one for each subject and T; the same request twice is one. Rows of the chat app's own that the request covers are
        deleted at once.

        Returns:
            how many of those there were.
        """
        ...

    def items_of(self, request: ForgetRequest, owner: str | None = None) -> Sequence[ItemKey]:
        """Return the items of which the ledger has messages of the request's user or session that are not erased.

        Args:
            owner: keyed hash of the user; items with an event that names it are among them: the user may have owned them.
        """
        ...

    def finish(self, request: ForgetRequest, deleted: int) -> Forgotten:
        """Write down that a request was carried out. One that was written down before keeps its first answer."""
        ...

    def overdue(self, before: float, limit: int) -> Sequence[tuple[str, ItemKey]]:
        """Return (tenant, item) of at most ``limit`` items with a message hidden since ``before`` (epoch seconds) or longer."""
        ...

    def forgotten(self, tenant_id: str, request_id: str) -> Forgotten | None:
        """Return what became of a request; ``None`` if it was not carried out (yet)."""
        ...

    def indexed_until(self, tenant_id: str, user_id: str, session_key: str | None) -> datetime | None:
        """Return the time up to which a user's session, or the newest of all the user's items, is indexed.

        It is the chat app's own ``updated_at`` of the newest version that the index reflects; where the item has
        none, or is gone, the time that DynamoDB gave the change. ``None``: nothing of it was ever indexed.
        """
        ...

    def indexed_until_when_searched(
        self, tenant_id: str, user_id: str, session_key: str | None
    ) -> Callable[[], datetime | None]:
        """Return what tells :meth:`indexed_until` once this user's memory was searched: as it was before that search.

        A store that can ask both at once does so; another one asks right away.
        """
        ...

    def wait_until_searchable(self, tenant_id: str, user_id: str, timeout_seconds: float) -> bool:
        """Wait until a search sees everything that was applied of a user's memory; tell whether it came to that.

        Where writes are visible at once it returns at once.
        """
        ...

    def check(self) -> None:
        """Return if the store can be asked; see the class for what is raised if not."""
        ...

    def search(self, request: SearchRequest) -> Sequence[Hit]:
        """Return candidates among one user's chunks, in one round trip: the closest, and those that share words.

        The union of both lists, each at most ``top_k`` long, and what came along with them; all of a small memory, if
        the request allows that; every hit with both of its scores; closest first, ties by id.
        """
        ...

    def passages(
        self, tenant_id: str, user_id: str, filters: Filters, limit: int, *, oldest_first: bool = False
    ) -> Sequence[ListedChunk]:
        """Return at most ``limit`` of one user's chunks, newest first (or oldest first); of one moment, by id."""
        ...
