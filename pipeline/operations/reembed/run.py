"""The command ``vector-memory reembed``: its database role owns the schema and sees every tenant."""

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.container import Container
from pipeline.embedding.providers import space_of
from pipeline.errors import SettingsError
from pipeline.operations.pacing.pacer import Pacer
from pipeline.operations.reembed.reembed import (
    Filling,
    Question,
    Sent,
    Side,
    compare,
    question_of,
    questions_in,
    refuse_gaps,
    two,
)
from pipeline.operations.stack.container import container_of
from pipeline.operations.terminal.outcome import Outcome
from pipeline.operations.terminal.text import money
from pipeline.prices import EMBEDDING_DOLLARS_PER_MILLION_TOKENS as PRICES
from pipeline.settings import EmbeddingSettings
from pipeline.stores.pgvector.backend import PgVectorBackend
from pipeline.stores.pgvector.cutover import drop_standby, make_standby, switch
from pipeline.stores.pgvector.space_progress import SpaceProgress, Spaces
from pipeline.stores.pgvector.spaces import RegisteredSpace
from pipeline.stores.pgvector.store import PgVectorStore


def run_reembed(options: argparse.Namespace) -> Outcome:
    """Do one step.

    Raises:
        SettingsError: it cannot be done now; the message says what comes before it.
    """
    container = container_of(options.stack)
    backend = container.backend
    if not isinstance(backend, PgVectorBackend):
        raise SettingsError(
            "only Postgres holds two spaces: another store is filled anew, with a stack of its own"
        )
    return _ACTIONS[options.action](_Reembedding(container, backend), options)


@dataclass(frozen=True, slots=True)
class _Reembedding:
    """What a step works with."""

    container: Container
    backend: PgVectorBackend

    @property
    def spaces(self) -> Spaces:
        return Spaces(self.backend.operators_connector)

    @property
    def conninfo(self) -> str:
        return self.backend.login.conninfo()

    @property
    def known(self) -> list[EmbeddingSettings]:
        settings = self.container.settings
        return [one for one in (settings.embedding, settings.next_embedding) if one]


def _start(work: _Reembedding, options: argparse.Namespace) -> Outcome:
    following = work.backend.following
    if following is None:
        raise SettingsError(
            "set NEXT_EMBEDDING_MODEL and NEXT_EMBEDDING_DIMENSIONS, and deploy the functions with them first"
        )
    work.spaces.register()  # a role that sees no tenant makes nothing
    made = make_standby(work.conninfo, space_of(following), graph=options.hnsw)
    outcome = _fill(replace(work, container=work.container.followed(0)), options)
    if options.json:
        return outcome
    return Outcome(f"{_said(made)} is standby.\n{outcome.text}", outcome.notes, outcome.status)


def _fill(work: _Reembedding, options: argparse.Namespace) -> Outcome:
    spaces = work.spaces
    active, standby = two(spaces.register())
    fillers = work.container.fillers
    if not fillers:
        raise SettingsError(
            f"EMBEDDING_… and NEXT_EMBEDDING_… must name both {_said(active)} and {_said(standby)}"
        )
    sent = Sent()
    for filler, (here, there) in zip(fillers, ((active, standby), (standby, active)), strict=True):
        filling = Filling(
            spaces,
            work.container.addresses,
            work.container.notice_queue,
            filler,
            Pacer(options.tokens_per_minute / 60 or None, time.monotonic, time.sleep),
            options.max_waiting,
            time.time,
            time.sleep,
        )
        done = filling.run(here, there)
        sent = Sent(*(one + more for one, more in zip(_counts(sent), _counts(done), strict=True)))
    text = f"{sent.items:,} items announced, about {sent.tokens:,} tokens to embed"
    notes = ["ingest works them off now: see `vector-memory reembed status`"] if sent.items else []
    if sent.here:
        notes.append(f"{sent.here} items that no notice can name were embedded here")
    if sent.failed:
        notes.append(f"{sent.failed} items that no notice can name failed: run it again")
    return Outcome(json.dumps(asdict(sent)) if options.json else text, notes, status=int(bool(sent.failed)))


def _status(work: _Reembedding, options: argparse.Namespace) -> Outcome:
    spaces = work.spaces
    register = spaces.register()
    if register.standby is None or register.active is None:
        rows = [_said(row) for row in register.rows]
        text = json.dumps({"active": rows[0] if rows else None, "standby": None})
        return Outcome(text if options.json else f"{', '.join(rows)}: no other space")
    active, standby = register.active, register.standby
    progress = spaces.progress(active, standby)
    dollars = _dollars(work, standby.space.model, progress.tokens)
    if options.json:
        fields: dict[str, Any] = {"active": _said(active), "standby": _said(standby), "dollars": dollars}
        return Outcome(json.dumps({**fields, **asdict(progress)}))
    return Outcome(_progress(active, standby, progress, dollars), _advice(active, standby, progress))


def _compare(work: _Reembedding, options: argparse.Namespace) -> Outcome:
    spaces = work.spaces
    active, standby = two(spaces.register())
    if options.questions:
        questions = _read(options.questions)
    else:
        questions = [question_of(sample) for sample in spaces.sample(active, standby, options.queries)]
    done = compare(questions, _side(work, active), _side(work, standby))
    if options.json:
        return Outcome(json.dumps({"mean": done.mean, "overlaps": done.overlaps, "tokens": done.tokens}))
    worst = min(done.overlaps, default=0.0)
    return Outcome(
        f"{len(done.overlaps)} questions: {_said(active)} and {_said(standby)} share {done.mean:.0%} of the ten nearest "
        f"(least: {worst:.0%}); {done.tokens:,} tokens asked"
    )


def _read(path: Path) -> Sequence[Question]:
    try:
        return questions_in(path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--questions: {path} cannot be read: {type(error).__name__}") from None


def _switch(work: _Reembedding, options: argparse.Namespace) -> Outcome:
    newer = options.action == "switch"
    if not options.anyway:
        spaces = work.spaces
        refuse_gaps(spaces, spaces.register(), newer=newer)
    registered_space, before = switch(work.conninfo, newer=newer)
    text = f"{_said(registered_space)} answers {'already' if before else 'now; functions notice within 5 s'}"
    if options.json:
        return Outcome(json.dumps({"active": _said(registered_space), "changed": not before}))
    back = "`vector-memory reembed rollback` goes back" if newer else "`vector-memory reembed switch` goes on"
    return Outcome(text, [f"{back}; both are kept up to date until `vector-memory reembed drop`"])


def _drop(work: _Reembedding, options: argparse.Namespace) -> Outcome:
    register = work.spaces.register()
    if register.standby is None:
        return Outcome(json.dumps({"dropped": None}) if options.json else "there is no other space to drop")
    if not options.yes:
        return Outcome(f"{_said(register.standby)} would be dropped with all its vectors: say --yes")
    dropped = drop_standby(work.conninfo)
    name = _said(dropped) if dropped else None
    notes = [
        "set EMBEDDING_… to the space that is left, and take NEXT_EMBEDDING_… away, at the next deployment"
    ]
    return Outcome(json.dumps({"dropped": name}) if options.json else f"{name} is dropped", notes)


def _side(work: _Reembedding, registered_space: RegisteredSpace) -> Side:
    chosen = next((one for one in work.known if space_of(one) == registered_space.space), None)
    if chosen is None:
        raise SettingsError(f"EMBEDDING_… or NEXT_EMBEDDING_… must name {_said(registered_space)}")
    store = PgVectorStore(work.backend.operators_connector, registered_space.space, "exact")
    return Side(work.container.embedder_of(chosen), store)


def _dollars(work: _Reembedding, model: str, tokens: int) -> float | None:
    price = next(
        (one.dollars_per_million_tokens for one in work.known if one.model == model), PRICES.get(model)
    )
    return None if price is None else price * tokens / 1_000_000


def _progress(
    active: RegisteredSpace, standby: RegisteredSpace, progress: SpaceProgress, dollars: float | None
) -> str:
    return (
        f"active:  {_said(active)}, {progress.chunks:,} chunks\n"
        f"standby: {_said(standby)}, {progress.behind:,} chunks of {progress.items:,} items still to embed: about "
        f"{progress.tokens:,} tokens, {money(dollars)}"
    )


def _advice(active: RegisteredSpace, standby: RegisteredSpace, progress: SpaceProgress) -> list[str]:
    notes = []
    if progress.own:
        notes.append(
            f"{progress.own} chunks are the chat app's own: it must write them to schema {standby.schema} itself"
        )
    if progress.overdue:
        notes.append("`vector-memory reembed fill` announces what is missing")
    elif standby.number > active.number:
        notes.append("`vector-memory reembed compare`, then `vector-memory reembed switch`")
    else:
        notes.append("`vector-memory reembed drop --yes` gives its room back, and ends the way back")
    return notes


def _counts(sent: Sent) -> tuple[int, int, int, int]:
    return sent.items, sent.tokens, sent.here, sent.failed


def _said(registered_space: RegisteredSpace) -> str:
    return f"{registered_space.space.model}/{registered_space.space.dimensions}"


_ACTIONS: Mapping[str, Callable[[_Reembedding, argparse.Namespace], Outcome]] = {
    "start": _start,
    "fill": _fill,
    "status": _status,
    "compare": _compare,
    "switch": _switch,
    "rollback": _switch,
    "drop": _drop,
}
