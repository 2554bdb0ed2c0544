"""``scripts/eval [FILE…]``: how well the memory finds, beside plain baselines."""

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from lab.evaluation import baselines
from lab.evaluation.comparing import compared
from lab.evaluation.embedders import EMBEDDERS
from lab.evaluation.logs_reader import documents
from lab.evaluation.measures import Answer, Figures, Level, at_level, figures
from lab.evaluation.memory import Asked, Memory
from lab.evaluation.own_logs import conversations as own_conversations
from lab.evaluation.regret import Regret, regret_table, regrets
from lab.evaluation.remembered import RememberedEmbedder
from lab.evaluation.sets import Conversation, Question, read_set
from lab.evaluation.strangers import across, with_strangers
from lab.evaluation.typed import typed
from pipeline import bootstrap
from pipeline.embedding.tokens import estimate_tokens
from pipeline.embedding.vectors import Embedder, EmbeddingSpace
from pipeline.errors import SettingsError, VectorMemoryError
from pipeline.local.postgres import Postgres
from pipeline.local.processes import new_run_folder
from pipeline.search.passages import is_japanese
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.migrations import migrate
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.protocol import Store

FOLDER = Path(__file__).parent
JAPANESE = FOLDER / "japanese.jsonl"
OWN = "own logs"
MOST_ITEMS = 2_000
"""Of a table that are looked at, unless more are asked for."""
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
    questions: list[Question] = field(default_factory=list)
    embedded: int = 0
    source: int = 0

    def figures(self) -> Figures:
        """Return the means."""
        return figures(self.answers, self.embedded, self.source)

    def levels(self, level: float | None = None) -> dict[str, Level]:
        """Return what a level of confidence does, or the one that loses 5%, in all and a language."""
        english = [not is_japanese([question.text]) for question in self.questions]
        groups = {
            "all": self.answers,
            "English": [one for one, yes in zip(self.answers, english, strict=True) if yes],
            "Japanese": [one for one, yes in zip(self.answers, english, strict=True) if not yes],
        }
        found = {name: at_level(answers, level) for name, answers in groups.items()}
        return {name: one for name, one in found.items() if one}

    def rows(self, **names: str) -> Iterator[dict[str, Any]]:
        """Yield a row a question, which shows no word of it."""
        for question, answer in zip(self.questions, self.answers, strict=True):
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
    parser.add_argument(
        "--from-table",
        action="append",
        default=[],
        metavar="NAME",
        help="your own sessions in DynamoDB instead: what users asked is taken out and asked again, see docs/search.md",
    )
    parser.add_argument(
        "--from",
        action="append",
        default=[],
        dest="exports",
        type=Path,
        metavar="FILE",
        help="the same of a file that `vector-memory backfill --from` reads",
    )
    parser.add_argument(
        "--items",
        type=int,
        default=MOST_ITEMS,
        metavar="N",
        help=f"most items of those; default: {MOST_ITEMS}",
    )
    parser.add_argument(
        "--strangers",
        action="store_true",
        help="ask each memory the next one's questions, too, names swapped; of your own it is always done",
    )
    parser.add_argument(
        "--regret",
        action="store_true",
        help="instead: how far the mix of meaning and words is below the best fixed weight of each embedder and set",
    )
    parser.add_argument(
        "--typed",
        action="store_true",
        help="instead: the demo's questions, unrelated drafts and nonsense, typed to the demo's memories",
    )
    parser.add_argument("--compare", nargs=2, type=Path, metavar="RUN", help="two such files: no new run")
    options = parser.parse_args(arguments)
    try:
        if options.compare:
            print(
                compared(*(json.loads(path.read_text("utf-8"))["questions"] for path in options.compare))
            )  # a command speaks
            return 0
        _run(options, options.embedder or ["offline"])
    except (VectorMemoryError, OSError, ValueError, KeyError) as error:
        print(f"scripts/eval: {error}", file=sys.stderr)  # a command speaks
        return 2
    return 0


def _run(options: argparse.Namespace, embedders: Sequence[str]) -> None:
    if options.typed:
        for name in embedders:
            with _stores(RememberedEmbedder(EMBEDDERS[name]())) as made:
                print(f"\n{name}\n", *typed(*made), sep="\n")  # a command speaks
    elif options.regret:
        print(regret_table(list(_regrets(_sets(options), embedders))))  # a command speaks
    else:
        _matrix(_sets(options), embedders, options.json)


def _regrets(
    sets: Mapping[str, Sequence[Conversation]], embedders: Sequence[str]
) -> Iterator[tuple[str, Sequence[Regret]]]:
    """Yield the regrets of every embedder and set."""
    for name in embedders:
        for set_name, conversations in sets.items():
            with _stores(RememberedEmbedder(EMBEDDERS[name]())) as made:
                yield f"{set_name}, {name}", list(regrets(asked_once(conversations, Memory(*made))))


def asked_once(conversations: Sequence[Conversation], memory: Memory) -> list[Asked]:
    """Return every question with what it is answered from, each conversation saved before it is asked."""
    found = []
    for conversation in conversations:
        memory.save(conversation)
        found += memory.asked(conversation)
    return found


def _sets(options: argparse.Namespace) -> Mapping[str, Sequence[Conversation]]:
    """Return the sets that the options name.

    Raises:
        SettingsError: one cannot be read, or nobody asked anything in it.
    """
    if options.from_table or options.exports:
        own = own_conversations(documents(options.from_table, options.exports, options.items))
        if not own:
            raise SettingsError("nobody asked anything there that got a reply: name a table of sessions")
        return {OWN: with_strangers(own)}
    files = options.files or sorted(FOLDER.glob("*.jsonl"))
    sets = {path.stem: read_set(path) for path in files}
    return across(sets) if options.strangers else sets


def _matrix(
    sets: Mapping[str, Sequence[Conversation]], embedders: Sequence[str], target: Path | None
) -> None:
    """Evaluate every set with every embedder, printing each as it is done."""
    run: dict[str, Any] = {"figures": {}, "questions": []}
    level = bootstrap.container().settings.min_confidence
    for name in embedders:
        every = Tally()
        for set_name, conversations in sets.items():
            tallies = _evaluated(conversations, EMBEDDERS[name]())
            found = {system: tally.figures() for system, tally in tallies.items()}
            said = "\n".join([table(found), "", *levels_told(tallies[OURS], level)])
            print(f"\n{set_name}, {name}\n\n{said}", flush=True)  # a command speaks
            run["figures"][f"{name} {set_name}"] = {system: one.as_json() for system, one in found.items()}
            for system, tally in tallies.items():
                run["questions"] += tally.rows(embedder=name, set=set_name, system=system)
            every.answers += tallies[OURS].answers
            every.questions += tallies[OURS].questions
        if len(sets) > 1:
            print(
                f"\nall sets, {name}\n", *levels_told(every, level), sep="\n", flush=True
            )  # a command speaks
    if target:
        target.write_text(json.dumps(run, indent=1))


def _evaluated(conversations: Sequence[Conversation], embedder: Embedder) -> dict[str, Tally]:
    with _stores(embedder) as made:
        return tallies_of(conversations, *made)


@contextmanager
def _stores(embedder: Embedder) -> Iterator[tuple[Embedder, Store, Store]]:
    """Give the embedder with an empty store of its space, as the ingest and as the query function see it."""
    with database() as conninfo:
        migrate(conninfo, embedder.space)
        yield (embedder, *stores(conninfo, embedder.space))


@contextmanager
def database() -> Iterator[str]:
    """Give an empty Postgres for as long as it is needed."""
    folder = new_run_folder()
    server = Postgres(folder / "postgres").start()
    try:
        yield server.conninfo()
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)  # it holds what people said


def stores(owner: str, space: EmbeddingSpace) -> tuple[PgVectorStore, PgVectorStore]:
    """Return the store as the ingest function and as the query function see it: row-level security is part of it."""
    draw = token_hex(4)
    with psycopg.connect(owner, autocommit=True) as connection:
        for role in ROLES:
            connection.execute(f"CREATE ROLE {role}_{draw} LOGIN PASSWORD '{draw}' IN ROLE {role}")
    ingest, query = (make_conninfo(owner, user=f"{role}_{draw}", password=draw) for role in ROLES)
    return PgVectorStore(Connector(lambda: ingest), space), PgVectorStore(Connector(lambda: query), space)


def evaluate(
    conversations: Sequence[Conversation], embedder: Embedder, store: Store, questions: Store
) -> dict[str, Figures]:
    """Return the figures of the memory and of each baseline; see :func:`tallies_of`."""
    return {
        name: tally.figures() for name, tally in tallies_of(conversations, embedder, store, questions).items()
    }


def tallies_of(
    conversations: Sequence[Conversation], embedder: Embedder, store: Store, questions: Store
) -> dict[str, Tally]:
    """Return what the memory and each baseline answer.

    Args:
        store: may write.
        questions: the same, as those who ask see it.
    """
    tallies: dict[str, Tally] = {}
    memory = Memory(embedder, store, questions)
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
        tally.questions = [question for conversation in conversations for question in conversation.questions]
    return tallies


def _baselines(conversation: Conversation, embedder: Embedder) -> Iterator[tuple[str, list[Answer], int]]:
    questions = [question.text for question in conversation.questions]
    embed = baselines.embedding(embedder)
    turns, chunks = baselines.turns(conversation), baselines.chunks(conversation)
    words, vectors = baselines.by_words(chunks, questions), baselines.by_vectors(chunks, questions, embed)
    yield (
        "turn_vectors",
        baselines.answers(conversation, turns, baselines.by_vectors(turns, questions, embed)),
        _cost(turns),
    )
    yield "turn_bm25", baselines.answers(conversation, turns, baselines.by_words(turns, questions)), 0
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
    questions = next(iter(found.values()))
    return "\n".join(
        [*lines, "", f"{questions.questions} questions, {questions.unanswerable} without an answer"]
    )


def levels_told(ours: Tally, level: float) -> Iterator[str]:
    """Yield what ``level`` does here, and which one would lose 5% of what has an answer."""
    both = at_level(ours.answers)
    for title, chosen in (
        ("as set", level),
        ("that loses 5%", None),
        ("that loses 5% of all", both.level if both else None),
    ):
        for name, one in ours.levels(chosen).items():
            refused = (
                ""
                if one.refused is None
                else f", refuses {one.refused:.3f} of {one.unanswerable} without one"
            )
            answered = f"loses {one.lost:.3f} of {one.answerable} questions with an answer"
            yield f"MIN_CONFIDENCE {title}, {name}: {one.level:.3f} {answered}{refused}"


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    sys.exit(main())
