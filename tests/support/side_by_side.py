"""Which tests stay in one process when pytest-xdist runs the suite in two.

Each process has its own Postgres, local AWS and folders, on ports of its own, and no test reads what another wrote. So a
file stays whole for the sake of its fixtures; files that start the same large thing stay together, or it would run twice.
"""

import re
from collections import Counter
from collections.abc import Sequence

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

LARGE = {
    r"tests/(e2e|web)/": "the deployed template",
    r"tests/contract/.*\[real-opensearch-": "a real OpenSearch",
    r"tests/integration/test_opensearch": "a real OpenSearch",
    r"tests/faults/test_other_stores.py::test_histories_on_a_real_opensearch": "a real OpenSearch",
}
"""How a test's name begins, as an expression → what it starts."""


def group(name: str) -> str:
    """Return what the test of this name stays with: the large thing that it starts, or its file."""
    return next((thing for begins, thing in LARGE.items() if re.match(begins, name)), name.partition("::")[0])


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
