"""Knows what was told, so that nothing is told twice: neither a chunk of two windows nor a quotation of one. Pure.

An agent that quotes what it recalled saves the quotation, which is found the next time together with the original. Texts are
compared sentence by sentence, by runs of their terms: case, width, punctuation and what stands around a quotation
make no difference.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache

from pipeline.lexical.terms import terms
from pipeline.search.change_words import says_change
from pipeline.search.windows import Window
from pipeline.stores.search_requests import Hit

RUN = 3
"""Terms that make a run."""
FEWEST_RUNS = 2
"""A sentence of fewer runs may be said by anybody at any time."""
QUOTED = 0.6
"""Share of a sentence's runs that makes it a quotation, unless it says otherwise: one term in place of another ("the walls are green"
is not "the walls are blue"), nothing new but figures, or that something changed."""
GAP = "…"

_SENTENCE = re.compile(r"[^\n.!?。！？]*[\n.!?。！？]*\s*")
_SPEAKER = re.compile(r"^[^:\n]{1,60}: ")
_Run = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnseenText:
    """What is new in a window.

    Args:
        pieces: chunk by chunk, without headers.
        repeated: the share that is not new.
        quotes: whether some of that was said in chunks of the window's own.
    """

    pieces: Sequence[tuple[Hit, str]]
    repeated: float
    quotes: bool


class SeenText:
    """Remembers what was told.

    Args:
        texts: told from the beginning; of these, short sentences count too.
        chunks: ids of chunks told from the beginning.
    """

    def __init__(self, texts: Iterable[str] = (), chunks: Iterable[str] = ()) -> None:
        self._chunks = set(chunks)
        self._runs: set[_Run] = set()
        self._beside: dict[tuple[int, _Run], set[str]] = defaultdict(set)
        self._unread: list[str] = []
        self._sentences: set[_Run] = set()
        self._words: set[str] | None = None
        self._judged: dict[str, str] = {}
        for text in texts:
            self._learn(text)
            self._sentences.update(terms(sentence) for sentence in _SENTENCE.findall(text))
        self._sentences.discard(())

    def add(self, fresh: Iterable[tuple[Hit, str]]) -> None:
        """Remember what has just been told."""
        for hit, text in fresh:
            self._chunks.add(hit.id)
            self._learn(text)

    def _learn(self, text: str) -> None:
        self._words = None
        self._judged.clear()
        self._runs.update(_runs(text))
        self._unread.append(text)

    def _read(self) -> None:
        """Note what stands beside what in what was told: few questions come so far."""
        for sentence in (sentence for text in self._unread for sentence in _SENTENCE.findall(text)):
            for run in _runs(_SPEAKER.sub("", sentence)):
                for place, (term, rest) in _ends(run):
                    self._beside[place, rest].add(term)
        self._unread.clear()

    def fresh(self, window: Window) -> "UnseenText":
        """Return what is new in ``window``."""
        said = [(part.hit, part.said) for part in window.parts]
        bodies = [(hit, text) for hit, text in said if hit.id not in self._chunks]
        unquoted = [(hit, self._unquoted(text)) for hit, text in bodies]
        new = [(hit, text) for hit, text in unquoted if text.strip(" \n…")]
        size = sum(len(text) for _, text in said)
        left = sum(len(text) for _, text in new)
        return UnseenText(new, max(0.0, 1 - left / max(1, size)), quotes=bodies != unquoted)

    def _unquoted(self, text: str) -> str:
        """Return what is left of ``text``; windows overlap, so it is judged once until more is told."""
        if not (self._runs or self._sentences):
            return text
        if text not in self._judged:
            self._judged[text] = self._without_quotations(text)
        return self._judged[text]

    def _without_quotations(self, text: str) -> str:
        kept: list[str] = []
        for sentence in _SENTENCE.findall(text):
            if not self._quoted(sentence):
                kept.append(sentence)
            elif not kept or kept[-1] != GAP:
                kept.append(GAP)
        return "".join(kept)

    def _quoted(self, sentence: str) -> bool:
        if self._sentences and terms(sentence) in self._sentences:
            return True
        runs = _runs(sentence)
        if len(runs) < FEWEST_RUNS or self._runs.isdisjoint(runs):
            return False
        alike = sum(map(self._runs.__contains__, runs)) >= QUOTED * len(runs)
        return alike and not self._says_otherwise(sentence, runs)

    def _says_otherwise(self, sentence: str, runs: Iterable[_Run]) -> bool:
        if self._words is None:  # few questions come so far
            self._words = set().union(*self._runs)
        words = set().union(*runs)
        new = words - self._words
        if new and (says_change(sentence) or all(any(map(str.isdigit, term)) for term in new)):
            return True
        self._read()
        return any(self._replaces(run, words) for run in runs if run not in self._runs)

    def _replaces(self, run: _Run, words: AbstractSet[str]) -> bool:
        """Tell whether the first or the last term of a run stands where a sentence that was told has one that is not in this one."""
        return any(self._beside.get((place, rest), words) - words for place, (_, rest) in _ends(run))


def _ends(run: _Run) -> Iterator[tuple[int, tuple[str, _Run]]]:
    """Yield the first and the last term of a run by its place, each with the other terms."""
    yield 0, (run[0], run[1:])
    yield 1, (run[-1], run[:-1])


@lru_cache(maxsize=4096)
def _runs(text: str) -> tuple[_Run, ...]:
    """Return the runs of a text; a passage is judged again each time something is told."""
    found = terms(text)
    return tuple(zip(*(found[start:] for start in range(RUN)), strict=False))
