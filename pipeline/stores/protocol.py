"""The port that every store fills. Pure.

A store holds, per source item, a ledger row (which revision the index reflects), the rows of its messages, and its
chunks.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Protocol

from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.source.documents import ItemKey
from pipeline.stores.chunks import ListedChunk, StoredText
from pipeline.stores.forget_requests import ForgetRequest, Forgotten, Markers
from pipeline.stores.index_state import IndexDetail, IndexState, PlannedWrite
from pipeline.stores.search_requests import Filters, SearchRequest, SearchResult


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

    def search(self, request: SearchRequest) -> SearchResult:
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
