"""What the memory is compared with, computed in the same run: plain, in memory, with the same embedder and tokenizer."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.evaluation.measures import CUT_OFFS, READ_TOKENS, Answer, share_read
from lab.evaluation.sets import Conversation, Message, Question
from pipeline.embedding.tokens import estimate_tokens
from pipeline.embedding.vectors import Embedder
from pipeline.lexical.terms import terms
from pipeline.search.passages import squeezed

CHUNK_TOKENS = 256
VECTOR_WEIGHT = 0.5
K1, B = 1.2, 0.75

Scores = NDArray[np.float64]
Embed = Callable[[Sequence[str]], Scores]


@dataclass(frozen=True, slots=True)
class Unit:
    """What a baseline indexes and finds.

    Args:
        cost: tokens embedded for it while its session grew by a message a save.
    """

    text: str
    messages: frozenset[str]
    cost: int


def turns(conversation: Conversation) -> list[Unit]:
    """Return a unit a message: its bare text."""
    return [Unit(one.text, frozenset({one.id}), estimate_tokens(one.text)) for one in conversation.messages]


def chunks(conversation: Conversation) -> list[Unit]:
    """Return chunks of consecutive messages with speakers and the day; the growing one is embedded at every save."""
    return [
        _chunk(group) for session in conversation.sessions for group in _packed(session.messages) if group
    ]


def _packed(messages: Iterable[Message]) -> Iterable[list[Message]]:
    group: list[Message] = []
    size = 0
    for message in messages:
        tokens = estimate_tokens(_line(message)) + 1
        if group and size + tokens > CHUNK_TOKENS:
            yield group
            group, size = [], 0
        group.append(message)
        size += tokens
    yield group


def _chunk(group: Sequence[Message]) -> Unit:
    states = [_text(group[:count]) for count in range(1, len(group) + 1)]
    return Unit(states[-1], frozenset(one.id for one in group), sum(map(estimate_tokens, states)))


def _text(group: Sequence[Message]) -> str:
    return "\n".join([f"[{group[0].day}]", *map(_line, group)])


def _line(message: Message) -> str:
    return f"{message.speaker}: {message.text}"


def embedding(embedder: Embedder) -> Embed:
    """Return a function that embeds texts to rows of unit length."""

    def embed(texts: Sequence[str]) -> Scores:
        rows = np.array([list(vector) for vector in embedder.embed(texts)], dtype=np.float64)
        unit: Scores = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit

    return embed


def by_vectors(units: Sequence[Unit], questions: Sequence[str], embed: Embed) -> list[Scores]:
    """Return the cosine of every unit, a question."""
    matrix = embed([unit.text for unit in units])
    return list(embed(questions) @ matrix.T)


def by_words(units: Sequence[Unit], questions: Sequence[str]) -> list[Scores]:
    """Return BM25 of every unit, a question."""
    counts = [Counter(terms(unit.text)) for unit in units]
    lengths = np.array([sum(count.values()) for count in counts], dtype=np.float64)
    norms = K1 * (1 - B + B * lengths / max(1.0, float(lengths.mean())))
    frequency = Counter(term for count in counts for term in count)
    return [_bm25(counts, norms, frequency, set(terms(question))) for question in questions]


def _bm25(
    counts: Sequence[Counter[str]], norms: Scores, frequency: Counter[str], questions: Iterable[str]
) -> Scores:
    scores = np.zeros(len(counts))
    for term in questions:
        seen = frequency[term]
        idf = math.log(1 + (len(counts) - seen + 0.5) / (seen + 0.5))
        found = np.array([count[term] for count in counts], dtype=np.float64)
        scores += idf * found * (K1 + 1) / (found + norms)
    return scores


def by_both(vectors: Sequence[Scores], words: Sequence[Scores]) -> list[Scores]:
    """Return the weighted sum of both, each scaled to 0..1."""
    return [
        VECTOR_WEIGHT * _scaled(vector) + (1 - VECTOR_WEIGHT) * _scaled(word)
        for vector, word in zip(vectors, words, strict=True)
    ]


def _scaled(scores: Scores) -> Scores:
    low, high = float(scores.min()), float(scores.max())
    return (scores - low) / (high - low) if high > low else np.zeros_like(scores)


def answers(conversation: Conversation, units: Sequence[Unit], scores: Sequence[Scores]) -> list[Answer]:
    """Return what each question finds among ``units``."""
    return [
        _answer(question, conversation, units, score)
        for question, score in zip(conversation.questions, scores, strict=True)
    ]


def _answer(question: Question, conversation: Conversation, units: Sequence[Unit], scores: Scores) -> Answer:
    order = [units[int(index)] for index in np.argsort(-scores, kind="stable")]
    session_of, evidence = conversation.session_of, question.evidence
    read = list(_readable(order))
    hits = [unit.messages for unit in order[: max(CUT_OFFS)]]
    return Answer(
        evidence,
        hits,
        frozenset().union(*(unit.messages for unit in read)),
        share_read(conversation.answer(question), squeezed("".join(unit.text for unit in read))),
        frozenset(session_of[id_] for id_ in evidence),
        [frozenset(session_of[id_] for id_ in hit) for hit in hits],
        question.before,
        float(scores.max()),
    )


def _readable(order: Iterable[Unit]) -> Iterator[Unit]:
    left = READ_TOKENS
    for unit in order:
        left -= estimate_tokens(unit.text)
        if left < 0:
            return
        yield unit
