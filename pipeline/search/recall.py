"""The service behind the query function."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pipeline.embedding.vectors import Embedder
from pipeline.lexical.terms import terms
from pipeline.search.context import Context, assemble
from pipeline.search.covering import prefer_summaries
from pipeline.search.fence import new_nonce
from pipeline.search.passages import body, in_order
from pipeline.search.quotations import Told
from pipeline.search.ranking import VECTOR_WEIGHT, Ranked, Weighing, rank
from pipeline.search.related import RelatedSession, entry, related_sessions
from pipeline.search.worth import worths
from pipeline.source.layouts import safe_text
from pipeline.stores.protocol import Filters, Hit, Passage, SearchRequest, Store
from pipeline.stores.usage import Meter, Uncounted

CANDIDATES = 100
"""Fewest of each kind that are ranked against each other: enough that a question asked again and again is among them
with its answer."""
AROUND = 4
"""Chunks on either side of a candidate; more do not fit into a window of short messages."""
WHOLE = 300
"""A memory of so many chunks is ranked whole: hardly fewer of them would be candidates."""
MAX_TERMS = 256
"""Of a question; a longer one is a text, whose beginning tells what it is about."""
EVERYTHING = Filters()
NOTE_PASSAGES = 500
"""Most chunks of notes that are read back; a note of 400 KB has about as many."""
AT_HAND = 20
"""Newest passages of a session that its agent is taken to see already."""
QUERY_PASSAGES = 3
"""Newest passages of a session that stand in for a question."""
MAX_QUERY_CHARACTERS = 4_000
"""Of messages that stand in for a question; an embedding takes no more than 8,192 tokens."""


@dataclass(frozen=True, slots=True)
class Notes:
    """A user's notes as the index holds them.

    Args:
        long_term: of all days.
        daily: of the newest day that has any.
    """

    long_term: str
    daily: str


@dataclass(frozen=True, slots=True)
class Recall:
    """Searches one user's memory. Every method raises EmbeddingUnavailableError or StoreUnavailableError.

    Args:
        embedder: embeds the query, in the store's space.
        store: holds the memory.
        meter: counts what is asked of the embedder.
        vector_weight: of meaning beside words, 0..1.
    """

    embedder: Embedder
    store: Store
    meter: Meter = field(default_factory=lambda: Meter(Uncounted()))
    vector_weight: float = VECTOR_WEIGHT

    def search(  # noqa: PLR0913  # the request's own fields
        self,
        tenant_id: str,
        user_id: str,
        query: str,
        top_k: int,
        filters: Filters = EVERYTHING,
        *,
        half_life_days: float | None = None,
    ) -> Sequence[Ranked]:
        """Return the ``top_k`` memories that fit ``query`` best, by meaning and by words, best first.

        Raises:
            EmbeddingUnavailableError: the query could not be embedded.
            StoreUnavailableError: the store is away.
        """
        found = self._candidates(tenant_id, user_id, query, max(CANDIDATES, top_k), filters, WHOLE)
        weighing = Weighing(self.vector_weight, half_life_days, datetime.now(UTC))
        return rank(found, _asked(query), top_k, weighing=weighing)

    def _candidates(  # noqa: PLR0913, PLR0917  # what the store is asked
        self, tenant_id: str, user_id: str, query: str, count: int, filters: Filters, whole: int = 0
    ) -> Sequence[Hit]:
        before = self.embedder.usage.tokens
        query = safe_text(query)
        [vector] = self.embedder.embed([query])
        self.meter.add({tenant_id: self.embedder.usage.tokens - before}, datetime.now(UTC).date())
        return self.store.search(
            SearchRequest(
                tenant_id, user_id, vector, count, _asked(query), filters, around=AROUND, whole=whole
            )
        )

    def context(  # noqa: PLR0913, PLR0917  # the request's own fields
        self,
        tenant_id: str,
        user_id: str,
        query: str | None,
        session_key: str | None,
        max_tokens: int,
        top_k: int,
    ) -> Context:
        """Return the long-term memory and the ``top_k`` best passages, within ``max_tokens``.

        What the agent has in its session is left out. Without a query the session's last messages stand in; without
        those, the newest passages come.
        """
        at_hand = self._at_hand(tenant_id, user_id, session_key)
        asked = query or "\n".join(body(passage.content) for passage in at_hand[-QUERY_PASSAGES:])
        long_term = self._note(tenant_id, user_id, "long_term")
        told = Told([long_term, *(body(passage.content) for passage in at_hand)], [one.id for one in at_hand])
        question = asked[-MAX_QUERY_CHARACTERS:]
        if question.strip():
            found = self._candidates(
                tenant_id, user_id, question, max(CANDIDATES, top_k), _NOT_LONG_TERM, WHOLE
            )
        else:
            found = self._newest(tenant_id, user_id, top_k)
        sought, weighing = _asked(question), Weighing(self.vector_weight)
        fresh = prefer_summaries(rank(found, sought, top_k, told, weighing), lambda one: one.hit.metadata)
        return assemble(long_term, fresh, worths(found, sought, weighing), max_tokens, new_nonce())

    def related(
        self,
        tenant_id: str,
        user_id: str,
        session_key: str | None,
        messages: Sequence[str] | None,
        top_k: int,
    ) -> Sequence[RelatedSession]:
        """Return past conversations that bear on the session, or on ``messages``; the session itself left out."""
        own = frozenset({session_key} if session_key else ())
        said = messages or [
            body(passage.content) for passage in self._at_hand(tenant_id, user_id, session_key)
        ]
        asked = "\n".join(said)[-MAX_QUERY_CHARACTERS:]
        if not asked.strip():
            return ()
        filters = Filters(kinds=frozenset({"session"}), excluded_keys=own)
        # Not a small memory whole: what stands out does so among candidates.
        found = self._candidates(tenant_id, user_id, asked, CANDIDATES, filters)
        best = related_sessions(found, _asked(asked), top_k)
        return [entry(one, self._opening(tenant_id, user_id, one.hit)) for one in best]

    def notes(self, tenant_id: str, user_id: str) -> Notes:
        """Return the long-term memory and the newest daily note, as far as they are indexed."""
        return Notes(
            long_term=self._note(tenant_id, user_id, "long_term"),
            daily=self._note(tenant_id, user_id, "daily"),
        )

    def _note(self, tenant_id: str, user_id: str, kind: str) -> str:
        """Return the text of a user's note of this kind: the newest one, where there are several."""
        filters = Filters(kinds=frozenset({kind}))
        passages = self.store.passages(tenant_id, user_id, filters, NOTE_PASSAGES)
        newest = max((_day(passage) for passage in passages), default="")
        chosen = [passage for passage in passages if _day(passage) == newest]
        return "\n".join(body(passage.content) for passage in in_order(chosen))

    def _at_hand(self, tenant_id: str, user_id: str, session_key: str | None) -> list[Passage]:
        """Return what the agent sees of its session, oldest first: what is retained of older ones it does not see."""
        if not session_key:
            return []
        filters = Filters(keys=frozenset({session_key}), kinds=frozenset({"session"}))
        passages = self.store.passages(tenant_id, user_id, filters, AT_HAND)
        return in_order([passage for passage in passages if not passage.retained])

    def _newest(self, tenant_id: str, user_id: str, limit: int) -> Sequence[Hit]:
        """Return the newest chunks as hits, the more alike the newer."""
        passages = self.store.passages(tenant_id, user_id, _NOT_LONG_TERM, limit + AT_HAND)
        return [
            Hit(one.id, one.content, 1.0 / (1 + age), one.created_at, one.metadata)
            for age, one in enumerate(passages)
        ]

    def _opening(self, tenant_id: str, user_id: str, hit: Hit) -> str:
        key = str(hit.metadata.get("key"))
        filters = Filters(keys=frozenset({key}), kinds=frozenset({"session"}))
        first = self.store.passages(tenant_id, user_id, filters, 1, oldest_first=True)
        return first[0].content if first else hit.content


def _asked(text: str) -> tuple[str, ...]:
    """Return the terms that are looked for, each once."""
    return tuple(dict.fromkeys(terms(safe_text(text))))[:MAX_TERMS]


_NOT_LONG_TERM = Filters(kinds=frozenset({"session", "daily", "summary"}))
"""Long-term memory is told whole, so its chunks need not be found."""


def _day(passage: Passage) -> str:
    return str(passage.metadata.get("date") or "")


def as_result(ranked: Ranked) -> dict[str, Any]:
    """Return a hit in the shape the chat app knows (key, content, similarity), with more fields after it."""
    hit = ranked.hit
    return {
        "key": hit.metadata.get("key", hit.id),
        "content": hit.content,
        "similarity": hit.similarity,
        "score": ranked.score,
        "why": {"vector": ranked.vector, "lexical": ranked.lexical},
        "id": hit.id,
        "kind": hit.metadata.get("kind"),
        "roles": hit.metadata.get("roles", []),
        "created_at": hit.created_at.isoformat(),
    }
