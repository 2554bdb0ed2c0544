"""A later statement of another thing replaces nothing."""

import pytest
from support.user_memory import UserMemory
from support.words import WordEmbedder

OTHERS = (
    "cats like warm windows",
    "the train was late again",
    "昨日の夕食はカレーでした",
    "新しい靴を買いました",
    "book club reads Dune",
    "庭の花が咲いた",
    "the printer is out of paper",
    "映画を見に行く",
)


@pytest.mark.parametrize(
    ("earlier", "later", "question", "replaced"),
    [
        ("The code of door 7 is 4411", "The code of door 8 is 9922", "code of door 7", False),
        (
            "田中さんの電話番号は090-1234-5678です",
            "佐藤さんの電話番号は080-9999-0000です",
            "田中さんの電話番号は？",
            False,
        ),
        ("The code of door 7 is 4411", "The code of door 7 is 9922", "code of door 7", True),
        (
            "The team budget is 500 euros",
            "The team budget was raised to 700 euros",
            "Is the team budget 500 euros?",
            True,
        ),
        (
            "田中さんの電話番号は090-1234-5678です",
            "田中さんの電話番号は080-9999-0000です",
            "田中さんの電話番号は？",
            True,
        ),
    ],
)
def test_figures_of_another_thing_replace_nothing(
    earlier: str, later: str, question: str, replaced: bool
) -> None:
    memory = UserMemory(WordEmbedder())
    memory.session("earlier", earlier)
    memory.session("later", later, days=1)
    for number, text in enumerate(OTHERS):
        memory.session(f"other-{number}", text, days=-20 + number)
    first = memory.recall.search("acme", "mika", question, 5).passages
    of = {one.hit.metadata["key"]: one for one in first}
    assert first[0].hit.metadata["key"] == ("later" if replaced else "earlier")
    assert (of["earlier"].superseded_by is not None) == replaced
