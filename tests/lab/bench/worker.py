"""One function's process, as Lambda would run it: one connection, kept warm. It says ``ready``, and does what its input tells it.

python -m lab.bench.worker questions CONNINFO USERS SECONDS SEED     one line starts it; prints each question's milliseconds
python -m lab.bench.worker ingest CONNINFO TENANTS                   each line is an event; answers each with a line
"""

import json
import random
import sys
import time
from collections.abc import Mapping
from typing import Any

from lab.bench.data import TENANT, InstantEmbedder, World
from lab.bench.handlers import CONTEXT, OK, TOP_K, wired
from pipeline.handlers import ingest, query
from pipeline.source.documents import ItemKey
from pipeline.source.layouts import Item

WORDS_A_PUT = 30
_WORDS = 20_000


def put_item(number: int, tenants: int) -> Item:
    """Return what the chat app puts: a session's first question and answer."""
    draws = random.Random(number)
    said = [
        {
            "role": role,
            "content": " ".join(f"w{int(draws.paretovariate(0.5)) % _WORDS}x" for _ in range(WORDS_A_PUT)),
            "timestamp": "2026-11-22T10:00:00Z",
        }
        for role in ("user", "assistant")
    ]
    return {
        "tenant_id": {"S": f"tenant-{number % tenants}"},
        "session_key": {"S": f"chat:{number}"},
        "user_id": {"S": "user"},
        "messages": {"S": json.dumps(said)},
    }


class Puts(Mapping[ItemKey, Item]):
    """The chat app's table: every item is made when it is read."""

    def __init__(self, tenants: int) -> None:
        self._tenants = tenants

    def __getitem__(self, key: ItemKey) -> Item:
        """Return the item."""
        return put_item(int(key.to_dynamodb()["session_key"]["S"].partition(":")[2]), self._tenants)

    def get(self, key: ItemKey, _: object = None) -> Item:
        """Return the item."""
        return self[key]

    def __iter__(self) -> Any:  # never asked
        """List nothing."""
        return iter(())

    def __len__(self) -> int:
        """Tell that it is not empty."""
        return 1


def questions(conninfo: str, users: int, seconds: float, seed: int) -> dict[str, Any]:
    """Ask the query handler until the time is over."""
    told, world = sys.stdout, World(seed)
    with wired(conninfo, InstantEmbedder(World())):

        def ask(number: int) -> float:
            body = {"query": world.text(8), "top_k": TOP_K, "min_confidence": 0}
            event = {"tenant_id": TENANT, "user_id": f"user-{number % users}", "body": body}
            started = time.perf_counter()
            found = query.handler(event, CONTEXT)
            if found["statusCode"] != OK:
                raise RuntimeError("the query handler did not answer")
            return (time.perf_counter() - started) * 1000

        for number in range(8):
            ask(number)
        print("ready", file=told, flush=True)
        sys.stdin.readline()
        times: list[float] = []
        ends = time.perf_counter() + seconds
        while time.perf_counter() < ends:
            times.append(ask(seed * 7 + len(times)))
    return {"times": times}


def take_events(conninfo: str, tenants: int) -> None:
    """Hand the ingest handler one event after the other."""
    told = sys.stdout
    with wired(conninfo, InstantEmbedder(World()), Puts(tenants)):
        print("ready", file=told, flush=True)
        for line in sys.stdin:
            answer = ingest.handler(json.loads(line), CONTEXT)
            print(json.dumps(len(answer["batchItemFailures"])), file=told, flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "questions":
        print(json.dumps(questions(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5]))))
    else:
        take_events(sys.argv[2], int(sys.argv[3]))
