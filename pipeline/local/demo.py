"""The demo: saves conversations as the chat app would, watches them become memory, asks them questions, and serves a chat page."""

import contextlib
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pipeline.errors import SettingsError
from pipeline.local.dead_letters import dead_letters
from pipeline.local.demo_run import TOP_K, Demo
from pipeline.local.ending import ending_well
from pipeline.local.inspection import Differences, said, squeezed
from pipeline.local.metrics import MetricsPublisher
from pipeline.local.page.people import Person
from pipeline.local.page.server import PageServer
from pipeline.local.samples import Question, Save, growth, items_of, shipped_items, shipped_questions
from pipeline.local.stack import Stack
from pipeline.local.steps import Steps
from pipeline.store_settings import StoreName

SHOWN_LETTERS = 2


def run(*, check: bool, path: Path | None, store: StoreName = "pgvector") -> int:
    """Run the demo; return the exit status: 0 if everything saved is searchable and nothing else is."""
    console = Console(stderr=check, emoji=False, width=None if sys.stderr.isatty() else 140)
    items = items_of(path) if path else shipped_items()
    questions = shipped_questions() if path is None else []
    visit = _check if check else _visit
    with ending_well() as ending:
        try:
            status = _in_a_stack(
                console, store, lambda stack: visit(Demo(stack, console, ending), items, questions)
            )
        except KeyboardInterrupt:
            status = INTERRUPTED
        except (RuntimeError, OSError) as error:  # what a machine lacks: a program, a port, room on the disk
            raise SettingsError(f"the demo could not go on: {error}") from error
    return status


def _in_a_stack(console: Console, store: StoreName, visit: Callable[[Stack], int]) -> int:
    console.print(_ANNOUNCEMENT.format(folder=tempfile.gettempdir()), highlight=False)
    stack = Stack(store=store, real_opensearch=None)
    try:
        with Steps(console).step(f"starting {stack.started_with}the local AWS"):
            stack.__enter__()
        with MetricsPublisher(stack):
            return visit(stack)
    finally:
        stack.stop()
        _say_what_is_left(console, stack.folder)


def _say_what_is_left(console: Console, folder: Path) -> None:
    left = f"could not be removed: {folder}" if folder.exists() else f"and nothing in {folder.parent}"
    console.print(f"Ended. Nothing is left running, {left}.", highlight=False)


_ANNOUNCEMENT = """\
Everything runs on this machine, on 127.0.0.1: no account, no key, no network.
It takes 800 MB in {folder} and 1 GB of memory until Ctrl-C ends it."""
INTERRUPTED = 130


def _check(demo: Demo, items: Sequence[Save], questions: Sequence[Question]) -> int:
    """Do everything that can be measured; the last line of standard output is one JSON object."""
    summary = _story(demo, items)
    _show(demo.console, summary)
    _show_letters(demo)
    missed, _ = _missed(demo, questions)
    for question in missed:
        demo.console.print(f"not in the top {TOP_K}: {question.text}", style="yellow", markup=False)
    sys.stdout.write(json.dumps(summary) + "\n")
    return _status(summary)


def _visit(demo: Demo, items: Sequence[Save], questions: Sequence[Question]) -> int:
    """Save, open the page while all of it becomes memory, say what came of it and how to connect; stay until Ctrl-C."""
    saves = [step for item in items for step in growth(item)]
    demo.save_all(saves)
    with _page(demo, items, questions) as page:
        told = demo.stack.announce({"PAGE_URL": page.url})
        demo.console.print(f"The page is open, and memory fills: [bold]{page.url}[/]", highlight=False)
        with contextlib.suppress(KeyboardInterrupt):  # from here on it is how one leaves
            summary = _became(demo, items, demo.wait_until_indexed(_announced(saves)))
            _show_visit(demo, summary, questions, told)
            page.wait(demo.ending)
            return _status(summary)
    return 0


def _show_visit(
    demo: Demo, summary: Mapping[str, Any], questions: Sequence[Question], told: Mapping[str, str]
) -> None:
    for line in (*_figures(summary), *_asked(demo, questions)):
        demo.console.print(f"  {line}", highlight=False, markup=False)
    _show_letters(demo)
    _show_door(demo.console, told)
    demo.console.print(
        f"Chat, and what memory holds: [bold]{told['PAGE_URL']}[/]  (Ctrl-C ends)", highlight=False
    )


def _copied(told: Mapping[str, str]) -> Iterator[str]:
    """Yield the values, those of the local AWS on one line; the page's address stands below them anyway."""
    together = ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    yield f"  AWS_ENDPOINT_URL={told['AWS_ENDPOINT_URL']}"
    yield "  " + " ".join(f"{name}={told[name]}" for name in together if name in told)
    for name, value in told.items():
        if name not in {"AWS_ENDPOINT_URL", "PAGE_URL", "AUDIT_FILE", *together}:
            yield f"  {name}={value}"


def _status(summary: Mapping[str, Any]) -> int:
    wrong = ("missing", "extra", "tokens_embedded_again", "dead_letters", "unreadable_messages")
    return 0 if not any(summary.get(name) for name in wrong) else 1


def _became(demo: Demo, items: Sequence[Save], differences: Differences) -> dict[str, Any]:
    totals = demo.log_totals()
    return {
        "items": len(items),
        "chunks": len(demo.rows()),
        "notices": totals["notices"],
        "tokens_embedded": totals["tokens_embedded"],
        "missing": len(differences.missing),
        "extra": len(differences.extra),
        "dead_letters": demo.queue_depth("DeadLetterQueueUrl"),
        "unreadable_messages": totals["unreadable_messages"],
        "secrets_redacted": totals["secrets_redacted"],
    }


def _figures(summary: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"{summary['items']} conversations and notes became {summary['chunks']} chunks, "
        f"{summary['tokens_embedded']:,} tokens embedded"
    )
    yield f"missing {summary['missing']}, extra {summary['extra']}, dead letters {summary['dead_letters']}"
    for name in ("unreadable_messages", "secrets_redacted"):
        if summary[name]:
            yield f"{_LABELS[name]}: {summary[name]}"


def _asked(demo: Demo, questions: Sequence[Question]) -> Iterator[str]:
    if not questions:
        return
    missed, unanswered = _missed(demo, questions)
    good = len(questions) - len(missed) - unanswered
    yield f"{good} of {len(questions)} sample questions have their answer in the top {TOP_K}"
    if unanswered:
        yield f"{unanswered} got no answer: this machine has much to do just now"


def _missed(demo: Demo, questions: Sequence[Question]) -> tuple[list[Question], int]:
    """Return the questions whose answer is not among the hits, and how many got no answer at all."""
    missed, unanswered = [], 0
    with Steps(demo.console).step("asking sample questions", len(questions)) as advance:
        for number, question in enumerate(questions, 1):
            try:
                hits = demo.search(question.tenant_id, question.user_id, question.text)
            except RuntimeError:
                unanswered += 1
                continue
            finally:
                advance(number)
            wanted = squeezed(question.contains)
            if not any(wanted in squeezed(hit["content"]) for hit in hits):
                missed.append(question)
    return missed, unanswered


def _show_letters(demo: Demo) -> None:
    letters = dead_letters(demo.stack.client("sqs"), demo.stack.outputs["DeadLetterQueueUrl"])
    for letter in letters[:SHOWN_LETTERS]:
        demo.console.print(f"not memory: {letter}", style="red", markup=False)
    if len(letters) > SHOWN_LETTERS:
        demo.console.print(f"... and {len(letters) - SHOWN_LETTERS} more: vector-memory dlq list --demo")


def _show_door(console: Console, told: Mapping[str, str]) -> None:
    """Print how to connect, each line whole: it is there to be copied."""
    lines = [
        "",
        "To connect; `vector-memory demo env` says it again, for a shell's eval:",
        *_copied(told),
        "In another terminal: .venv/bin/vector-memory status --demo",
        "  and audit, usage, dlq list, search, forget, backfill, mcp: all take --demo",
    ]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _story(demo: Demo, items: Sequence[Save]) -> dict[str, Any]:
    saves = [step for item in items for step in growth(item)]
    saved = demo.save_all(saves)
    differences = demo.wait_until_indexed(_announced(saves))
    totals, became = demo.log_totals(), _became(demo, items, differences)
    now = {"updated_at": {"S": datetime.now(UTC).isoformat()}}
    demo.save_all([Save(item.table, {**item.item, **now}) for item in items])
    demo.wait_until_indexed(totals["records"] + _announced(items))
    again = demo.log_totals()["tokens_embedded"] - totals["tokens_embedded"]
    latencies = demo.measure_latency()
    return {
        **became,
        "saved": saved,
        "tokens_embedded_again": again,
        "searchable_p50_ms": round(statistics.median(latencies), 1),
        "searchable_p95_ms": round(statistics.quantiles(latencies, n=20)[-1], 1),
        "own_text_in_top_10": demo.own_text_found(),
        "asked_again": demo.asked_again,
        "dead_letters": demo.queue_depth("DeadLetterQueueUrl"),
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
    "asked_again": "questions asked again, without an answer in time",
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


def _page(demo: Demo, items: Sequence[Save], questions: Sequence[Question]) -> PageServer:
    """Return the page for everybody who said something."""
    owners = sorted({Person(one.tenant_id, one.user_id) for one in said(dict(item.item) for item in items)})
    starters = {
        owner: [one.text for one in questions if Person(one.tenant_id, one.user_id) == owner]
        for owner in owners
    }
    return PageServer.at_home(demo.stack, starters)
