"""The project's names are those of the glossary and of the field: private words that once stood here stay away."""

import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).relative_to(ROOT).as_posix()

MODULES = {
    "fate", "wishes", "box", "letters", "refusals", "situation", "weighing", "watching", "weather", "playing", "place", "mirror", "switching",
    "standing", "worth", "covering", "recall", "hollow", "doors", "news", "journeys", "house",
}  # fmt: skip
"""Names of files."""

WORDS = {
    "PutOff", "put_off", "Bury", "bury", "Buried", "buried", "Wish", "wishes", "send_wish", "Weighing", "Bearing", "Told", "wordiest", "Placed", "Mirror",
    "SATURATION", "LENGTH_SHARE", "rarity", "Rarity", "Doors", "without_values", "Situation", "Scales", "Journey", "journey", "Verdict", "sheltered",
    "Desk", "Shelf", "Standing", "own_rows", "at_once", "HalfSeenError", "doubts", "beside_usage", "make_beside", "one_current_one_beside",
}  # fmt: skip
"""Whole words that occur nowhere."""

NAMES = {
    "fate", "wish", "letter_of", "weather", "verdict", "apart", "worth", "worths", "covering", "weighing", "mirror", "Box", "Letter", "Held", "Exchange", "News",
    "House", "Bench", "looker", "Passes", "stamp", "_fit", "spans", "Fresh", "Passage", "Change", "Space", "Recall", "Way", "Place", "beside",
}  # fmt: skip
"""Names in Python code. In prose most of them are plain English."""

PLAIN_ELSEWHERE = {"apart", "beside", "spans", "stamp"}
"""Plain words, but for what the stores mean by them."""

EXCUSED = {
    ("apart", "pipeline/stores/ledger/item_reader.py"),  # records that are kept apart
    ("Change", "tests/unit/test_template.py"),  # of a template
}


def texts(*endings: str) -> Iterator[tuple[str, str]]:
    listed = subprocess.run(
        ["/usr/bin/git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if name.endswith(endings) and name != HERE and (ROOT / name).is_file():
            yield name, (ROOT / name).read_text("utf-8")


def names(source: str) -> set[str]:
    """Return the names that Python code uses."""
    return {
        token.string
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.NAME
    }


def private_words(file: str) -> set[str]:
    return NAMES if file.startswith("pipeline/stores/") else NAMES - PLAIN_ELSEWHERE


@pytest.mark.parametrize("word", sorted(WORDS))
def test_the_word_occurs_nowhere(word: str) -> None:
    pattern = re.compile(rf"(?<![\w-]){word}(?![\w-])")
    found = [
        name
        for name, text in texts(".py", ".sql", ".md", ".yaml", ".toml", ".js", ".html")
        if pattern.search(text)
    ]
    assert found == []


def test_no_python_name_is_a_private_word() -> None:
    found = {(word, name) for name, text in texts(".py") for word in names(text) & private_words(name)}
    assert found - EXCUSED == set()


def test_test_names_begin_with_their_subject() -> None:
    riddles = re.compile(r"def (test_(?:what|who|whose|whoever|whatever)_\w+)")
    assert [(name, riddles.findall(text)) for name, text in texts(".py") if riddles.search(text)] == []


def test_no_file_is_named_by_a_private_word() -> None:
    stems = {name: Path(name).stem.removeprefix("test_").removeprefix("page_") for name, _ in texts(".py")}
    assert [name for name, stem in stems.items() if stem in MODULES] == []


def test_names_are_found() -> None:
    assert names("from x import Wish\n# put_off\n") & (WORDS | NAMES) == {"Wish"}
