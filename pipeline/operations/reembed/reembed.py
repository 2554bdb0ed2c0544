"""Re-embedding: the items of which one space lacks something are announced, and ingest embeds what is missing there.

What is missing is asked of the database each time, so a run may be killed and begun again: what is there already is not
sent, and what is sent twice is not embedded twice.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.embedding.questions import question_vectors
from pipeline.embedding.vectors import Embedder
from pipeline.errors import QueueUnavailableError, SettingsError
from pipeline.ingest.chunking import embedded_text
from pipeline.ingest.notices import Notice
from pipeline.ingest.standby_filler import Filler
from pipeline.operations.pacing.pacer import Pacer
from pipeline.source.layouts import Address, Layouts
from pipeline.stores.pgvector.space_progress import BehindItem, Sample, SpaceProgress
from pipeline.stores.pgvector.spaces import Register, RegisteredSpace
from pipeline.stores.protocol import Store
from pipeline.stores.search_requests import SearchRequest

POLL_SECONDS = 0.5
SEND_ATTEMPTS = 6
COMPARED = 10
"""Neighbours looked at in each space."""
MAX_QUESTION_CHARACTERS = 200


class Queue(Protocol):
    """Takes notices, see :class:`pipeline.ingest.queue.NoticeQueue`."""

    def send(self, notices: Sequence[Notice]) -> frozenset[str]: ...  # noqa: D102  # see the class

    def depth(self) -> int: ...  # noqa: D102  # see the class


class SpaceIndex(Protocol):
    """Reads what spaces hold, see :class:`pipeline.stores.pgvector.space_progress.Spaces`."""

    def behind(self, here: RegisteredSpace, there: RegisteredSpace) -> Iterator[Sequence[BehindItem]]: ...  # noqa: D102  # see the class

    def progress(self, here: RegisteredSpace, there: RegisteredSpace) -> SpaceProgress: ...  # noqa: D102  # see the class


@dataclass(slots=True)
class Sent:
    """What a run did."""

    items: int = 0
    tokens: int = 0
    here: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Filling:
    """Announces what a space lacks.

    Args:
        filler: makes of what no notice can name (imported vectors) on the spot; ``None`` leaves it.
        waiting: while the queue holds so many notices nothing is sent, so that live changes are not held up.
        pacer: of tokens.
    """

    held: SpaceIndex
    layouts: Layouts
    queue: Queue
    filler: Filler | None
    pacer: Pacer
    waiting: int
    clock: Callable[[], float]
    sleep: Callable[[float], None]

    def run(self, here: RegisteredSpace, there: RegisteredSpace) -> Sent:
        """Announce every item of which ``there`` lacks something that ``here`` has.

        Raises:
            QueueUnavailableError: the queue does not take them; run it again.
        """
        sent = Sent()
        for page in self.held.behind(here, there):
            named = [(item, address) for item in page if (address := self._address(item))]
            self._send(named)
            sent.items += len(named)
            sent.tokens += sum(item.tokens for item in page)
            addressed = {item.source for item, _ in named}
            unnamed = {item.source: item.tenant_id for item in page if item.source not in addressed}
            failures = self.filler.fill(unnamed) if self.filler and unnamed else dict.fromkeys(unnamed)
            sent.here += len(unnamed) - len(failures)
            sent.failed += len(failures)
        return sent

    def _address(self, item: BehindItem) -> Address | None:
        address = (
            self.layouts.address(item.key.table, item.key.to_dynamodb()) if item.key is not None else None
        )
        return address if address and address.tenant_id == item.tenant_id else None

    def _send(self, named: Sequence[tuple[BehindItem, Address]]) -> None:
        while named and self.queue.depth() >= self.waiting:
            self.sleep(POLL_SECONDS)
        self.pacer.spend(sum(item.tokens for item, _ in named))
        notices = [Notice(address, force_read=True, first_sent_at=self.clock()) for _, address in named]
        for attempt in range(SEND_ATTEMPTS):
            failed = self.queue.send(notices) if notices else frozenset()
            notices = [notice for notice in notices if notice.address.key.source in failed]
            if not notices:
                return
            self.sleep(POLL_SECONDS * 2**attempt)
        raise QueueUnavailableError(f"the notice queue did not take {len(notices)} notices: run it again")


@dataclass(frozen=True, slots=True)
class Question:
    """What both spaces are asked.

    Args:
        without: id of the chunk the question was made of, which is no answer to it.
    """

    tenant_id: str
    user_id: str
    text: str = field(repr=False)
    without: str | None = None


def question_of(sample: Sample) -> Question:
    """Return the beginning of a stored text as a question."""
    text = embedded_text(sample.content, sample.metadata)[:MAX_QUESTION_CHARACTERS]
    return Question(sample.tenant_id, sample.user_id, text, sample.id)


def questions_in(lines: str) -> Sequence[Question]:
    """Read questions: a JSON object a line, ``tenant_id``, ``query``, and ``user_id`` where it is not the tenant.

    Raises:
        SettingsError: a line is none; the message names it and quotes nothing.
    """
    # Not splitlines: a string of JSON may hold U+2028, U+0085 and other ends of lines.
    return [_question(number, line) for number, line in enumerate(lines.split("\n"), 1) if line.strip()]


def _question(number: int, line: str) -> Question:
    try:
        given = json.loads(line)
        tenant_id, text = given["tenant_id"], given["query"]
        found = Question(tenant_id, given.get("user_id", tenant_id), text)
        sound = all(isinstance(one, str) and one.strip() for one in (tenant_id, found.user_id, text))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        sound = False
    if not sound:
        raise SettingsError(
            f'line {number} is no question: {{"tenant_id": "…", "user_id": "…", "query": "…"}}, user_id if not the tenant'
        )
    return found


@dataclass(frozen=True, slots=True)
class Side:
    """A space to be compared."""

    embedder: Embedder
    store: Store

    def nearest(self, asked: Question) -> frozenset[str]:
        """Return the ids of the nearest of the user's memories, by vectors only, the asked one left out."""
        [vector] = question_vectors(self.embedder, [asked.text])
        request = SearchRequest(asked.tenant_id, asked.user_id, vector, COMPARED + 1)
        ids = [hit.id for hit in self.store.search(request).hits if hit.id != asked.without]
        return frozenset(ids[:COMPARED])


@dataclass(frozen=True, slots=True)
class Comparison:
    """How alike two spaces answer.

    Args:
        overlaps: of each question, the share of the nearest that both find, 0..1.
        tokens: what asking cost, in both together.
    """

    overlaps: tuple[float, ...] = field(default=())
    tokens: int = 0

    @property
    def mean(self) -> float:
        """Over all questions."""
        return sum(self.overlaps) / len(self.overlaps) if self.overlaps else 0.0


def compare(questions: Sequence[Question], one: Side, other: Side) -> Comparison:
    """Ask both spaces, and see how many of the nearest ten they share; who has no memory says nothing."""
    before = one.embedder.usage.tokens + other.embedder.usage.tokens
    overlaps = []
    for question in questions:
        found, too = one.nearest(question), other.nearest(question)
        if found or too:
            overlaps.append(len(found & too) / max(len(found), len(too)))
    return Comparison(tuple(overlaps), one.embedder.usage.tokens + other.embedder.usage.tokens - before)


def two(register: Register) -> tuple[RegisteredSpace, RegisteredSpace]:
    """Return the active space and the standby one.

    Raises:
        SettingsError: there is only one.
    """
    if register.active is None or register.standby is None:
        raise SettingsError("there is one space only: `vector-memory reembed start` makes the next one")
    return register.active, register.standby


def refuse_gaps(held: SpaceIndex, register: Register, *, newer: bool) -> None:
    """Refuse a switch to a space that lacks what it ought to have by now.

    Raises:
        SettingsError: it does; the message says how much.
    """
    active, standby = two(register)
    if (standby.number > active.number) != newer:
        return
    gaps = held.progress(active, standby).overdue
    if gaps:
        raise SettingsError(
            f"the other space lacks {gaps} chunks that were indexed over a minute ago: run `vector-memory reembed fill`, "
            "see `vector-memory reembed status`; --anyway switches all the same"
        )
