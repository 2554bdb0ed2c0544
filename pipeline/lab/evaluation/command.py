"""``scripts/eval [FILE…]``: how well the memory finds, beside plain baselines."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from pipeline.embedding.tokens import estimate_tokens
from pipeline.embedding.vectors import Embedder, Space
from pipeline.errors import VectorMemoryError
from pipeline.lab.evaluation import baselines
from pipeline.lab.evaluation.comparing import compared
from pipeline.lab.evaluation.embedders import EMBEDDERS
from pipeline.lab.evaluation.measures import Answer, Figures, figures
from pipeline.lab.evaluation.memory import Memory
from pipeline.lab.evaluation.sets import Conversation, Question, read_set
from pipeline.local.postgres import Postgres
from pipeline.local.processes import new_run_folder
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.migrations import migrate
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.protocol import Store

FOLDER = Path(__file__).parent
JAPANESE = FOLDER / "japanese.jsonl"
OURS = "ours"
ONE_SIDED = {"ours_vectors_only": 1.0, "ours_words_only": 0.0}
ROLES = ("memory_ingest", "memory_query")
COLUMNS = (
    "r1",
    "r5",
    "r10",
    "mrr",
    "any5",
    "session10",
    "ndcg5",
    "b1k",
    "text1k",
    "newer_first",
    "refused",
    "roc",
    "embed_factor",
)


@dataclass(slots=True)
class Tally:
    """What one system answered, and what it cost."""

    answers: list[Answer] = field(default_factory=list)
    asked: list[Question] = field(default_factory=list)
    embedded: int = 0
    source: int = 0

    def figures(self) -> Figures:
        """Return the means."""
        return figures(self.answers, self.embedded, self.source)

    def rows(self, **names: str) -> Iterator[dict[str, Any]]:
        """Yield a row a question, which shows no word of it."""
        for question, answer in zip(self.asked, self.answers, strict=True):
            yield {
                **names,
                "question": question.id,
                "answerable": bool(answer.evidence),
                "confidence": round(answer.confidence, 4),
                "measures": {name: round(value, 4) for name, value in answer.measures().items()},
            }


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate; return the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/eval", description=__doc__)
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="LoCoMo, or JSON lines; default: those here"
    )
    parser.add_argument(
        "--embedder", action="append", choices=sorted(EMBEDDERS), help="again for more; default: offline"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write figures and every question's results there"
    )
    parser.add_argument("--compare", nargs=2, type=Path, metavar="RUN", help="two such files: no new run")
    options = parser.parse_args(arguments)
    try:
        if options.compare:
            print(compared(*(json.loads(path.read_text("utf-8"))["questions"] for path in options.compare)))  # noqa: T201  # a command speaks
            return 0
        _matrix(
            options.files or sorted(FOLDER.glob("*.jsonl")), options.embedder or ["offline"], options.json
        )
    except (VectorMemoryError, OSError, ValueError, KeyError) as error:
        print(f"scripts/eval: {error}", file=sys.stderr)  # noqa: T201  # a command speaks
        return 2
    return 0


def _matrix(files: Sequence[Path], embedders: Sequence[str], target: Path | None) -> None:
    """Evaluate every set with every embedder, printing each as it is done."""
    sets = {path.stem: read_set(path) for path in files}
    run: dict[str, Any] = {"figures": {}, "questions": []}
    for name in embedders:
        for set_name, conversations in sets.items():
            tallies = _evaluated(conversations, EMBEDDERS[name]())
            found = {system: tally.figures() for system, tally in tallies.items()}
            print(f"\n{set_name}, {name}\n\n{table(found)}", flush=True)  # noqa: T201  # a command speaks
            run["figures"][f"{name} {set_name}"] = {system: one.as_json() for system, one in found.items()}
            for system, tally in tallies.items():
                run["questions"] += tally.rows(embedder=name, set=set_name, system=system)
    if target:
        target.write_text(json.dumps(run, indent=1))


def _evaluated(conversations: Sequence[Conversation], embedder: Embedder) -> dict[str, Tally]:
    with database() as conninfo:
        migrate(conninfo, embedder.space)
        return tallies_of(conversations, embedder, *stores(conninfo, embedder.space))


@contextmanager
def database() -> Iterator[str]:
    """Give an empty Postgres for as long as it is needed."""
    server = Postgres(new_run_folder() / "postgres").start()
    try:
        yield server.conninfo()
    finally:
        server.stop()


def stores(owner: str, space: Space) -> tuple[PgVectorStore, PgVectorStore]:
    """Return the store as the ingest function and as the query function see it: row-level security is part of it."""
    draw = token_hex(4)
    with psycopg.connect(owner, autocommit=True) as connection:
        for role in ROLES:
            connection.execute(f"CREATE ROLE {role}_{draw} LOGIN PASSWORD '{draw}' IN ROLE {role}")
    ingest, query = (make_conninfo(owner, user=f"{role}_{draw}", password=draw) for role in ROLES)
    return PgVectorStore(Connector(lambda: ingest), space), PgVectorStore(Connector(lambda: query), space)


def evaluate(
    conversations: Sequence[Conversation], embedder: Embedder, store: Store, asked: Store
) -> dict[str, Figures]:
    """Return the figures of the memory and of each baseline; see :func:`tallies_of`."""
    return {
        name: tally.figures() for name, tally in tallies_of(conversations, embedder, store, asked).items()
    }


def tallies_of(
    conversations: Sequence[Conversation], embedder: Embedder, store: Store, asked: Store
) -> dict[str, Tally]:
    """Return what the memory and each baseline answer.

    Args:
        store: may write.
        asked: the same, as those who ask see it.
    """
    tallies: dict[str, Tally] = {}
    memory = Memory(embedder, store, asked)
    for conversation in conversations:
        source = sum(estimate_tokens(message.text) for message in conversation.messages)
        before = embedder.usage.tokens
        memory.save(conversation)
        spent = embedder.usage.tokens - before
        embedder.embed([message.text for message in conversation.messages])
        real_source = embedder.usage.tokens - before - spent
        _count(tallies, OURS, memory.answers(conversation), spent, real_source)
        for name, weight in ONE_SIDED.items():
            _count(tallies, name, memory.answers(conversation, weight), spent, real_source)
        for name, answers, cost in _baselines(conversation, embedder):
            _count(tallies, name, answers, cost, source)
    for tally in tallies.values():
        tally.asked = [question for conversation in conversations for question in conversation.questions]
    return tallies


def _baselines(conversation: Conversation, embedder: Embedder) -> Iterator[tuple[str, list[Answer], int]]:
    asked = [question.text for question in conversation.questions]
    embed = baselines.embedding(embedder)
    turns, chunks = baselines.turns(conversation), baselines.chunks(conversation)
    words, vectors = baselines.by_words(chunks, asked), baselines.by_vectors(chunks, asked, embed)
    yield (
        "turn_vectors",
        baselines.answers(conversation, turns, baselines.by_vectors(turns, asked, embed)),
        _cost(turns),
    )
    yield "turn_bm25", baselines.answers(conversation, turns, baselines.by_words(turns, asked)), 0
    both = baselines.by_both(vectors, words)
    yield "chunk_hybrid", baselines.answers(conversation, chunks, both), _cost(chunks)


def _cost(units: Sequence[baselines.Unit]) -> int:
    return sum(unit.cost for unit in units)


def _count(tallies: dict[str, Tally], name: str, answers: list[Answer], embedded: int, source: int) -> None:
    tally = tallies.setdefault(name, Tally())
    tally.answers += answers
    tally.embedded += embedded
    tally.source += source


def table(found: dict[str, Figures]) -> str:
    """Return the figures as a Markdown table."""
    lines = [f"| | {' | '.join(COLUMNS)} |", "|---|" + "---|" * len(COLUMNS)]
    for name, one in found.items():
        values = one.as_json()
        lines.append(f"| {name} | {' | '.join(_shown(values[column]) for column in COLUMNS)} |")
    asked = next(iter(found.values()))
    return "\n".join([*lines, "", f"{asked.questions} questions, {asked.unanswerable} without an answer"])


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    sys.exit(main())
