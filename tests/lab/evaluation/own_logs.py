"""An operator's own conversations as a set: what opened a session is taken out, and asked again. Pure.

Nobody says what answers a question, and no model judges: the reply that followed does, as in the inverse cloze task (Lee,
Chang, Toutanova 2019: a sentence taken out of its passage should find the passage). A question that its reply does not
answer, or that another conversation answers as well, counts as a miss: figures are for comparing, not for boasting.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from lab.evaluation.sets import Conversation, Message, Question, Session
from pipeline.search.empty_answers import asks, found_nothing
from pipeline.source.documents import Document, Entry

MOST_QUESTIONS = 20
"""Of one user, spread over all that was asked."""
SHORTEST, LONGEST = 8, 300
"""Characters of a question: "why?" says too little by itself, and longer ones are more than a question."""
SHORTEST_REPLY = 40
TALKING = frozenset({"user", "assistant"})

Item = TypeVar("Item")
_Exchange = tuple[str, str]
"""The ids of a question and of its reply."""


def conversations(documents: Iterable[Document], most: int = MOST_QUESTIONS) -> list[Conversation]:
    """Return a conversation for each user who asked something, without what is asked again.

    Args:
        documents: other kinds than sessions are passed over.
        most: questions of one user.
    """
    users: defaultdict[tuple[str, str], list[Document]] = defaultdict(list)
    for document in documents:
        if document.kind == "session":
            users[document.tenant_id, document.user_id].append(document)
    numbered = enumerate((users[user] for user in sorted(users)), 1)
    made = [_conversation(f"user-{number}", own, most) for number, own in numbered]
    return [one for one in made if one.questions]


def _conversation(name: str, documents: Sequence[Document], most: int) -> Conversation:
    sessions = [
        Session(f"chat:{number}", list(_messages(document, f"{name}-{number}")))
        for number, document in enumerate(sorted(documents, key=lambda one: one.name), 1)
    ]
    texts = {message.id: message.text for session in sessions for message in session.messages}
    asked = spread([pair for session in sessions for pair in _exchange(session.messages)], most)
    hidden = {question for question, _ in asked}
    left = [
        Session(one.key, [message for message in one.messages if message.id not in hidden])
        for one in sessions
    ]
    questions = [Question(texts[question], frozenset({reply}), name=question) for question, reply in asked]
    return Conversation(name, [one for one in left if one.messages], questions)


def _messages(document: Document, name: str) -> Iterator[Message]:
    for number, entry in enumerate(document.entries, 1):
        if entry.role in TALKING and entry.text.strip():
            yield Message(f"{name}-{number}", _said(document, entry))


def _said(document: Document, entry: Entry) -> dict[str, str]:
    time, named = document.said_at(entry), {"name": entry.label} if entry.label else {}
    stamped = {"timestamp": time.isoformat()} if time else {}
    return {"role": entry.role, "content": entry.text, **named, **stamped}


def _exchange(messages: Sequence[Message]) -> Iterator[_Exchange]:
    """Yield what opens a session and the reply to it; what is asked later leans on what was said before."""
    for asked, reply in itertools.pairwise(messages):
        if reply.said["role"] == "assistant":
            if (
                asked.said["role"] == "user"
                and SHORTEST <= len(asked.text) <= LONGEST
                and asks(asked.text)
                and _replies(reply.text)
            ):
                yield asked.id, reply.id
            return


def _replies(text: str) -> bool:
    return len(text) >= SHORTEST_REPLY and not found_nothing(text)


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """Return at most ``most`` of ``items``, from beginning to end."""
    return [items[at * len(items) // most] for at in range(most)] if len(items) > most else list(items)
