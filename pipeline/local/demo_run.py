"""What the demo does to a started stack: saves as the chat app would, waits, searches, and measures."""

import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from pipeline.local.ending import Ending
from pipeline.local.inspection import Differences, Row, Said, compare, said, squeezed
from pipeline.local.samples import Save
from pipeline.local.stack import Stack
from pipeline.local.steps import Steps

SEARCH_PATH = "/api/v1/memory/search"
STALL_SECONDS = 180
"""Functions start cold, a real OpenSearch too, on a machine that may have more to do."""
ATTEMPTS = 3
"""At a question of ``--check``, for the same reason; how many were asked again is told."""
PROBES = 20
SELF_SEARCH_CHARACTERS = 40
MAX_SELF_SEARCHES = 600
TOP_K = 10


@dataclass(slots=True)
class Demo:
    """One run over a started stack."""

    stack: Stack
    console: Console
    ending: Ending = field(default_factory=Ending)
    asked_again: int = 0

    def save_all(self, saves: Sequence[Save]) -> int:
        """Put every save as the chat app would, one after the other; return how many."""
        client = self.stack.client("dynamodb")
        with Steps(self.console).step("saving conversations", len(saves)) as advance:
            for number, save in enumerate(saves, 1):
                client.put_item(TableName=self._table(save.table), Item=save.item)
                advance(number)
        return len(saves)

    def wait_until_indexed(self, records: int) -> Differences:
        """Wait until ``records`` changes went all the way and nothing is missing; give up when nothing moves for a while.

        Somebody may be using the page meanwhile: what ought to be memory is read anew each time.
        """
        with Steps(self.console).step("becoming memory", len(list(said(self._items())))) as advance:
            last: object = None
            moved = time.monotonic()
            while True:
                self.ending.check()
                wanted = list(said(self._items()))
                found, totals = compare(wanted, self.rows()), self.log_totals()
                advance(len(wanted) - len(found.missing))
                arrived = totals["records"] >= records and totals["messages"] >= totals["notices"]
                done = arrived and self.queue_depth() == 0 and not found.missing and not found.extra
                if done or time.monotonic() - moved > STALL_SECONDS:
                    return found
                if (state := (totals, len(found.missing), len(found.extra))) != last:
                    last, moved = state, time.monotonic()
                time.sleep(0.2)

    def rows(self) -> Sequence[Row]:
        """Return every stored chunk, without asking the functions."""
        return self.stack.rows()

    def queue_depth(self, output: str = "NoticeQueueUrl") -> int:
        """Return how many messages a queue holds: waiting, in flight and delayed."""
        names = ["", "NotVisible", "Delayed"]
        attributes = self.stack.client("sqs").get_queue_attributes(
            QueueUrl=self.stack.outputs[output],
            AttributeNames=[f"ApproximateNumberOfMessages{name}" for name in names],
        )["Attributes"]
        return sum(int(value) for value in attributes.values())

    def search(
        self, tenant_id: str, user_id: str, query: str, top_k: int = TOP_K, **more: float
    ) -> list[dict[str, Any]]:
        """Ask the query function; ``more`` goes into the request, such as ``min_confidence``."""
        body = {"query": query, "top_k": top_k, **more}
        event = {
            "method": "POST",
            "path": SEARCH_PATH,
            "tenant_id": tenant_id,
            "user_id": user_id,
            "body": body,
        }
        answer = self.stack.client("lambda").invoke(
            FunctionName=self.stack.outputs["QueryAliasArn"], Payload=json.dumps(event)
        )
        payload = json.loads(answer["Payload"].read())
        if payload.get("statusCode") != 200:  # noqa: PLR2004  # HTTP
            raise RuntimeError(f"the query function answered {payload.get('body') or payload}")
        results: list[dict[str, Any]] = json.loads(payload["body"])["results"]
        return results

    def patient_search(
        self, tenant_id: str, user_id: str, query: str, top_k: int = TOP_K
    ) -> list[dict[str, Any]]:
        """Ask, and count and ask again where a function got no answer in time; what fails to the last is raised."""
        for _ in range(ATTEMPTS - 1):
            try:
                return self.search(tenant_id, user_id, query, top_k)
            except RuntimeError:
                self.asked_again += 1
        return self.search(tenant_id, user_id, query, top_k)

    def measure_latency(self, probes: int = PROBES) -> list[float]:
        """Save ``probes`` turns, paced, and return milliseconds from each put to the first search that finds it."""
        client, table = self.stack.client("dynamodb"), self._table("sessions")
        tenant_id, session_key = f"probe-{uuid.uuid4()}", "probe"
        messages: list[dict[str, str]] = []
        latencies = []
        with Steps(self.console).step("timing saves", probes + 2) as advance:
            for number in range(probes + 2):  # the first two warm the functions up
                word = uuid.uuid4().hex
                messages.append(
                    {"role": "user", "content": f"Please remember the parcel code {word}, number {number}."}
                )
                item = {
                    "tenant_id": tenant_id,
                    "session_key": session_key,
                    "messages": json.dumps(messages),
                }
                started = time.perf_counter()
                client.put_item(TableName=table, Item={name: {"S": value} for name, value in item.items()})
                self._wait_until_found(tenant_id, word, started)
                latencies.append((time.perf_counter() - started) * 1000)
                advance(number + 1)
                time.sleep(0.05)
        client.delete_item(
            TableName=table, Key={"tenant_id": {"S": tenant_id}, "session_key": {"S": session_key}}
        )
        return latencies[2:]

    def _wait_until_found(self, tenant_id: str, word: str, started: float) -> None:
        while not any(
            word in hit["content"]
            for hit in self.patient_search(tenant_id, tenant_id, f"parcel code {word}", 100)
        ):
            if time.perf_counter() - started > STALL_SECONDS:
                raise RuntimeError("a save did not become searchable; see the functions' log")

    def own_text_found(self) -> float | None:
        """Return how often a message's own text finds its chunk in the top 10, over evenly chosen messages."""
        messages = [one for one in said(self._items()) if len(one.text) >= SELF_SEARCH_CHARACTERS]
        asked = messages[:: max(1, len(messages) // MAX_SELF_SEARCHES)]
        found = 0
        with Steps(self.console).step("finding what was said", len(asked)) as advance:
            for number, one in enumerate(asked, 1):
                found += self._finds(one)
                advance(number)
        return round(found / len(asked), 4) if asked else None

    def log_totals(self) -> dict[str, int]:
        """Return the sums of the functions' own counts, from their log lines."""
        totals = dict.fromkeys(
            (
                "records",
                "notices",
                "messages",
                "tokens_embedded",
                "chunks_embedded",
                "embedding_requests",
                "conflicts",
                "unreadable_messages",
                "secrets_redacted",
            ),
            0,
        )
        for line in self.stack.logs.splitlines():
            if line.startswith('{"level"'):
                fields = json.loads(line)
                for name in totals:
                    totals[name] += (
                        fields.get(name, 0) if fields.get("message") in {"announced", "ingested"} else 0
                    )
        return totals

    def _finds(self, one: Said) -> bool:
        start = squeezed(one.text)[:SELF_SEARCH_CHARACTERS]
        return any(
            start in squeezed(hit["content"])
            for hit in self.patient_search(one.tenant_id, one.user_id, one.text[:4000])
        )

    def _items(self) -> Iterator[Mapping[str, Any]]:
        for name in ("sessions", "memory", "config"):
            pages = self.stack.client("dynamodb").get_paginator("scan").paginate(TableName=self._table(name))
            for page in pages:
                yield from page["Items"]

    def _table(self, name: str) -> str:
        return self.stack.outputs[f"{name.capitalize()}TableName"]
