"""The memory itself under evaluation: real items, the real reconcile, Postgres with pgvector, the real search."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from lab.evaluation.measures import CUT_OFFS, READ_TOKENS, Answer, share_read
from lab.evaluation.sets import Conversation, Message, Question, Session
from pipeline.embedding.vectors import Embedder
from pipeline.ingest.chunking import Chunker, message_id
from pipeline.ingest.notices import Notice
from pipeline.ingest.reconcile import Reconciler
from pipeline.ingest.splitting import split_markdown
from pipeline.search.memory_search import MemorySearch
from pipeline.search.passages import squeezed
from pipeline.search.ranking import VECTOR_WEIGHT, Ranked
from pipeline.search.trace import Trace
from pipeline.search.wanted import Wanted
from pipeline.settings import DEFAULT_ATTRIBUTE_NAMES, Settings
from pipeline.source.documents import EntryHasher, ItemKey
from pipeline.source.layouts import Item, Layouts
from pipeline.stores.protocol import Store

TABLE = "sessions"
CONTEXT_PASSAGES = 20
LAYOUTS = Layouts(DEFAULT_ATTRIBUTE_NAMES, EntryHasher(b"evaluation only, no secret"))


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, what it was answered from, and which messages each chunk holds."""

    question: Question
    trace: Trace
    told: Mapping[str, frozenset[str]]

    def messages_in(self, passage: Ranked) -> AbstractSet[str]:
        """Return the ids of the messages in a passage."""
        return frozenset().union(*(self.told[chunk] for chunk in passage.chunks))


class Memory:
    """One store, filled by saves and asked by questions.

    Args:
        embedder: of the store's space.
        store: empty of these conversations.
        questions: the same store under the role that questions come with.
    """

    def __init__(self, embedder: Embedder, store: Store, questions: Store) -> None:
        settings = Settings()
        chunker = Chunker(settings.excluded_roles, settings.max_chunk_tokens, split_markdown, embedder.space)
        self._items: dict[str, Item] = {}
        self._store, self._query_store = store, questions
        self._reconciler = Reconciler(LAYOUTS, self, chunker, embedder, store, _no_pause)
        self._embedder = embedder
        self._told: dict[str, frozenset[str]] = {}

    def get(self, key: ItemKey) -> Item | None:
        """Return the item as it was last saved."""
        return self._items.get(key.source)

    def save(self, conversation: Conversation) -> None:
        """Save every session as a chat app does: the whole item, once a message."""
        for session in conversation.sessions:
            for count in range(1, len(session.messages) + 1):
                self._save(conversation.name, session, count)
            self._remember(conversation.name, session)

    def save_at_once(self, conversation: Conversation) -> None:
        """Save every session once, as it ends."""
        for session in conversation.sessions:
            self._save(conversation.name, session, len(session.messages))

    def answers(self, conversation: Conversation, vector_weight: float = VECTOR_WEIGHT) -> list[Answer]:
        """Return what each question finds."""
        recall = MemorySearch(
            self._embedder, self._query_store, vector_weight=vector_weight, min_confidence=0.0
        )
        return [self._answer(recall, conversation, one) for one in conversation.questions]

    def asked(self, conversation: Conversation) -> list[Asked]:
        """Return what each question is answered from, to be ranked in other ways."""
        recall, name = MemorySearch(self._embedder, self._query_store, min_confidence=0.0), conversation.name
        return [
            Asked(
                one,
                recall.search(name, name, one.text, max(CUT_OFFS), wanted=Wanted(now=one.now)).trace,
                self._told,
            )
            for one in conversation.questions
        ]

    def _save(self, tenant_id: str, session: Session, count: int) -> None:
        self.save_item(TABLE, _item(tenant_id, session.key, session.messages[:count]))

    def save_item(self, table: str, item: Item) -> None:
        """Save an item as it is.

        Raises:
            ValueError: its key is no memory's.
        """
        address = LAYOUTS.address(table, item)
        if address is None:
            raise ValueError(table)
        source = address.key.source
        self._items[source] = item
        report = self._reconciler.run({source: Notice(address)})
        for failure in report.failures.values():
            raise failure

    def _remember(self, tenant_id: str, session: Session) -> None:
        """Note which messages each chunk of the session holds."""
        item = _item(tenant_id, session.key, session.messages)
        document = LAYOUTS.parse(TABLE, item)
        if document is None:
            raise ValueError(session.key)
        spoken = [message for message in session.messages if message.text.strip()]
        source, copies = document.key.source, Counter[str]()
        names: dict[str, str] = {}
        for entry, one in zip(document.entries, spoken, strict=True):
            names[message_id(tenant_id, source, entry.id, copies[entry.id])] = one.id
            copies[entry.id] += 1
        for chunk in self._store.detail(tenant_id, {source: None})[source].chunks:
            self._told[chunk.id] = frozenset(names[member] for member in chunk.members)

    def _answer(self, recall: MemorySearch, conversation: Conversation, question: Question) -> Answer:
        tenant_id, evidence, wanted = conversation.name, question.evidence, Wanted(now=question.now)
        found = recall.search(tenant_id, tenant_id, question.text, max(CUT_OFFS), wanted=wanted)
        hits = [frozenset().union(*(self._told[chunk] for chunk in one.chunks)) for one in found.passages]
        context = recall.context(
            tenant_id, tenant_id, question.text, None, READ_TOKENS, CONTEXT_PASSAGES, wanted
        )
        read, texts, session_of = squeezed(context.text), conversation.texts, conversation.session_of
        return Answer(
            evidence,
            hits,
            {id_ for id_ in evidence if squeezed(texts[id_]) in read},
            share_read(conversation.answer(question), read),
            frozenset(session_of[id_] for id_ in evidence),
            [frozenset(session_of[id_] for id_ in hit) for hit in hits],
            question.before,
            found.confidence,
        )


def _item(tenant_id: str, key: str, messages: Sequence[Message]) -> Item:
    said = json.dumps([dict(message.said) for message in messages], ensure_ascii=False)
    return {"tenant_id": {"S": tenant_id}, "session_key": {"S": key}, "messages": {"S": said}}


def _no_pause(_: float) -> None:
    """Nobody else is at work."""
