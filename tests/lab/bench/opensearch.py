"""Measures the searches of the OpenSearch store on a real node: ``python -m lab.bench.opensearch``.

One request is measured, without the ledger that stands beside it. The engine is Lucene, on this machine; the service's
is another, on machines of its own. The last line of the output is one JSON object.
"""

import argparse
import json
import shutil
import statistics
import sys
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from opensearchpy import OpenSearch

from lab.bench.data import TENANT, TIME, Floats, World
from pipeline.embedding.vectors import EmbeddingSpace, Vector
from pipeline.lexical.terms import terms
from pipeline.local.opensearch_node import VERSION, OpenSearchNode
from pipeline.local.opensearch_proxy import Node, translated
from pipeline.local.processes import new_run_folder
from pipeline.stores.opensearch.candidates import OVER_FETCH, SPARE
from pipeline.stores.opensearch.collection import Collection
from pipeline.stores.opensearch.queries import Found, closest, cosine, document, index_body, scope, wordy

INDEX = "memories"
TOP_K = 10
FETCHED = OVER_FETCH * TOP_K + SPARE
USUAL, LARGE = 1_000, 10_000
"""Chunks of the usual users, and of one with many."""
AT_ONCE = 2_000
TIMEOUT_SECONDS = 120
ROUNDING = 1e-5
"""Of a cosine from a score of 32 bits."""
HEAP_MEGABYTES = 1_024
ENCODER = {"name": "sq"}
"""Lucene's scalar quantizer: seven bits a dimension instead of 32."""
Search = Callable[[Mapping[str, Any]], Any]


def main() -> int:
    """Measure once."""
    options = _parser().parse_args()
    folder = new_run_folder()
    node = OpenSearchNode(folder / "opensearch", HEAP_MEGABYTES).start()
    try:
        figures = _measured(node, options)
    finally:
        node.stop()
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench.opensearch", description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--dimensions", type=int, default=512)
    parser.add_argument("--questions", type=int, default=60, help="of each kind")
    parser.add_argument("--compressed", action="store_true", help="vectors of seven bits a dimension")
    return parser


def _measured(node: OpenSearchNode, options: argparse.Namespace) -> dict[str, Any]:
    space, world = EmbeddingSpace("bench", options.dimensions), World(dimensions=options.dimensions)
    plain = Node(node.url)
    plain.ask("PUT", f"/{INDEX}", _body(space, compressed=options.compressed))
    client = OpenSearch(hosts=[node.url], timeout=TIMEOUT_SECONDS)
    collection = Collection(client, INDEX, space, "classic")
    users = {"large": LARGE, **{f"user {number}": USUAL for number in range((options.rows - LARGE) // USUAL)}}
    started, memories, rows = time.perf_counter(), {}, 0
    for user, count in users.items():
        memory = _Memory(user, rows, world.vectors(user, count))
        for batch in memory.documents(world):
            collection.add(batch)
        rows += count
        if user in {"large", "user 0"}:
            memories[user] = memory
    seconds = time.perf_counter() - started
    plain.ask("POST", f"/{INDEX}/_flush")
    plain.ask("POST", f"/{INDEX}/_refresh")
    figures: dict[str, Any] = {
        "engine": f"OpenSearch {VERSION}, Lucene",
        "rows": rows,
        "dimensions": options.dimensions,
        "compressed": options.compressed,
        "rows_a_second": round(rows / seconds),
        "megabytes": round(node.bytes_on_disk / 1e6),
        "segments": len(plain.ask("GET", f"/_cat/segments/{INDEX}?format=json")),
    }
    for user, memory in memories.items():
        figures[f"{users[user]} chunks"] = _asked(collection, world, memory, options.questions)
    return figures


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
        """Return the share of the exactly nearest that was found; equally near ones count as well."""
        own = (self.vectors @ np.asarray(question)) / np.linalg.norm(self.vectors, axis=1)
        least = np.sort(own)[-TOP_K] / np.linalg.norm(question)
        return float(sum(cosine(one.score) >= least - ROUNDING for one in found[:TOP_K])) / TOP_K


def _body(space: EmbeddingSpace, *, compressed: bool) -> dict[str, Any]:
    body = translated(index_body(space, "classic"))
    body["settings"]["index"]["refresh_interval"] = "60s"
    if compressed:
        body["mappings"]["properties"]["embedding"]["method"]["parameters"] = {"encoder": ENCODER}
    return body


def _asked(collection: Collection, world: World, memory: _Memory, questions: int) -> dict[str, float]:
    conditions, user = scope(TENANT, memory.user), memory.user
    kinds = {
        "friendly": [world.friendly(user) for _ in range(questions)],
        "off_topic": [world.off_topic(user) for _ in range(questions)],
    }
    figures: dict[str, float] = {}
    for kind, asked in kinds.items():
        milliseconds, recalls = [], []
        collection.search(closest(asked[0], conditions, FETCHED))  # reads the files in
        for question in asked:
            started = time.perf_counter()
            found = collection.search(closest(question, conditions, FETCHED))
            milliseconds.append((time.perf_counter() - started) * 1000)
            recalls.append(memory.recall(found, question))
        figures |= {**_spread(kind, milliseconds), f"{kind}_recall": round(statistics.mean(recalls), 4)}
    return figures | _spread("words", [_words(collection, conditions, world) for _ in range(questions)])


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
