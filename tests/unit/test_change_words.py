"""A correction in the words of what it corrects is found beside it."""

import pytest
from support.user_memory import UserMemory
from support.words import WordEmbedder


@pytest.mark.parametrize(
    ("earlier", "later", "question"),
    [
        (
            "The team dinner is on Friday",
            "The team dinner is not on Friday after all, Monday it is",
            "When is the team dinner?",
        ),
        ("会議は金曜日に行います", "会議は金曜日でなく月曜日に行います", "会議はいつ？"),
        ("会議は金曜日です", "やっぱり会議は月曜日にします", "会議はいつ？"),
    ],
)
def test_a_correction_stands_before_what_it_corrects(earlier: str, later: str, question: str) -> None:
    memory = UserMemory(WordEmbedder())
    memory.session("earlier", earlier)
    memory.session("later", later, days=1)
    memory.session("other", "cats like warm windows")
    found = memory.recall.search("acme", "mika", question, 5).passages
    assert [one.hit.metadata["key"] for one in found[:2]] == ["later", "earlier"]
