"""Questions without an answer: each memory is asked what was asked of another, with its own names. Pure.

By chance a memory may answer some of them, so what is refused is a lower bound.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice

from lab.evaluation.own_logs import spread
from lab.evaluation.sets import Conversation, Question
from pipeline.search.passages import is_japanese

MOST = 100
"""Of one memory."""


def with_strangers(conversations: Sequence[Conversation], most: int = MOST) -> list[Conversation]:
    """Return each conversation with questions of the next one in its language; of the only one in its, without."""
    languages = [is_japanese(question.text for question in one.questions) for one in conversations]
    return [
        replace(
            one,
            questions=[*one.questions, *_questions_of(one, _next(conversations, languages, number), most)],
        )
        for number, one in enumerate(conversations)
    ]


def across(sets: Mapping[str, Sequence[Conversation]], most: int = MOST) -> dict[str, Sequence[Conversation]]:
    """Return sets whose memories are asked questions of the next memory in their language, of whichever set it is."""
    asked = iter(with_strangers([one for conversations in sets.values() for one in conversations], most))
    return {name: list(islice(asked, len(conversations))) for name, conversations in sets.items()}


def _next(
    conversations: Sequence[Conversation], languages: Sequence[bool], number: int
) -> Conversation | None:
    order = [*range(number + 1, len(conversations)), *range(number)]
    return next((conversations[at] for at in order if languages[at] == languages[number]), None)


def _questions_of(own: Conversation, other: Conversation | None, most: int) -> list[Question]:
    if other is None:
        return []
    names = dict(zip(_speakers(other), _speakers(own), strict=False))
    answerable = [question for question in other.questions if question.evidence]
    return [
        Question(_renamed(one.text, names), frozenset(), now=one.now, name=f"{own.name} {one.id}")
        for one in spread(answerable, most)
    ]


def _speakers(conversation: Conversation) -> list[str]:
    return list(dict.fromkeys(str(one.said["name"]) for one in conversation.messages if one.said.get("name")))


def _renamed(text: str, names: Mapping[str, str]) -> str:
    """Return ``text`` with whole names replaced, all at once; beside kanji a name has no border of a word."""
    if not names:
        return text
    pattern = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    return re.sub(rf"(?<![A-Za-z])(?:{pattern})(?![A-Za-z])", lambda found: names[found[0]], text)
