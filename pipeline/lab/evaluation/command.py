"""``scripts/eval [FILE…]``: how well the memory finds, beside plain baselines."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

import psycopg
from psycopg.conninfo import make_conninfo

from pipeline.embedding.offline import OfflineEmbedder
from pipeline.embedding.tokens import estimate_tokens
from pipeline.embedding.vectors import Embedder, Space
from pipeline.errors import VectorMemoryError
from pipeline.lab.evaluation import baselines
from pipeline.lab.evaluation.measures import Answer, Figures, figures
from pipeline.lab.evaluation.memory import Memory
from pipeline.lab.evaluation.sets import Conversation, read_set
from pipeline.local.postgres import Postgres
from pipeline.local.processes import new_run_folder
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.migrations import migrate
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.protocol import Store

JAPANESE = Path(__file__).with_name("japanese.jsonl")
OURS = "ours"
ONE_SIDED = {"ours_vectors_only": 1.0, "ours_words_only": 0.0}
ROLES = ("memory_ingest", "memory_query")
COLUMNS = ("r5", "r10", "mrr", "b1k", "embed_factor")


@dataclass(slots=True)
class _Tally:
    answers: list[Answer] = field(default_factory=list)
    embedded: int = 0
    source: int = 0

    def figures(self) -> Figures:
        return figures(self.answers, self.embedded, self.source)


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate; return the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/eval", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="LoCoMo, or JSON lines")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    options = parser.parse_args(arguments)
    try:
        conversations = [one for path in options.files or [JAPANESE] for one in read_set(path)]
        with database() as conninfo:
            embedder = OfflineEmbedder()
            migrate(conninfo, embedder.space)
            found = evaluate(conversations, embedder, *stores(conninfo, embedder.space))
    except VectorMemoryError as error:
        print(f"scripts/eval: {error}", file=sys.stderr)  # noqa: T201  # a command speaks
        return 2
    print(table(found))  # noqa: T201  # a command speaks
    if options.json:
        options.json.write_text(json.dumps({name: one.as_json() for name, one in found.items()}, indent=2))
    return 0


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
    """Return the figures of the memory and of each baseline.

    Args:
        store: may write.
        asked: the same, as those who ask see it.
    """
    tallies: dict[str, _Tally] = {}
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
    return {name: tally.figures() for name, tally in tallies.items()}


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


def _count(tallies: dict[str, _Tally], name: str, answers: list[Answer], embedded: int, source: int) -> None:
    tally = tallies.setdefault(name, _Tally())
    tally.answers += answers
    tally.embedded += embedded
    tally.source += source


def table(found: dict[str, Figures]) -> str:
    """Return the figures as a Markdown table."""
    lines = [f"| | {' | '.join(COLUMNS)} |", "|---|" + "---|" * len(COLUMNS)]
    for name, one in found.items():
        values = one.as_json()
        lines.append(f"| {name} | {' | '.join(f'{values[column]:.3f}' for column in COLUMNS)} |")
    asked = next(iter(found.values())).questions if found else 0
    return "\n".join([*lines, "", f"{asked} questions"])


if __name__ == "__main__":
    sys.exit(main())
