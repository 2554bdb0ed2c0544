"""Sets of questions: LoCoMo's format, and JSON lines of our own.

A line of ours is a session or a question; ``conversation`` is left out where a file has only one::

    {"conversation": "mika", "session": "chat:1", "messages": [
        {"id": "1-1", "role": "user", "content": "It ships on Friday.", "timestamp": "2026-11-22T09:00:00Z"}]}
    {"conversation": "mika", "question": "When does it ship?", "evidence": ["1-1"]}

A message may have a ``name``. ``evidence`` are the ids of all messages that answer the question; an empty list says that
none does. ``now`` is when it is asked, ``before`` are messages that said so before and hold no longer. ``says`` are the
sentences of the evidence that answer, word for word, where the rest of a long message does not.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from pipeline.errors import SettingsError

ADVERSARIAL = 5
"""LoCoMo's category of questions that have no answer."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn; ``said`` is the message as a chat app saves it."""

    id: str
    said: Mapping[str, Any] = field(repr=False)

    @property
    def text(self) -> str:
        """What was said."""
        return str(self.said["content"])

    @property
    def speaker(self) -> str:
        """The name, or the role."""
        return str(self.said.get("name") or self.said["role"])

    @property
    def day(self) -> str:
        """``YYYY-MM-DD``, or nothing."""
        return str(self.said.get("timestamp") or "")[:10]


@dataclass(frozen=True, slots=True)
class Session:
    """One conversation's session."""

    key: str
    messages: Sequence[Message]


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and the ids of the messages that answer it.

    Args:
        before: of messages that said so before, and that the evidence replaces.
        now: when it is asked.
        name: of one whose text is not even to be guessed by its hash.
        says: what of the evidence answers, word for word; none: all of it.
    """

    text: str = field(repr=False)
    evidence: frozenset[str]
    before: frozenset[str] = frozenset()
    now: datetime | None = None
    name: str | None = None
    says: tuple[str, ...] = field(default=(), repr=False)

    @property
    def id(self) -> str:
        """A name of it that does not show it."""
        return self.name or sha256(self.text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Conversation:
    """One user's memory, and what is asked of it."""

    name: str
    sessions: Sequence[Session]
    questions: Sequence[Question]

    @property
    def messages(self) -> list[Message]:
        """All messages in their order."""
        return [message for session in self.sessions for message in session.messages]

    @property
    def texts(self) -> Mapping[str, str]:
        """The text of each message, by its id."""
        return {message.id: message.text for message in self.messages}

    @property
    def session_of(self) -> Mapping[str, str]:
        """The session of each message, by its id."""
        return {message.id: session.key for session in self.sessions for message in session.messages}

    def answer(self, question: Question) -> str:
        """Return the text that answers ``question``: what its evidence says, or all of the evidence."""
        texts = self.texts
        return "\n".join(question.says or [texts[id_] for id_ in sorted(question.evidence)])


def read_set(path: Path) -> list[Conversation]:
    """Read a file of either format.

    Raises:
        SettingsError: it cannot be read, or is of neither.
    """
    try:
        text = path.read_text("utf-8")
        found = _locomo(json.loads(text)) if text.lstrip().startswith("[") else _lines(text)
        conversations = [one for one in found if one.questions]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"{path} is neither a LoCoMo file nor JSON lines of sessions and questions: "
            f"{type(error).__name__} {error}"
        ) from None
    if not conversations:
        raise SettingsError(f"{path} holds no question with evidence")
    return conversations


def _lines(text: str) -> Iterator[Conversation]:
    sessions: dict[str, list[Session]] = {}
    questions: dict[str, list[Question]] = {}
    for row in (json.loads(line) for line in text.splitlines() if line.strip()):
        name = str(row.get("conversation", "all"))
        if "question" in row:
            questions.setdefault(name, []).append(_question(row))
        else:
            messages = [
                Message(str(one["id"]), {k: v for k, v in one.items() if k != "id"})
                for one in row["messages"]
            ]
            sessions.setdefault(name, []).append(Session(row["session"], messages))
    for name, own in sessions.items():
        one = Conversation(name, own, _answerable(own, questions.get(name, [])))
        _check_said(one)
        yield one


def _check_said(conversation: Conversation) -> None:
    texts = conversation.texts
    for question in conversation.questions:
        said = "\n".join(texts[id_] for id_ in question.evidence)
        if any(sentence not in said for sentence in question.says):
            raise ValueError(f"question {question.id}: what it `says` stands in none of its evidence")


def _question(row: Mapping[str, Any]) -> Question:
    now = datetime.fromisoformat(row["now"]) if "now" in row else None
    evidence, before = frozenset(row["evidence"]), frozenset(row.get("before", ()))
    return Question(row["question"], evidence, before, now, says=tuple(row.get("says", ())))


def _locomo(samples: Sequence[Mapping[str, Any]]) -> Iterator[Conversation]:
    for number, sample in enumerate(samples):
        sessions = list(_locomo_sessions(sample["conversation"]))
        questions = [
            Question(str(row["question"]), frozenset(row.get("evidence", ())))
            for row in sample["qa"]
            if row.get("category") != ADVERSARIAL and row.get("evidence")
        ]
        yield Conversation(str(sample.get("sample_id", number)), sessions, _answerable(sessions, questions))


def _locomo_sessions(conversation: Mapping[str, Any]) -> Iterator[Session]:
    numbers = sorted(
        int(name.removeprefix("session_"))
        for name in conversation
        if name.removeprefix("session_").isdecimal()
    )
    for number in numbers:
        start = _locomo_time(conversation[f"session_{number}_date_time"])
        turns = conversation[f"session_{number}"] or []
        messages = [
            _turn(turn, conversation["speaker_a"], start + timedelta(minutes=minute))
            for minute, turn in enumerate(turns)
        ]
        if messages:
            yield Session(f"session_{number}", messages)


def _turn(turn: Mapping[str, Any], first_speaker: str, time: datetime) -> Message:
    role = "user" if turn["speaker"] == first_speaker else "assistant"
    said = {
        "role": role,
        "name": turn["speaker"],
        "content": turn["text"],
        "timestamp": time.isoformat(),
    }
    return Message(turn["dia_id"], said)


def _locomo_time(text: str) -> datetime:
    return datetime.strptime(text, "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC)


def _answerable(sessions: Sequence[Session], questions: Sequence[Question]) -> list[Question]:
    """Return the questions without evidence ids that name no message (LoCoMo has a few malformed ones)."""
    known = {message.id for session in sessions for message in session.messages}
    return [
        replace(one, evidence=one.evidence & known)
        for one in questions
        if not one.evidence or one.evidence & known
    ]
