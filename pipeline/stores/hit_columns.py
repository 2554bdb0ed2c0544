"""The candidates of a question, a column each: ranking reads a few numbers of all of them, and texts of a handful. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, overload

from pipeline.stores.search_requests import Hit


class HitColumns(Sequence[Hit]):
    """Hits that are made when they are looked at.

    The columns are those of :class:`pipeline.stores.search_requests.Hit`, and as long as each other.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # a hit's own fields
        self,
        ids: Sequence[str] = (),
        contents: Sequence[str] = (),
        similarities: Sequence[float] = (),
        created_ats: Sequence[datetime] = (),
        metadatas: Sequence[Mapping[str, Any]] = (),
        lexicals: Sequence[float] = (),
        counts: Sequence[Mapping[str, int] | None] = (),
        tokens: Sequence[int | None] = (),
    ) -> None:
        self._columns: tuple[Sequence[Any], ...] = (
            ids,
            contents,
            similarities,
            created_ats,
            metadatas,
            lexicals,
            counts,
            tokens,
        )
        self.ids, self.similarities, self.metadatas = ids, similarities, metadatas
        self.counts, self.tokens = counts, tokens
        self._hits: list[Hit | None] = [None] * len(ids)

    def __len__(self) -> int:
        """Return how many hits there are."""
        return len(self._hits)

    @overload
    def __getitem__(self, at: int) -> Hit: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Hit]: ...
    def __getitem__(self, at: int | slice) -> Hit | Sequence[Hit]:
        """Return a hit, the same object each time."""
        if isinstance(at, slice):
            return [self[one] for one in range(*at.indices(len(self)))]
        hit = self._hits[at]
        if hit is None:
            fields: list[Any] = [column[at] for column in self._columns]
            hit = self._hits[at] = Hit(*fields)
        return hit

    def __eq__(self, other: object) -> bool:
        """Compare with any sequence of hits."""
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # as a list

    def __repr__(self) -> str:
        """Show the hits, which show no text."""
        return f"{type(self).__name__}({list(self)!r})"


def columns_of(hits: Sequence[Hit]) -> HitColumns:
    """Return ``hits`` with columns; those are made here where a store gave none."""
    return hits if isinstance(hits, HitColumns) else _Listed(hits)


class _Listed(HitColumns):
    """Columns of hits that are there already."""

    def __init__(self, hits: Sequence[Hit]) -> None:
        super().__init__()
        self._hits = list(hits)
        self.ids = [hit.id for hit in hits]
        self.similarities = [hit.similarity for hit in hits]
        self.metadatas = [hit.metadata for hit in hits]
        self.counts = [hit.counts for hit in hits]
        self.tokens = [hit.tokens for hit in hits]
