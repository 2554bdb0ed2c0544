"""Deletes the documents that the ledger does not list, page by page, over as many runs as it takes.

A pass goes through the whole index once. Where it stands is a row of the ledger's table, written after each page: a run that
ends early, or fails, is continued by the next one. Two runs at once do no harm: each page may be looked at twice.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.stores.backend import Swept
from pipeline.stores.ledger.client import Client
from pipeline.stores.ledger.keys import key
from pipeline.stores.ledger.ledger import Ledger, Runtime
from pipeline.stores.opensearch.candidates import WALK
from pipeline.stores.opensearch.collection import Collection
from pipeline.stores.opensearch.queries import Found, micros

GRACE = timedelta(minutes=15)
"""What is younger may belong to a worker that has not moved the ledger yet; no function runs for so long."""
PASS_EVERY = timedelta(hours=6)
"""From the beginning of one pass to that of the next."""
PAGE_SECONDS = 20.0
"""No page is begun with less left: a slow collection's answers, twice, and the ledger's."""
NAMES = ("chunk_id", "version", "source", "tenant_id")
"""What is read of a document to know whether the ledger lists it."""
_ROW = key("sweep", "sweep")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the newest pass came.

    Args:
        began_at: when it began.
        after: place of the last document that was looked at; ``None`` if it has not begun, or is finished.
    """

    began_at: datetime
    after: Sequence[Any] | None = None


def next_run(known: Progress | None, now: datetime, every: timedelta) -> Progress | None:
    """Return where a run goes on, or begins; ``None`` while the next pass is not due. Pure."""
    if known and known.after:
        return known
    if known and now - known.began_at < every:
        return None
    return Progress(now)


class Sweep:
    """One index's.

    Args:
        client: of the ledger's table.
        every: from the beginning of one pass to that of the next.
    """

    def __init__(
        self, collection: Collection, client: Client, ledger: Ledger, runtime: Runtime, every: timedelta
    ) -> None:
        self._collection, self._client, self._ledger = collection, client, ledger
        self._runtime, self._every = runtime, every

    def run(self, seconds_left: Callable[[], float]) -> Swept:
        """Look at one page at least if there is one, and at more while there is time.

        Raises:
            StoreUnavailableError: the collection or the ledger's table is away; the next run goes on where this one came to.
        """
        now = self._runtime.now()
        progress = next_run(self._known(), now, self._every)
        if progress is None:
            return Swept(0, finished=True)
        old: list[Mapping[str, Any]] = [{"range": {"written_at": {"lt": micros(now - GRACE)}}}]
        removed = 0
        for page in self._collection.walk(old, WALK, NAMES, progress.after):
            strays = strays_of(page, self._ledger)
            self._collection.remove(strays)
            removed += len(strays)
            progress = replace(progress, after=page[-1].sort)
            self._keep(progress)
            if seconds_left() < PAGE_SECONDS:
                return Swept(removed, finished=False)
        self._keep(replace(progress, after=None))
        return Swept(removed, finished=True)

    def _known(self) -> Progress | None:
        row = self._client.get(self._ledger.table, _ROW)
        if row is None:
            return None
        began_at = datetime.fromtimestamp(float(row["began_at"]["N"]), UTC)
        return Progress(began_at, json.loads(row["after"]["S"]) if "after" in row else None)

    def _keep(self, progress: Progress) -> None:
        after = {"after": {"S": json.dumps(list(progress.after))}} if progress.after else {}
        row = {**_ROW, "began_at": {"N": f"{progress.began_at.timestamp():.6f}"}, **after}
        self._client.put(self._ledger.table, Item=row)


def strays_of(page: Sequence[Found], ledger: Ledger) -> list[str]:
    """Return the ids of the documents that no ledger row lists."""
    strays = []
    for tenant_id in sorted({one.tenant_id for one in page}):
        ours = [one for one in page if one.tenant_id == tenant_id]
        rows = ledger.chunks(tenant_id, ((one.source, one.chunk_id) for one in ours))
        strays += [
            one.document_id
            for one in ours
            if (row := rows.get((one.source, one.chunk_id))) is None or row.version != one.version
        ]
    return strays
