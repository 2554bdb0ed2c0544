"""Whatever somebody pastes, cleaning it takes time in proportion to its length: no text uses up the time of others."""

import re

import pytest
from support.processor_time import at_most

from pipeline.source.layouts import markdown_blocks
from pipeline.source.opaque import without_opaque
from pipeline.source.redaction import Redactor

BYTES = 390_000
"""Of the largest item's text, about."""
SECONDS = 2.0
"""Of processor time; an expression that tries every length of what it repeats takes minutes."""


def filled(*parts: str) -> str:
    """Return the last part again and again behind the others, ``BYTES`` long."""
    *before, again = parts
    start = "".join(before)
    return start + again * ((BYTES - len(start)) // len(again))


SECRETS = {
    "parts of a name": filled("password ", "a_"),
    "numbers in a name": filled("password ", "1-"),
    "spaces behind is": filled("password is ", " ") + "x",
    "spaces behind は": filled("パスワードは ", " ") + "x",
    "spaces behind a name": filled("password ", " ") + "x",
    "spaces behind =": filled("password =", " ") + "x",
    "spaces behind a secret key": filled("secret_key ", " ") + "x",
    "beginnings of web tokens": filled("-eyJ"),
    "web tokens without an end": filled("-eyJaaaaaaaaaaaa."),
    "seeds without a secret": filled("otpauth://"),
    "commands": filled("curl -ua "),
    "mysql": filled("mysql -pa "),
    "addresses": filled("a://a:a"),
    "beginnings of private keys": filled("-----BEGIN PRIVATE KEY"),
    "private keys of many words": filled("-----BEGIN ", "A "),
    "names in capitals": filled("A_KEY"),
    "sessions": filled("session_token ", " ") + "x",
    "bearers": filled("bearer" + " " * 60),
    "digits": filled("1234-"),
}
DUMPS = {
    "a long word in JSON": '["' + "a!" * (BYTES // 2) + '"]',
    "three long words in JSON": '["' + " ".join(["a!" * (BYTES // 6)] * 3) + '"]',
    "beginnings of PEM": filled("-----BEGIN A-----"),
    "ends of PEM": filled("-----BEGIN A-----", "-----END B-----"),
    "lists that do not end": filled("[1," * 900, "1,"),
    "objects that do not end": filled('{"a":'),
    "data without a comma": filled("data:", ";a=a"),
    "hexadecimal with spaces": filled("aa" + " " * 60),
    "hexadecimal that goes on": filled("aa ") + "az",
    "lines of base64": filled("A" * 76 + "\n!"),
    "base64 with tabs": filled("A" * 64 + "\n" + "\t" * 60),
}
NOTES = {
    "marks of code": "`" * (BYTES // 2) + "a" * (BYTES // 2) + "`",
    "marks with spaces": filled(" " * 60 + "`"),
    "numbers": filled("1"),
    "headings": filled("# ", " "),
}


@pytest.mark.parametrize("kind", SECRETS)
def test_secrets_are_looked_for_in_linear_time(kind: str) -> None:
    with at_most(SECONDS):
        Redactor().redact(SECRETS[kind])


@pytest.mark.parametrize("kind", DUMPS)
def test_dumps_are_looked_for_in_linear_time(kind: str) -> None:
    with at_most(SECONDS):
        without_opaque(DUMPS[kind])


@pytest.mark.parametrize("kind", NOTES)
def test_notes_are_taken_apart_in_linear_time(kind: str) -> None:
    with at_most(SECONDS):
        list(markdown_blocks(NOTES[kind]))


def test_an_expression_that_tries_everything_is_ended() -> None:
    with pytest.raises(AssertionError, match="processor time"), at_most(0.2):
        re.search(r"\s*\s*\s*x", " " * 20_000)
