"""What is left of a chunk when some of what it says must go and the rest stays. Pure but for what it reads of the store."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from pipeline.embedding.vectors import placeholder
from pipeline.errors import StoreUnavailableError
from pipeline.ingest.chunking import Chunker
from pipeline.ingest.notices import Notice
from pipeline.ingest.plan import Plan, stub
from pipeline.ingest.work import Work
from pipeline.stores.protocol import Chunk, Held, Store


@dataclass(frozen=True, slots=True)
class Remainders:
    """Makes remainders from the text that the store holds: the item does not have it any more.

    Every method raises StoreUnavailableError.
    """

    chunker: Chunker
    store: Store

    def completed(self, notice: Notice, held: Held, plan: Plan) -> Plan:
        """Return ``plan`` with what is left of chunks that lose some of their entries and keep others."""
        left = self._of(notice, held, plan.cuts)
        made = {chunk.id for chunk in left.values()}  # all of a stub is its own remainder
        return replace(
            plan,
            missing=(*plan.missing, *left.values()),
            deletes=tuple(id_ for id_ in plan.deletes if id_ not in made),
            lost={**plan.lost, **_lost(plan, left)},
        )

    def forgetting_only(self, work: Work, *, rejected: bool) -> Work:
        """Return ``work`` as it is while its text cannot be embedded: what must go goes, and what stays becomes a stub.

        Args:
            rejected: it never can, so that what it would replace goes too.
        """
        plan = work.plan
        left = self._of(work.notice, work.held, plan.withdrawn)
        superseded = [id_ for id_ in plan.deletes if rejected and id_ not in plan.cuts]
        only = replace(
            plan,
            missing=(),
            deletes=tuple(dict.fromkeys((*plan.withdrawn, *superseded))),
            lost={**plan.lost, **_lost(plan, left)},
            position=work.held.position,
        )
        waiting = placeholder(self.chunker.space)
        stubs = tuple((stub(chunk), waiting) for chunk in left.values())
        return replace(work, plan=only, reflected=False, stubs=stubs)

    def _of(self, notice: Notice, held: Held, staying: Mapping[str, Collection[str]]) -> dict[str, Chunk]:
        """Return chunk id → what is left of it, with only the entries that stay."""
        wanted = [chunk for chunk in held.chunks if chunk.spans and staying.get(chunk.id)]
        if not wanted:
            return {}
        tenant_id, source = notice.address.tenant_id, notice.address.key.source
        stored = self.store.texts(tenant_id, source, [chunk.id for chunk in wanted])
        if len(stored) < len(wanted):
            raise StoreUnavailableError("a chunk went while what is left of it was read: it is tried again")
        return {
            chunk.id: self.chunker.remainder(tenant_id, source, chunk, stored[chunk.id], staying[chunk.id])
            for chunk in wanted
        }


def _lost(plan: Plan, left: Mapping[str, Chunk]) -> dict[str, dict[str, str]]:
    """Return when those entries of what is left (chunk id → what is left of it) were last seen that the item lacks."""
    return {
        chunk.id: {entry: seen for entry, seen in plan.cuts.get(id_, {}).items() if entry in chunk.members}
        for id_, chunk in left.items()
    }
