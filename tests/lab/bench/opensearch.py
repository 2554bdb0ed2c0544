"""Measures the searches of the OpenSearch store on a real node: ``python -m lab.bench.opensearch``.

One request is measured, without the ledger that stands beside it. The engine is Lucene, on this machine; the service's
is another, on machines of its own. The last line of the output is one JSON object.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any
from uuid import UUID

import numpy as np
from opensearchpy import OpenSearch
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from lab.bench.data import MASK_OF_NUMBER, TENANT, TIME, Floats, World
from pipeline.embedding.vectors import EmbeddingSpace, Vector
from pipeline.errors import StoreUnavailableError
from pipeline.lexical.terms import terms
from pipeline.local.opensearch_node import OpenSearchNode
from pipeline.local.opensearch_proxy import Node, translated
from pipeline.local.processes import new_run_folder
from pipeline.stores.opensearch.candidates import OVER_FETCH, SPARE
from pipeline.stores.opensearch.collection import Collection
from pipeline.stores.opensearch.queries import (
    NEAREST,
    Found,
    closest,
    document,
    index_body,
    scope,
    wordy,
)

INDEX = "memories"
TOP_K = 10
FETCHED = OVER_FETCH * TOP_K + SPARE
USUAL, LARGE = 1_000, 10_000
"""Chunks of the usual users, and of one with many."""
MEASURED = 2
"""Users whose memory is asked: the one with many chunks, and a usual one."""
AT_ONCE = 200
"""Chunks a request: few enough for one bulk, so that one that is refused was not half taken."""
REFUSED_AT_MOST, PAUSE_SECONDS = 60, 1.0
"""A node whose heap is full refuses a bulk, as the service does; ingest sends it again later, and so does this."""
TIMEOUT_SECONDS = 120
ROUNDING = 1e-6
"""Of 32 bits: so much nearer is no nearer."""
HEAP_MEGABYTES = 1_024
ENCODER = {"name": "sq"}
"""Lucene's scalar quantizer: seven bits a dimension instead of 32."""


def main() -> int:
    """Measure once."""
    options = _parser().parse_args()
    folder = new_run_folder()
    node = OpenSearchNode(folder / "opensearch", options.heap)
    try:
        figures = _measured(node.start(), options)
    finally:
        node.stop()
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench.opensearch", description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000, help="chunks of all users")
    parser.add_argument("--minutes", type=float, default=20.0, help="writing stops then, with fewer rows")
    parser.add_argument("--large", type=int, default=LARGE, help="chunks of the one user who has many")
    parser.add_argument("--usual", type=int, default=USUAL, help="chunks of every other user")
    parser.add_argument("--dimensions", type=int, default=512)
    parser.add_argument("--questions", type=int, default=60, help="of each kind")
    parser.add_argument("--nearest", type=int, nargs="+", default=[FETCHED, 200, 400, NEAREST, 2_000])
    parser.add_argument("--heap", type=int, default=HEAP_MEGABYTES, help="megabytes")
    parser.add_argument("--compressed", action="store_true", help="vectors of seven bits a dimension")
    return parser


def _measured(node: OpenSearchNode, options: argparse.Namespace) -> dict[str, Any]:
    space, world = EmbeddingSpace("bench", options.dimensions), World(dimensions=options.dimensions)
    plain = Node(node.url)
    plain.ask("PUT", f"/{INDEX}", _body(space, compressed=options.compressed))
    collection = Collection(OpenSearch(hosts=[node.url], timeout=TIMEOUT_SECONDS), INDEX, space, "classic")
    figures = _about(plain, options)
    memories, written = _written(collection, world, options)
    plain.ask("POST", f"/{INDEX}/_flush")
    plain.ask("POST", f"/{INDEX}/_refresh")
    figures |= {
        **written,
        "megabytes": round(node.bytes_on_disk / 1e6),
        "segments": len(plain.ask("GET", f"/_cat/segments/{INDEX}?format=json")),
    }
    for memory in memories:
        figures[f"{len(memory.vectors)} chunks"] = _asked(collection, world, memory, options)
    return {**figures, "load_after": os.getloadavg()[0]}


def _about(plain: Node, options: argparse.Namespace) -> dict[str, Any]:
    """Return what the figures were measured on."""
    return {
        "engine": "Lucene",
        "version": plain.ask("GET", "/")["version"]["number"],
        "heap_megabytes": options.heap,
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "dimensions": options.dimensions,
        "compressed": options.compressed,
    }


def _written(
    collection: Collection, world: World, options: argparse.Namespace
) -> tuple[list["_Memory"], dict[str, Any]]:
    """Write users until there are rows enough, or no time is left; return the large user's memory and a usual one's."""
    memories: list[_Memory] = []
    add = Retrying(
        retry=retry_if_exception_type(StoreUnavailableError),
        stop=stop_after_attempt(REFUSED_AT_MOST),
        wait=wait_fixed(PAUSE_SECONDS),
        reraise=True,
    )
    started, rows, refused = time.perf_counter(), 0, 0
    for user, count in _users(options.rows, options.large, options.usual):
        memory = _Memory(user, rows, world.vectors(user, count))
        for batch in memory.documents(world):
            add(collection.add, batch)
            refused += add.statistics["attempt_number"] - 1
        rows += count
        memories = memories if len(memories) == MEASURED else [*memories, memory]
        seconds = time.perf_counter() - started
        sys.stderr.write(f"{rows} rows in {seconds:.0f} s\n")
        if len(memories) == MEASURED and seconds > options.minutes * 60:
            break
    return memories, {"rows": rows, "rows_a_second": round(rows / seconds), "refused": refused}


def _users(rows: int, large: int, usual: int) -> Iterator[tuple[str, int]]:
    """Yield who has how many chunks: one many, everybody else the usual number."""
    yield "large", large
    yield from ((f"user {number}", usual) for number in range((rows - large) // usual))


@dataclass(frozen=True, slots=True)
class _Memory:
    """One user's.

    Args:
        first: number of the first chunk.
    """

    user: str
    first: int
    vectors: Floats

    def documents(self, world: World) -> Iterator[list[dict[str, Any]]]:
        """Yield them, some at a time."""
        for start in range(0, len(self.vectors), AT_ONCE):
            yield [
                document(
                    TENANT,
                    f"{self.user} source",
                    world.chunk(self.first + number, self.user),
                    array("f", self.vectors[number].tobytes()),
                    "v",
                    TIME,
                )
                for number in range(start, min(start + AT_ONCE, len(self.vectors)))
            ]

    def recall(self, found: Sequence[Found], question: Vector) -> float:
        """Return the share of the exactly nearest that was found, by the vectors themselves; equally near ones count as well.

        A score would not do: of compressed vectors it is not exact.
        """
        own = (self.vectors @ np.asarray(question)) / np.linalg.norm(self.vectors, axis=1)
        least = np.sort(own)[-TOP_K] - ROUNDING * np.linalg.norm(question)
        return float(sum(own[self._place(one)] >= least for one in found[:TOP_K])) / TOP_K

    def _place(self, one: Found) -> int:
        return (UUID(one.chunk_id).int & MASK_OF_NUMBER) - self.first


def _body(space: EmbeddingSpace, *, compressed: bool) -> dict[str, Any]:
    body = translated(index_body(space, "classic"))
    body["settings"]["index"]["refresh_interval"] = "60s"
    if compressed:
        body["mappings"]["properties"]["embedding"]["method"]["parameters"] = {"encoder": ENCODER}
    return body


def _asked(
    collection: Collection, world: World, memory: _Memory, options: argparse.Namespace
) -> dict[str, float]:
    user, conditions = memory.user, scope(TENANT, memory.user)
    kinds = {
        "friendly": [world.friendly(user) for _ in range(options.questions)],
        "off_topic": [world.off_topic(user) for _ in range(options.questions)],
    }
    figures: dict[str, float] = {}
    for kind, asked in kinds.items():
        figures |= _nearest(collection, memory, asked, options.nearest, kind)
    words = [_words(collection, conditions, world) for _ in range(options.questions)]
    return figures | _spread("words", words)


def _nearest(
    collection: Collection, memory: _Memory, asked: Sequence[Vector], nearest: Sequence[int], kind: str
) -> dict[str, float]:
    """Return times and recall by how many neighbours are looked for, in turns; what is fetched stays the same."""
    conditions = scope(TENANT, memory.user)
    milliseconds: dict[int, list[float]] = {least: [] for least in nearest}
    recalls: dict[int, list[float]] = {least: [] for least in nearest}
    collection.search(closest(asked[0], conditions, FETCHED, max(nearest)))  # reads the files in
    for question, least in product(asked, nearest):
        started = time.perf_counter()
        found = collection.search(closest(question, conditions, FETCHED, least))
        milliseconds[least].append((time.perf_counter() - started) * 1000)
        recalls[least].append(memory.recall(found, question))
    figures: dict[str, float] = {}
    for least in nearest:
        name = f"{kind}_{least}"
        figures |= {
            **_spread(name, milliseconds[least]),
            f"{name}_recall": round(statistics.mean(recalls[least]), 4),
        }
    return figures


def _words(collection: Collection, conditions: Sequence[Mapping[str, Any]], world: World) -> float:
    asked = list(dict.fromkeys(terms(" ".join(world.text().split()[:8]))))
    started = time.perf_counter()
    collection.search(wordy(asked, conditions, FETCHED))
    return (time.perf_counter() - started) * 1000


def _spread(kind: str, milliseconds: Sequence[float]) -> dict[str, float]:
    return {
        f"{kind}_p50_ms": round(statistics.median(milliseconds), 1),
        f"{kind}_p95_ms": round(statistics.quantiles(milliseconds, n=20)[-1], 1),
    }


if __name__ == "__main__":
    sys.exit(main())
