"""The service behind the query function."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from pipeline.embedding.vectors import Embedder, Vector
from pipeline.search.calibration import FEWEST, NO_SPACE, evidence
from pipeline.search.chunk_selection import chunk_values
from pipeline.search.context import Context, assemble
from pipeline.search.fence import new_nonce
from pipeline.search.found_passages import FoundPassages, told_passages, without
from pipeline.search.passages import in_order
from pipeline.search.question import Question, read_question
from pipeline.search.quotations import SeenText
from pipeline.search.ranking import VECTOR_WEIGHT, Judge, ScoringWeights
from pipeline.search.related import RelatedCandidate, RelatedSession, entry, judged_sessions
from pipeline.search.summarised_days import prefer_summaries
from pipeline.search.trace import COVERED, NO_ROOM, NO_SEARCH, Trace
from pipeline.search.unrelated import Unrelated
from pipeline.search.wanted import USUAL, Wanted
from pipeline.source.layouts import safe_text
from pipeline.stores.chunk_text import body
from pipeline.stores.chunks import ListedChunk
from pipeline.stores.protocol import Store
from pipeline.stores.search_requests import Filters, Hit, SearchRequest
from pipeline.stores.usage import Meter, Uncounted

CANDIDATES = 100
"""Fewest of each kind that are ranked against each other: enough that a question asked again and again is among them
with its answer."""
AROUND = 4
"""Chunks on either side of a candidate; more do not fit into a window of short messages."""
WHOLE = 300
"""A memory of so many chunks is ranked whole: hardly fewer of them would be candidates."""
MIN_CONFIDENCE = 0.46
"""With the offline embedder up to 5% of questions fall below it that memory answers in much their words, a fifth of those it
answers in others, and nearly all that have nothing to do with it: ``docs/search.md``."""
MAX_TYPED_CHARACTERS = 300
"""Of what is being typed; longer messages are a conversation."""
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
class FoundSessions:
    """What conversations bear on another.

    Args:
        sessions: best first; none where nothing is sure enough.
        judged: all that were looked at, those that are told first.
        trace: how it came to that; ``None`` where nothing was asked.
    """

    sessions: Sequence[RelatedSession] = ()
    judged: Sequence[RelatedCandidate] = field(default=(), repr=False)
    trace: Trace | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class MemorySearch:
    """Searches one user's memory. Every method raises EmbeddingUnavailableError or StoreUnavailableError.

    Args:
        embedder: embeds the query, in the store's space.
        store: holds the memory.
        meter: counts what is asked of the embedder.
        vector_weight: of meaning against words, 0..1.
        min_confidence: what is less sure is left out, unless a request says otherwise.
    """

    embedder: Embedder
    store: Store
    meter: Meter = field(default_factory=lambda: Meter(Uncounted()))
    vector_weight: float = VECTOR_WEIGHT
    min_confidence: float = MIN_CONFIDENCE
    _unrelated: Unrelated = field(default_factory=Unrelated, init=False, repr=False, compare=False)

    def search(  # noqa: PLR0913, PLR0917  # the request's own fields
        self,
        tenant_id: str,
        user_id: str,
        query: str,
        top_k: int,
        filters: Filters = EVERYTHING,
        wanted: Wanted = USUAL,
    ) -> FoundPassages:
        """Return the ``top_k`` memories that fit ``query`` best, by meaning and by words, best first.

        Raises:
            EmbeddingUnavailableError: the query could not be embedded.
            StoreUnavailableError: the store is away.
        """
        question = read_question(query, wanted.now or datetime.now(UTC))
        looked = self._look(tenant_id, user_id, question, _timely(filters, question), wanted, top_k)
        return told_passages(
            looked, question, top_k, SeenText(), self._least(question, wanted), wanted.min_similarity
        )

    def _least(self, question: Question, wanted: Wanted) -> float:
        """Return the least confidence of what is told; of what asks only when, everything of that time is an answer."""
        if wanted.min_confidence is not None:
            return wanted.min_confidence
        return 0.0 if question.asks_only_when else self.min_confidence

    def _look(  # noqa: PLR0913, PLR0917  # what the store is asked
        self, tenant_id: str, user_id: str, question: Question, filters: Filters, wanted: Wanted, top_k: int
    ) -> Trace:
        """Return the candidates, and what they are judged by."""
        embed = partial(self._embed, tenant_id)
        before = self.embedder.usage.tokens
        [vector] = embed([safe_text(question.text)])
        tokens = self.embedder.usage.tokens - before
        count = max(CANDIDATES, top_k)
        request = SearchRequest(
            tenant_id, user_id, vector, count, question.sought, filters, around=AROUND, whole=WHOLE
        )
        result = self.store.search(request)
        hits = result.hits
        usual = self._unrelated.similarities(vector, embed) if 0 < len(hits) < FEWEST else ()
        weights = ScoringWeights(
            self.vector_weight,
            wanted.half_life_days,
            wanted.now or datetime.now(UTC),
            question.time_spans,
            frozenset(question.days),
        )
        space = self._unrelated.space(embed) if hits else NO_SPACE
        judge = Judge(evidence(hits, question.about, usual, space), weights)
        return Trace(question, hits, judge, result.strategy, tokens)

    def _embed(self, tenant_id: str, texts: Sequence[str]) -> Sequence[Vector]:
        """Embed texts, and count their tokens as the tenant's: also those of a call that failed."""
        before = self.embedder.usage.tokens
        try:
            return self.embedder.embed(texts)
        finally:
            self.meter.add({tenant_id: self.embedder.usage.tokens - before}, datetime.now(UTC).date())

    def context(  # noqa: PLR0913, PLR0917  # the request's own fields
        self,
        tenant_id: str,
        user_id: str,
        query: str | None,
        session_key: str | None,
        max_tokens: int,
        top_k: int,
        wanted: Wanted = USUAL,
    ) -> Context:
        """Return the long-term memory and the ``top_k`` best passages, within ``max_tokens``.

        What the agent has in its session is left out. Without a query the session's last messages stand in; without
        those, the newest passages come.
        """
        at_hand = self._at_hand(tenant_id, user_id, session_key)
        query_terms = query or "\n".join(body(passage.content) for passage in at_hand[-QUERY_PASSAGES:])
        long_term = self._note(tenant_id, user_id, "long_term")
        told = SeenText(
            [long_term, *(body(passage.content) for passage in at_hand)], [one.id for one in at_hand]
        )
        question = read_question(query_terms[-MAX_QUERY_CHARACTERS:], wanted.now or datetime.now(UTC))
        if question.text.strip():
            filters = _timely(_NOT_LONG_TERM, question)
            looked = self._look(tenant_id, user_id, question, filters, wanted, top_k)
        else:
            looked = _untold(question, self._newest(tenant_id, user_id, top_k))
        least = self._least(question, wanted) if query else wanted.min_confidence or 0.0
        found = told_passages(looked, question, top_k, told, least)
        fresh = prefer_summaries(found.passages, lambda one: one.hit.metadata)
        values = chunk_values(looked.hits, question.sought, looked.judge) if fresh else {}
        context = assemble(long_term, fresh, values, max_tokens, new_nonce())
        left_out = without(found.passages, fresh, COVERED) | without(fresh, context.passages, NO_ROOM)
        trace = replace(found.trace, left_out={**found.trace.left_out, **left_out})
        return replace(context, confidence=found.confidence, trace=trace)

    def related(  # noqa: PLR0913, PLR0917  # the request's own fields
        self,
        tenant_id: str,
        user_id: str,
        session_key: str | None,
        messages: Sequence[str] | None,
        top_k: int,
        wanted: Wanted = USUAL,
    ) -> FoundSessions:
        """Return past conversations that bear on the session, or on ``messages``; the session itself left out.

        What is being typed is asked as a question would be, and notes that bear on it come too.
        """
        own = frozenset({session_key} if session_key else ())
        said = messages or [
            body(passage.content) for passage in self._at_hand(tenant_id, user_id, session_key)
        ]
        question = read_question("\n".join(said)[-MAX_QUERY_CHARACTERS:], wanted.now or datetime.now(UTC))
        if not question.text.strip():
            return FoundSessions()
        typed = len(question.text) <= MAX_TYPED_CHARACTERS
        kinds = frozenset() if typed and messages else frozenset({"session"})
        looked = self._look(
            tenant_id, user_id, question, Filters(kinds=kinds, excluded_keys=own), wanted, CANDIDATES
        )
        least = self.min_confidence if wanted.min_confidence is None else wanted.min_confidence
        judged = judged_sessions(looked, least, top_k, typed=typed)
        best = [one for one in judged if one.left_out is None]
        told = [entry(one, self._opening(tenant_id, user_id, one.hit)) for one in best]
        return FoundSessions(told, judged, replace(looked, least=least))

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

    def _at_hand(self, tenant_id: str, user_id: str, session_key: str | None) -> list[ListedChunk]:
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


def _timely(filters: Filters, question: Question) -> Filters:
    """Return ``filters``, narrowed to the time asked for where nothing else is asked and no time was given."""
    if not question.asks_only_when or filters.since or filters.until:
        return filters
    since, until = (
        min(span.start for span in question.time_spans),
        max(span.end for span in question.time_spans),
    )
    return replace(filters, since=since, until=until)


def _untold(question: Question, newest: Sequence[Hit]) -> Trace:
    return Trace(question, newest, Judge(evidence(newest, frozenset())), NO_SEARCH)


_NOT_LONG_TERM = Filters(kinds=frozenset({"session", "daily", "summary"}))
"""Long-term memory is told whole, so its chunks need not be found."""


def _day(passage: ListedChunk) -> str:
    return str(passage.metadata.get("date") or "")
