"""What the page can do, for one person at a time."""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from pipeline.local.page.chats import Chat, FullError, Message, digest, has_turn, new_key, spoken, without
from pipeline.local.page.commands import CommandFailedError
from pipeline.local.page.hits import Hit, filters, shown, shown_session, tells
from pipeline.local.page.indexing_progress import IndexingProgress, Kind
from pipeline.local.page.memory import Memory, MemoryAwayError
from pipeline.local.page.people import Person
from pipeline.local.page.progress_watcher import ProgressWatcher
from pipeline.local.page.replies import recalled, reply
from pipeline.local.page.tables import Tables

MAX_MESSAGE_BYTES = 200_000
RELATED = 5
STARTERS = 3
CANDIDATES = 100
SHOWN_RESULTS = 30
CONTEXT_TOKENS = 600

RequestBody = Mapping[str, Any]
Answer = dict[str, Any]


class AskedWronglyError(Exception):
    """The page asked for what cannot be; ``code`` is one that it has words for."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


@dataclass(frozen=True, slots=True)
class Actions:
    """Every action takes whose pass it is and what the page asked, and returns what the page is told.

    Each raises AskedWronglyError, or MemoryAwayError where memory does not answer.

    Args:
        starters: person → a few things to begin with, for somebody who does not know what to type.
        holdings: person → what is held of them, see :mod:`pipeline.local.page.holdings`.
        look: how the pipeline does, as this person may see it, see :mod:`pipeline.local.page.pipeline`.
        redrive_letters: person, cause → how many of their tenant's dead letters were sent again, see the same.
    """

    tables: Tables
    memory: Memory
    watch: ProgressWatcher
    starters: Mapping[Person, Sequence[str]] = field(default_factory=dict)
    holdings: Callable[[Person], list[dict[str, Any]]] = field(default=lambda _: [])
    look: Callable[[Person], dict[str, Any]] = field(default=lambda _: {})
    redrive_letters: Callable[[Person, str], dict[str, int]] = field(default=lambda *_: {})
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def chats(self, person: Person, _: RequestBody) -> Answer:
        """List the person's conversations, newest first."""
        listed = [_listed(chat) for chat in self.tables.chats(person)]
        return {"chats": listed, "starters": self.starters.get(person, [])[:STARTERS]}

    def chat(self, person: Person, asked: RequestBody) -> Answer:
        """Show one conversation."""
        return {"chat": _shown(self._chat(person, asked))}

    def note(self, person: Person, asked: RequestBody) -> Answer:
        """Show one note."""
        content = self.tables.note(person, _text(asked, "key"))
        if content is None:
            raise AskedWronglyError(404, "no_note")
        return {"note": {"key": asked["key"], "content": content}}

    def turn(self, person: Person, asked: RequestBody) -> Answer:
        """Save what was typed and what is answered, in one put; a turn that is sent twice is saved once.

        Without a key a new conversation begins.
        """
        text, turn = _text(asked, "text"), _text(asked, "turn")
        if len(text.encode("utf-8", "replace")) > MAX_MESSAGE_BYTES:
            raise AskedWronglyError(413, "too_long")
        chat = self._chat(person, asked) if asked.get("key") else None
        if chat and has_turn(chat, turn):
            return {"chat": _shown(chat), "recalled": []}
        key = chat.key if chat else new_key(person, self.clock(), turn[:4])
        found = self._recalled(person, text, key)
        said = (
            spoken("user", text, self.clock(), turn=turn),
            spoken("assistant", reply(found, str(asked.get("language"))), self.clock(), responder="demo"),
        )
        told = self._change(
            person, _begun("save", key, text), lambda chat: _with_turn(chat or Chat(key, ()), said)
        )
        return {**told, "recalled": [shown(hit) for hit in found or ()]}

    def forget(self, person: Person, asked: RequestBody) -> Answer:
        """Take out one message, or the whole conversation, and follow it out of memory."""
        name = asked.get("message")
        chat = self._chat(person, asked)
        doomed = [one for one in chat.messages if name is None or digest(one) == name]
        if not doomed:
            raise AskedWronglyError(404, "no_message")
        text = max((str(one.get("content", "")) for one in doomed), key=len)
        left = _without(chat, name)
        twice = left is not None and any(one.get("content") == text for one in left.messages)
        progress = replace(_begun("forget", chat.key, text), said_elsewhere=twice)
        return self._change(person, progress, lambda now: _without(now, name))

    def related(self, person: Person, asked: RequestBody) -> Answer:
        """Find past conversations that bear on what is being typed, or on how the open one ended."""
        key, text = str(asked.get("key") or "") or None, str(asked.get("text") or "").strip()
        found = self.memory.related(person, text, key, RELATED) if text or key else []
        return {"related": [shown_session(one) for one in found]}

    def search(self, person: Person, asked: RequestBody) -> Answer:
        """Search all of the person's memory, with filters."""
        hits = self._hits(person, _text(asked, "query"), filters(asked))
        return {"results": [shown(hit) for hit in islice(hits, SHOWN_RESULTS)]}

    def why(self, person: Person, asked: RequestBody) -> Answer:
        """Explain one hit of a search, with the numbers."""
        told = self.memory.explanation(person, _text(asked, "query"), CANDIDATES, filters(asked))
        one = next((row for row in told["passages"] if row["id"] == asked.get("id")), None)
        if one is None:
            raise AskedWronglyError(404, "no_hit")
        return {"passage": one, "similarity": told["similarity"], "confidence": told["confidence"]}

    def agent(self, person: Person, asked: RequestBody) -> Answer:
        """Show what an agent is given for a question: the context as text, and how much was left out, and why."""
        given = self.memory.context(person, _text(asked, "query"), CONTEXT_TOKENS)
        passages = given.get("explanation", {}).get("passages", [])
        left_out = Counter(row["left_out"] for row in passages if row["left_out"])
        return {"text": given["text"], "tokens": given["tokens"], "left_out": dict(left_out.most_common())}

    def held(self, person: Person, _: RequestBody) -> Answer:
        """Show everything that memory holds of the person."""
        return {"items": self.holdings(person)}

    def pipeline(self, person: Person, _: RequestBody) -> Answer:
        """Show how the pipeline does."""
        return self.look(person)

    def redrive(self, person: Person, asked: RequestBody) -> Answer:
        """Send the tenant's dead letters of one cause again."""
        try:
            return {**self.redrive_letters(person, _text(asked, "cause"))}
        except CommandFailedError:
            raise AskedWronglyError(503, "queue_away") from None

    def _chat(self, person: Person, asked: RequestBody) -> Chat:
        chat = self.tables.chat(person, _text(asked, "key"))
        if chat is None:
            raise AskedWronglyError(404, "no_chat")
        return chat

    def _recalled(self, person: Person, text: str, key: str) -> Sequence[Hit] | None:
        try:
            return recalled(self._hits(person, text), key)
        except MemoryAwayError:
            return None

    def _hits(self, person: Person, text: str, only: RequestBody | None = None) -> Iterable[Hit]:
        return filter(tells, self.memory.search(person, text, CANDIDATES, only))

    def _change(
        self, person: Person, progress: IndexingProgress, change: Callable[[Chat | None], Chat | None]
    ) -> Answer:
        """Change a conversation and follow that; tell what it is now, and the progress's name in the events."""
        try:
            now = self.watch.begin(
                person, progress, lambda: self.tables.change(person, progress.key, self.clock(), change)
            )
        except PermissionError:
            raise AskedWronglyError(404, "no_chat") from None
        except FullError:
            raise AskedWronglyError(413, "full") from None
        return {"chat": now and _shown(now), "progress": progress.id}


def _begun(kind: Kind, key: str, text: str) -> IndexingProgress:
    return IndexingProgress(uuid.uuid4().hex, kind, key, text, time.time())


def _with_turn(chat: Chat, said: Sequence[Message]) -> Chat:
    known = has_turn(chat, said[0]["turn"])
    return chat if known else replace(chat, messages=(*chat.messages, *said))


def _without(chat: Chat | None, name: str | None) -> Chat | None:
    """Return the chat without the message of that name; nothing is left without a name."""
    if chat is None or name is None:
        return None
    index = next((number for number, one in enumerate(chat.messages) if digest(one) == name), None)
    if index is None:
        return chat
    left = without(chat.messages, index)
    return None if left is None else replace(chat, messages=left)


def _text(asked: RequestBody, name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str) or not value.strip():
        raise AskedWronglyError(400, "incomplete")
    return value


def _listed(chat: Chat) -> Answer:
    return {"key": chat.key, "title": chat.title, "updated_at": chat.updated_at}


def _shown(chat: Chat) -> Answer:
    names = ("role", "content", "timestamp", "name", "forgotten", "responder")
    messages = [
        {name: one[name] for name in names if name in one} | {"id": digest(one)} for one in chat.messages
    ]
    return {"key": chat.key, "title": chat.title, "messages": messages}
