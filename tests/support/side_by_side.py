"""Which tests stay in one process when pytest-xdist runs the suite in two.

Each process has its own Postgres, local AWS and folders, on ports of its own, and no test reads what another wrote. So a
file stays whole for the sake of its fixtures; files that start the same large thing stay together, or it would run twice.
"""

from collections import Counter
from collections.abc import Sequence

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

LARGE = {
    "tests/e2e/": "the deployed template",
    "tests/web/": "the deployed template",
    "[real": "a real OpenSearch",
    "tests/integration/test_opensearch": "a real OpenSearch",
    "tests/faults/test_other_stores.py::test_histories_on_a_real_opensearch": "a real OpenSearch",
}
"""Part of a test's name → what it starts."""


def group(name: str) -> str:
    """Return what the test of this name stays with: the large thing that it starts, or its file."""
    return next((thing for part, thing in LARGE.items() if part in name), name.partition("::")[0])


def told_apart(names: Sequence[str]) -> list[str]:
    """Number tests that are named alike: the scheduler would take them for one, and run one."""
    seen: Counter[str] = Counter()
    told = []
    for name in names:
        told.append(f"{name} ({seen[name]})" if seen[name] else name)
        seen[name] += 1
    return told


class Scheduling(LoadScopeScheduling):
    """Hands out one group after the other, in the order of collection, to whichever process is free."""

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """Take what a process collected."""
        super().add_node_collection(node, told_apart(collection))

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)
