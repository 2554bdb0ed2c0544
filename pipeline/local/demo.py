"""The demo: saves conversations as the chat app would, watches them become memory, asks them questions, and serves a chat page."""

import json
import statistics
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from pipeline.local import opensearch_node
from pipeline.local.inspection import Differences, Row, Said, compare, said, squeezed
from pipeline.local.letters import dead_letters
from pipeline.local.page.people import Person
from pipeline.local.page.server import PageServer
from pipeline.local.samples import Question, Save, growth, items_of, shipped_items, shipped_questions
from pipeline.local.stack import Stack
from pipeline.store_settings import StoreName

SEARCH_PATH = "/api/v1/memory/search"
STALL_SECONDS = 60
PROBES = 20
SELF_SEARCH_CHARACTERS = 40
MAX_SELF_SEARCHES = 600
TOP_K = 10


@dataclass(slots=True)
class Demo:
    """One run over a started stack."""

    stack: Stack
    console: Console

    def save_all(self, saves: Sequence[Save]) -> int:
        """Put every save as the chat app would, one after the other; return how many."""
        client = self.stack.client("dynamodb")
        with self._progress() as progress:
            task = progress.add_task("saving conversations", total=len(saves))
            for save in saves:
                client.put_item(TableName=self._table(save.table), Item=save.item)
                progress.advance(task)
        return len(saves)

    def wait_until_indexed(self, records: int) -> Differences:
        """Wait until ``records`` changes went all the way and nothing is missing; give up when nothing moves for a while."""
        wanted = list(said(self._items()))
        with self._progress() as progress:
            task = progress.add_task("becoming memory", total=len(wanted))
            last: object = None
            moved = time.monotonic()
            while True:
                found, totals = compare(wanted, self.rows()), self.log_totals()
                progress.update(task, completed=len(wanted) - len(found.missing))
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
            FunctionName=self.stack.outputs["QueryFunctionName"], Payload=json.dumps(event)
        )
        payload = json.loads(answer["Payload"].read())
        if payload.get("statusCode") != 200:  # noqa: PLR2004  # HTTP
            raise RuntimeError(f"the query function answered {payload.get('body') or payload}")
        results: list[dict[str, Any]] = json.loads(payload["body"])["results"]
        return results

    def measure_latency(self, probes: int = PROBES) -> list[float]:
        """Save ``probes`` turns, paced, and return milliseconds from each put to the first search that finds it."""
        client, table = self.stack.client("dynamodb"), self._table("sessions")
        tenant_id, session_key = f"probe-{uuid.uuid4()}", "probe"
        messages: list[dict[str, str]] = []
        latencies = []
        for number in range(probes + 2):  # the first two warm the functions up
            word = uuid.uuid4().hex
            messages.append(
                {"role": "user", "content": f"Please remember the parcel code {word}, number {number}."}
            )
            item = {"tenant_id": tenant_id, "session_key": session_key, "messages": json.dumps(messages)}
            started = time.perf_counter()
            client.put_item(TableName=table, Item={name: {"S": value} for name, value in item.items()})
            while not any(
                word in hit["content"]
                for hit in self.search(tenant_id, tenant_id, f"parcel code {word}", 100)
            ):
                if time.perf_counter() - started > STALL_SECONDS:
                    raise RuntimeError("a save did not become searchable; see the functions' log")
            latencies.append((time.perf_counter() - started) * 1000)
            time.sleep(0.05)
        client.delete_item(
            TableName=table, Key={"tenant_id": {"S": tenant_id}, "session_key": {"S": session_key}}
        )
        return latencies[2:]

    def own_text_found(self) -> float | None:
        """Return how often a message's own text finds its chunk in the top 10, over evenly chosen messages."""
        messages = [one for one in said(self._items()) if len(one.text) >= SELF_SEARCH_CHARACTERS]
        step = max(1, len(messages) // MAX_SELF_SEARCHES)
        found = [self._finds(one) for one in messages[::step]]
        return round(sum(found) / len(found), 4) if found else None

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
            for hit in self.search(one.tenant_id, one.user_id, one.text[:4000])
        )

    def _items(self) -> Iterator[Mapping[str, Any]]:
        for name in ("sessions", "memory", "config"):
            pages = self.stack.client("dynamodb").get_paginator("scan").paginate(TableName=self._table(name))
            for page in pages:
                yield from page["Items"]

    def _table(self, name: str) -> str:
        return self.stack.outputs[f"{name.capitalize()}TableName"]

    def _progress(self) -> Progress:
        columns = (
            TextColumn("{task.description:<22}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        return Progress(*columns, console=self.console)


_STARTED = {"pgvector": "Postgres and ", "dynamodb": "", "opensearch": "a stand-in for OpenSearch and "}
_STARTED_REALLY = f"OpenSearch {opensearch_node.VERSION} (or the one that OPENSEARCH_URL names) and "


def run(*, check: bool, path: Path | None, store: StoreName = "pgvector") -> int:
    """Run the demo; return the exit status: 0 if everything saved is searchable and nothing else is."""
    console = Console(stderr=check, emoji=False, width=None if sys.stderr.isatty() else 140)
    items = items_of(path) if path else shipped_items()
    really = store == "opensearch" and opensearch_node.ready()
    started_with = _STARTED_REALLY if really else _STARTED[store]
    console.print(f"Starting {started_with}the local AWS, and deploying template.yaml ...")
    started = time.monotonic()
    with Stack(store=store, real_opensearch=really) as stack:
        demo = Demo(stack, console)
        console.print(f"Up in {time.monotonic() - started:.1f} s at {stack.aws.endpoint_url}.")
        summary = _story(demo, items)
        _show(console, summary)
        questions = shipped_questions() if path is None else []
        letters = dead_letters(stack.client("sqs"), stack.outputs["DeadLetterQueueUrl"])
        for letter in letters:
            console.print(f"not memory: {letter}", style="red", markup=False)
        problems = _questions(demo, questions) if questions else []
        for problem in problems:
            console.print(f"[yellow]not in the top {TOP_K}:[/] {problem}")
        if check:
            sys.stdout.write(json.dumps(summary) + "\n")
        else:
            _serve_page(demo, items, questions)
    wrong = ("missing", "extra", "tokens_embedded_again", "dead_letters", "unreadable_messages")
    return 0 if not any(summary[name] for name in wrong) else 1


def _story(demo: Demo, items: Sequence[Save]) -> dict[str, Any]:
    saves = [step for item in items for step in growth(item)]
    saved = demo.save_all(saves)
    differences = demo.wait_until_indexed(_announced(saves))
    totals, chunks = demo.log_totals(), len(demo.rows())
    now = {"updated_at": {"S": datetime.now(UTC).isoformat()}}
    demo.save_all([Save(item.table, {**item.item, **now}) for item in items])
    demo.wait_until_indexed(totals["records"] + _announced(items))
    again = demo.log_totals()["tokens_embedded"] - totals["tokens_embedded"]
    latencies = demo.measure_latency()
    return {
        "items": len(items),
        "saved": saved,
        "notices": totals["notices"],
        "chunks": chunks,
        "tokens_embedded": totals["tokens_embedded"],
        "tokens_embedded_again": again,
        "searchable_p50_ms": round(statistics.median(latencies), 1),
        "searchable_p95_ms": round(statistics.quantiles(latencies, n=20)[-1], 1),
        "own_text_in_top_10": demo.own_text_found(),
        "missing": len(differences.missing),
        "extra": len(differences.extra),
        "dead_letters": demo.queue_depth("DeadLetterQueueUrl"),
        "unreadable_messages": totals["unreadable_messages"],
        "secrets_redacted": totals["secrets_redacted"],
    }


def _announced(saves: Sequence[Save]) -> int:
    return sum(save.announced for save in saves)


_LABELS = {
    "items": "items",
    "saved": "saves (puts)",
    "notices": "notices",
    "chunks": "chunks in memory",
    "tokens_embedded": "tokens embedded",
    "tokens_embedded_again": "tokens embedded when everything is saved again",
    "searchable_p50_ms": "put → searchable, p50 (ms)",
    "searchable_p95_ms": "put → searchable, p95 (ms)",
    "own_text_in_top_10": "messages found by their own text (top 10)",
    "missing": "missing",
    "extra": "extra",
    "dead_letters": "in the dead-letter queue",
    "unreadable_messages": "messages of a shape that is not understood (at each look)",
    "secrets_redacted": "secrets left out (at each look)",
}


def _show(console: Console, summary: Mapping[str, Any]) -> None:
    table = Table(title="What became memory", show_header=False)
    for name, label in _LABELS.items():
        table.add_row(label, str(summary[name]))
    console.print(table)


def _questions(demo: Demo, questions: Sequence[Question]) -> list[str]:
    """Show the shipped questions with their best hit; return those whose answer was not among the hits."""
    table = Table(title="Questions", show_lines=True)
    for column in ("user", "question", "best hit", "similarity", "answer at rank"):
        table.add_column(column)
    problems = []
    for question in questions:
        hits = demo.search(question.tenant_id, question.user_id, question.text)
        wanted = squeezed(question.contains)
        rank = next(
            (number for number, hit in enumerate(hits, 1) if wanted in squeezed(hit["content"])), None
        )
        best: dict[str, Any] = hits[0] if hits else {"content": "", "similarity": 0.0}
        excerpt = best["content"].replace("\n", " ")[:160]
        who = f"{question.tenant_id}/{question.user_id}"
        table.add_row(who, question.text, excerpt, f"{best['similarity']:.2f}", str(rank or "-"))
        if rank is None:
            problems.append(question.text)
    demo.console.print(table)
    return problems


def _serve_page(demo: Demo, items: Sequence[Save], questions: Sequence[Question]) -> None:
    """Serve the chat page until Ctrl-C."""
    owners = sorted({Person(one.tenant_id, one.user_id) for one in said(dict(item.item) for item in items)})
    starters = {
        owner: [one.text for one in questions if Person(one.tenant_id, one.user_id) == owner]
        for owner in owners
    }
    with PageServer.at_home(demo.stack, starters) as page:
        demo.console.print(f"\nChat, and watch it become memory: [bold]{page.url}[/]  (Ctrl-C ends)")
        page.wait()
