"""Carries out a request to forget: marks, then has every item that it may cover reconciled under the marker."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.errors import BusyError, QueueUnavailableError, RetryableError
from pipeline.ingest.notices import Notice
from pipeline.ingest.ownership import Ownership
from pipeline.ingest.queue import NoticeQueue
from pipeline.ingest.reconcile import Reconciler
from pipeline.ingest.work import Report
from pipeline.source.documents import ItemKey
from pipeline.source.layouts import Layouts
from pipeline.stores.forget_requests import ForgetRequest, Forgotten
from pipeline.stores.protocol import Store

ITEMS_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class ForgetExecutor:
    """Forgets when told.

    Args:
        layouts: tell what a key addresses, and how transitions name a user.
        queue: takes the notices of items whose remaining text could not be embedded now.
    """

    store: Store
    reconciler: Reconciler
    layouts: Layouts
    queue: NoticeQueue

    def carry_out(self, request: ForgetRequest) -> Forgotten:
        """Forget. A request that was cut short goes on where it was; one that was carried out gets its first answer.

        Raises:
            RetryableError: the marker may stand, and something that it covers is not erased yet: it must come again.
        """
        if known := self.store.forgotten(request.tenant_id, request.id):
            return known
        deleted = sum(self._carry_out(each) for each in (request, *_of_summary(request)))
        return self.store.finish(request, deleted)

    def _carry_out(self, request: ForgetRequest) -> int:
        owner = self.layouts.owner(request.tenant_id, request.user_id) if request.user_id else None
        deleted = self._mark(request, owner)
        keys = self.store.items_of(request, owner)
        for start in range(0, len(keys), ITEMS_AT_ONCE):
            deleted += self._erase(keys[start : start + ITEMS_AT_ONCE])
        return deleted

    def _mark(self, request: ForgetRequest, owner: str | None) -> int:
        """Set the marker under the user's name, and under the one by which transitions know the user."""
        if owner is not None:
            self.store.mark(replace(request, user_id=Ownership.subject(owner)))
        return self.store.mark(request)

    def _erase(self, keys: Sequence[ItemKey]) -> int:
        notices = self._notices(keys)
        report = replace(self.reconciler, all_rows=True).run(notices)
        open_items = report.sources.difference(report.applied, report.skipped)
        for source in sorted(open_items):
            error = report.failures.get(source)
            raise error if isinstance(error, RetryableError) else BusyError("an item was not erased yet")
        self._heal(notices, report)
        return report.erased

    def _notices(self, keys: Sequence[ItemKey]) -> dict[str, Notice]:
        found = ((key, self.layouts.address(key.table, key.to_dynamodb())) for key in keys)
        return {
            key.source: Notice(address, force_read=True, first_sent_at=time.time())
            for key, address in found
            if address is not None
        }

    def _heal(self, notices: Mapping[str, Notice], report: Report) -> None:
        """Have what is left of erased chunks embedded later, where the provider is away now."""
        waiting = [
            notices[source] for source, error in report.failures.items() if isinstance(error, RetryableError)
        ]
        if waiting and self.queue.send(waiting):
            raise QueueUnavailableError("the notice queue took no notice of what is left to be embedded")


def _of_summary(request: ForgetRequest) -> Sequence[ForgetRequest]:
    """Return the request about the summary of the day whose log is to be forgotten, in either layout."""
    name = request.session_key or ""
    for log, summary in (("memory:daily:", "memory:summary:"), ("DAILY#", "SUMMARY#")):
        if name.startswith(log):
            return [replace(request, session_key=summary + name.removeprefix(log))]
    return []
