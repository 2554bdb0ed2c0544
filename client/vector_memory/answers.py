"""What memory answers, as values. Pure. Fields that a newer service adds are passed over."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from vector_memory.errors import MemoryUnavailableError


@dataclass(frozen=True, slots=True)
class Memory:
    """A hit.

    Args:
        key: of the conversation or note it is from.
        similarity: cosine, from -1 to 1; higher is closer.
        score: 0..1; means the same in every answer.
        superseded_by: the id of the hit that says the same thing anew, if there is one.
    """

    id: str
    key: str
    content: str = field(repr=False)
    similarity: float
    score: float
    kind: str | None
    roles: tuple[str, ...]
    created_at: datetime
    superseded_by: str | None = None


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh an answer is.

    Args:
        indexed_until: ``updated_at`` of the newest save that the answer knows of.
        stale: the save that was asked for was not indexed in time.
    """

    indexed_until: datetime | None
    stale: bool


@dataclass(frozen=True, slots=True)
class Found:
    """Hits, best first.

    Args:
        question_truncated: the question was too long; only its beginning and end were looked for.
        confidence: how sure it is that memory holds an answer, 0..1; ``None`` of a service that does not say.
        explanation: how the answer came about, if that was asked for.
    """

    results: tuple[Memory, ...]
    freshness: Freshness
    question_truncated: bool = False
    confidence: float | None = None
    explanation: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Reminder:
    """Text to show an agent, as data and outside its system prompt; the last three as in :class:`Found`."""

    text: str = field(repr=False)
    tokens: int
    passages: tuple[Memory, ...]
    freshness: Freshness
    question_truncated: bool = False
    confidence: float | None = None
    explanation: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RelatedSession:
    """A past conversation that bears on this one.

    Args:
        superseded_by: the key of the conversation that says the same thing anew, if there is one.
    """

    key: str
    title: str = field(repr=False)
    date: str
    snippet: str = field(repr=False)
    score: float
    superseded_by: str | None = None


@dataclass(frozen=True, slots=True)
class Related:
    """Past conversations, best first; ``question_truncated`` as in :class:`Found`, of the messages together."""

    sessions: tuple[RelatedSession, ...]
    freshness: Freshness
    question_truncated: bool = False
    explanation: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Notes:
    """The user's notes, as far as they are indexed."""

    long_term: str = field(repr=False)
    daily: str = field(repr=False)
    freshness: Freshness


@dataclass(frozen=True, slots=True)
class Forgetting:
    """A wish to forget.

    Args:
        done: carried out; until then memory may still know.
        deleted: how many chunks went.
        source_items: what becomes of the chat app's own items: ``kept``.
    """

    id: str
    done: bool
    source_items: str
    deleted: int | None = None


Fields = Mapping[str, Any]
Answer = TypeVar("Answer")


def found(answer: Fields) -> Found:
    """Read the answer of a search; every reader here raises MemoryUnavailableError for what is no such answer."""
    return _read(
        lambda: Found(
            _memories(answer["results"]),
            _freshness(answer),
            _truncated(answer),
            answer.get("confidence"),
            answer.get("explanation"),
        )
    )


def reminder(answer: Fields) -> Reminder:
    """Read the answer of a request for context."""
    return _read(
        lambda: Reminder(
            answer["text"],
            answer["tokens"],
            _memories(answer["passages"]),
            _freshness(answer),
            _truncated(answer),
            answer.get("confidence"),
            answer.get("explanation"),
        )
    )


def related(answer: Fields) -> Related:
    """Read the answer of a request for related conversations."""
    return _read(
        lambda: Related(
            tuple(
                RelatedSession(
                    one["key"],
                    one["title"],
                    one["date"],
                    one["snippet"],
                    one["score"],
                    one.get("superseded_by"),
                )
                for one in answer["related"]
            ),
            _freshness(answer),
            _truncated(answer),
            answer.get("explanation"),
        )
    )


def notes(answer: Fields) -> Notes:
    """Read a user's notes."""
    return _read(lambda: Notes(answer["long_term"], answer["daily"], _freshness(answer)))


def forgetting(answer: Fields) -> Forgetting:
    """Read what became of a wish to forget."""
    return _read(
        lambda: Forgetting(
            answer["id"], answer["status"] == "done", answer["source_items"], answer.get("deleted")
        )
    )


def _memories(rows: Any) -> tuple[Memory, ...]:  # noqa: ANN401  # whatever JSON came
    return tuple(
        Memory(
            id=row["id"],
            key=row["key"],
            content=row["content"],
            similarity=row["similarity"],
            score=row["score"],
            kind=row["kind"],
            roles=tuple(row["roles"]),
            created_at=datetime.fromisoformat(row["created_at"]),
            superseded_by=row.get("superseded_by"),
        )
        for row in rows
    )


def _freshness(answer: Fields) -> Freshness:
    until = answer["indexed_until"]
    return Freshness(datetime.fromisoformat(until) if until else None, answer["stale"])


def _truncated(answer: Fields) -> bool:
    return answer.get("question_truncated") is True


def _read(make: Callable[[], Answer]) -> Answer:
    try:
        return make()
    except (KeyError, TypeError, ValueError) as error:
        raise MemoryUnavailableError(
            f"memory's answer is of another version of it: {type(error).__name__}"
        ) from None
