"""The port that every store fills, and the values that cross it. Pure.

A store holds, per source item, a ledger row (which revision the index reflects) and the item's chunks. Writers
read the row, decide, and apply under the revision they read; if it moved meanwhile nothing of theirs is written.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from pipeline.embedding.vectors import Space, Vector
from pipeline.source.documents import Document, ItemKey
from pipeline.stores.forgetting import ForgetRequest, Forgotten, Scope, session_of


@dataclass(frozen=True, slots=True)
class Chunk:
    """A text that is embedded and found.

    Args:
        id: UUID, deterministic: the same entries of the same item give the same id.
        members: ids of the entries whose text it holds.
        fingerprint: changes whenever text, user, metadata or space do.
        metadata: ``key, kind, roles, date`` for readers, and where it stood in its document when it was written: which
            group (``place``), which part of it (``part``), its last entry (``last``) and the one before its first
            (``after``); JSON.
        spans: characters of each member's line at the end of the text, if there are several members.
        header: how many characters at the beginning of the text only readers and words need: they are not embedded.
    """

    id: str
    user_id: str
    text: str = field(repr=False)
    members: tuple[str, ...]
    fingerprint: str
    created_at: datetime | None
    metadata: Mapping[str, Any] = field(repr=False)
    spans: tuple[int, ...] = ()
    header: int = 0

    @property
    def embedded(self) -> str:
        """The text that its vector is made of."""
        return self.text[self.header :]


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
        lost: members no longer in the item → the stream position up to which they were seen there.
    """

    id: str
    members: tuple[str, ...]
    fingerprint: str
    lost: Mapping[str, str] = field(default_factory=dict)
    spans: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """What the index holds of an item.

    Args:
        revision: 0 if there is no ledger row; never reused.
        position: highest stream position known before the read that the index reflects.
        epoch: how often the tenant was asked to forget a user or a session.
        created_at: when the item last came into being, if a change said so.
        half: a change was begun and not finished, and whoever reads the item next must finish it.
    """

    revision: int = 0
    position: str = ""
    chunks: tuple[HeldChunk, ...] = ()
    epoch: int = 0
    created_at: datetime | None = None
    half: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What one reconcile writes of one item, under the revision it read.

    Args:
        upserts: chunks with their vectors.
        lost: chunk id → its new ``lost``.
        deletes: chunk ids.
        saved_at: when the newest change it reflects was saved, if known.
        expires_at: when DynamoDB's TTL may take the item away, if it may.
    """

    source: str
    expected_revision: int
    position: str
    present: bool
    expected_epoch: int = 0
    saved_at: datetime | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None
    upserts: Sequence[tuple[Chunk, Vector]] = ()
    lost: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    deletes: Sequence[str] = ()
    key: ItemKey | None = None
    name: str | None = None
    user_id: str | None = None
    updated_at: datetime | None = None
    reflected: bool = True


@dataclass(frozen=True, slots=True)
class Markers:
    """Forget markers: permanent, and stronger than whatever the source item still says.

    Args:
        times: (scope, subject as :class:`ForgetRequest` names it) → the moment up to which everything is forgotten.
    """

    times: Mapping[tuple[Scope, str], datetime] = field(default_factory=dict)

    def banned(
        self, document: Document, first_created_at: datetime | None, created_at: float | None
    ) -> frozenset[str]:
        """Return ids of the document's entries that are forgotten.

        Those said up to the marker's time; and those that do not say when, unless the item came into being later.

        Args:
            first_created_at: the item's creation as the ledger knows it.
            created_at: the same as the notice knows it, epoch seconds.
        """
        until = self._until(document)
        if until is None:
            return frozenset()
        noticed = None if created_at is None else datetime.fromtimestamp(created_at, UTC)
        known = (document.created_at, first_created_at, noticed)
        newer = any(time > until for time in known if time is not None)
        return frozenset(
            entry.id for entry in document.entries if (entry.time <= until if entry.time else not newer)
        )

    def _until(self, document: Document) -> datetime | None:
        asked: tuple[tuple[Scope, str], ...] = (
            ("user", document.user_id),
            ("session", document.name),
            ("user_session", session_of(document.user_id, document.name)),
        )
        return max((self.times[subject] for subject in asked if subject in self.times), default=None)


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
    """

    id: str
    content: str = field(repr=False)
    similarity: float
    created_at: datetime
    metadata: Mapping[str, Any] = field(repr=False)
    lexical: float = 0.0
    counts: Mapping[str, int] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk read back without a question.

    Args:
        retained: some of what it says is no longer in its item (cleared, capped, expired): only memory has it.
    """

    id: str
    content: str = field(repr=False)
    created_at: datetime
    metadata: Mapping[str, Any] = field(repr=False)
    retained: bool = False


class Store(Protocol):
    """Chunks, vectors and the ledger. Every method raises StoreUnavailableError when the store is away."""

    @property
    def space(self) -> Space:
        """The space its vectors are in."""
        ...

    @property
    def searched(self) -> Mapping[str, int]:
        """How many searches were answered so far, by strategy: ``exact``, ``bq`` or ``hnsw``.

        An empty answer of a store that chooses by itself does not say; that counts as ``auto``.
        """
        ...

    def read(self, tenant_id: str, sources: Sequence[str]) -> Mapping[str, Held]:
        """Return what is held of each item; one that is not known is ``Held()``."""
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

    def apply(self, tenant_id: str, changes: Sequence[Change]) -> frozenset[str]:
        """Write each change whose expected revision and epoch still stand, each whole or not at all.

        A backend whose transactions cannot hold a whole change writes it so that no search shows half of it, and that
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

    def forget(self, request: ForgetRequest) -> Forgotten:
        """Set a permanent marker at the moment of asking, then delete what it covers, whatever was said when.

        Whatever ingest is under way conflicts. A marker never moves back, and a request that was carried out before
        changes nothing: the answer is the first one's.
        """
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
    ) -> Sequence[Passage]:
        """Return at most ``limit`` of one user's chunks, newest first (or oldest first); of one moment, by id."""
        ...
