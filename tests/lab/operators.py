"""What operators do: carry out forget requests; and when everything is at rest, audit, mend, and redrive dead letters."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lab.histories import KEY_NAMES
from lab.queue import QueueClient
from lab.table import Item, Table
from pipeline import bootstrap
from pipeline.operations.audit.audit import Audit, AuditReport, repair
from pipeline.operations.dlq.dead_letters import redrive
from pipeline.operations.queues.dead_letter_messages import Selection
from pipeline.operations.queues.queue_drain import QueueDrain, drained
from pipeline.source.documents import ItemKey
from pipeline.stores.forget_requests import ForgetRequest
from pipeline.stores.inventory import Inventory


@dataclass(frozen=True, slots=True)
class LabTables:
    """The tables as the audit reads them."""

    tables: Mapping[str, Table]

    def scan(self, table: str, segment: int, segments: int) -> Iterator[Item]:  # noqa: ARG002  # all in the first
        """Yield every item."""
        yield from list(self.tables[table].items.values()) if segment == 0 else ()

    def get(self, key: ItemKey) -> Item | None:
        """Return the item."""
        return self.tables[key.table].get(key.to_dynamodb())

    def key_types(self, table: str) -> tuple[str, str]:  # noqa: ARG002  # all alike
        """Return the types of the key attributes."""
        return "S", "S"

    def key_names(self, table: str) -> tuple[str, str]:  # noqa: ARG002  # all alike
        """Return the names of the key's attributes."""
        return KEY_NAMES


def carry_out(request: ForgetRequest) -> None:
    """Forget.

    Raises:
        RetryableError: it must be carried out once more.
    """
    bootstrap.container().forget_executor.carry_out(request)


def audit(tables: Mapping[str, Table], inventory: Inventory, settle: Callable[[], None]) -> AuditReport:
    """Compare tables and index.

    Args:
        settle: waits until what is on its way has arrived.
    """
    container = bootstrap.container()
    parts = LabTables(tables), container.layouts, container.reconciler, inventory
    return Audit(*parts, settle=settle).run(list(tables), segments=1)


def found_by(report: AuditReport) -> list[str]:
    """Return what an audit found. Items that cannot be read are no finding: their dead letters say so."""
    return [str(finding) for finding in report.findings if finding.kind not in {"malformed", "unreadable"}]


def look_after(tables: Mapping[str, Table], inventory: Inventory, sqs: QueueClient) -> list[str]:
    """Audit with repair, then redrive all dead letters, as the commands do; return what the audit found."""
    report = audit(tables, inventory, lambda: None)
    container = bootstrap.container()
    queue = container.notice_queue
    failed = repair(report, queue, inventory)
    url = container.settings.require("dead_letter_queue_url")
    with drained(QueueDrain(sqs, url, name="dead-letter queue", setting="DEAD_LETTER_QUEUE_URL")) as drain:  # type: ignore[arg-type]  # what a drain calls of it
        redrive(drain, container.layouts, Selection(), queue, time.time(), dry_run=False)
    return found_by(report) + ["a notice of the repair was not taken"] * failed
