"""Texts that have nothing to do with anything, and how similar a question is to them.

A memory of few chunks cannot tell by itself which similarity stands out, and one whose chunks are all unlike a question
takes chance for likeness. So everyday sentences are embedded with the first question, and kept for as long as the process
lives: how similar they are to each other, and each question to them.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from operator import mul

from pipeline.embedding.vectors import Vector
from pipeline.search.calibration import Background, background

Embed = Callable[[Sequence[str]], Sequence[Vector]]

TEXTS = (
    "The train was late, so we took a taxi to the hotel.",
    "電車が遅れたので、ホテルまでタクシーで行きました。",
    "I have been learning to bake bread with rye flour.",
    "最近、ライ麦粉でパンを焼く練習をしています。",
    "The invoice for March is attached; please check the tax.",
    "三月分の請求書を添付しました。税額を確認してください。",
    "My sister's dog needs a new collar before the walk.",
    "妹の犬に新しい首輪が必要です。",
    "The server ran out of disk space and restarted twice.",
    "サーバーのディスクがいっぱいになり、二度再起動しました。",
    "We painted the kitchen pale green last weekend.",
    "先週末に台所を薄い緑色に塗りました。",
    "Could you book a table for four near the harbour?",
    "港の近くで四人の席を予約してもらえますか。",
    "The novel is about a lighthouse keeper and his daughter.",
    "その小説は灯台守とその娘の話です。",
    "He twisted his ankle at football practice.",
    "彼はサッカーの練習で足首をひねりました。",
    "The quarterly report shows that sales went down.",
    "四半期の報告では売上が下がっています。",
    "Water the tomatoes in the evening, not at noon.",
    "トマトには昼ではなく夕方に水をやってください。",
    "She is preparing for a piano examination.",
    "彼女はピアノの試験の準備をしています。",
    "The printer on the second floor has no paper.",
    "二階のプリンターに紙がありません。",
    "I prefer tea without sugar in the morning.",
    "朝は砂糖を入れないお茶が好きです。",
    "The museum is closed on Mondays.",
    "美術館は月曜日が休みです。",
    "Our flight leaves from gate nine.",
    "私たちの便は九番ゲートから出ます。",
    "Install the update and then clear the cache.",
    "更新を入れてからキャッシュを消してください。",
    "The baby slept through the night for the first time.",
    "赤ちゃんが初めて朝まで眠りました。",
    "They are saving money for a bigger flat.",
    "二人は広い部屋のために貯金しています。",
    "The doctor said to take it after meals.",
    "医者は食後に飲むように言いました。",
    "What is the best way to remove a coffee stain?",
    "コーヒーの染みを落とす一番いい方法は何ですか。",
    "The choir sings in the old church on Sunday.",
    "合唱団は日曜日に古い教会で歌います。",
    "My bicycle has a flat tyre again.",
    "自転車がまたパンクしました。",
    "The contract ends in two years unless it is renewed.",
    "契約は更新しない限り二年で終わります。",
)
"""Pairs of a sentence and its translation."""


@dataclass(slots=True)
class Unrelated:
    """Measures similarities to :data:`TEXTS`."""

    _vectors: Sequence[Vector] = field(default=(), init=False, repr=False)
    _space: Background | None = field(default=None, init=False, repr=False)

    def similarities(self, vector: Vector, embed: Embed) -> list[float]:
        """Return the cosine of ``vector`` to each of the texts. The first time they are embedded, in one request.

        Args:
            vector: in the space that is searched.
            embed: embeds texts in it.
        """
        asked = _unit(vector)
        return [_dot(asked, one) for one in self._embedded(embed)]

    def space(self, embed: Embed) -> Background:
        """Return what similarity is usual between two of the texts, of which neither translates the other."""
        if self._space is None:
            self._space = background(list(_between(self._embedded(embed))))
        return self._space

    def _embedded(self, embed: Embed) -> Sequence[Vector]:
        self._vectors = self._vectors or [_unit(one) for one in embed(TEXTS)]
        return self._vectors


def _between(vectors: Sequence[Vector]) -> Iterator[float]:
    for (first, one), (second, other) in combinations(enumerate(vectors), 2):
        if first // 2 != second // 2:
            yield _dot(one, other)


def _slow_dot(one: Vector, other: Vector) -> float:
    return float(sum(map(mul, one, other)))


_dot: Callable[[Vector, Vector], float] = getattr(math, "sumprod", _slow_dot)
"""``math.sumprod`` came with Python 3.12. There are a thousand pairs, which the first question waits for."""


def _unit(vector: Vector) -> Vector:
    length = math.sqrt(_dot(vector, vector)) or 1.0
    return [value / length for value in vector]
