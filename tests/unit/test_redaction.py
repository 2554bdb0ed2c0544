import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.secret_samples import MAKERS, Positive, negatives, positives

from pipeline.errors import SettingsError
from pipeline.source.redaction import GROUPS, Redactor, read_redactor

POSITIVES = positives()
NEGATIVES = list(negatives())
MIN_RECALL, MIN_PRECISION = 0.97, 0.99


def left(one: Positive) -> bool:
    return one.secret in Redactor().redact(one.text)[0]


def test_precision_and_recall_on_our_own_set_stay_high(capsys: pytest.CaptureFixture[str]) -> None:
    missed = Counter(one.kind for one in POSITIVES if left(one))
    wrong = [text for text in NEGATIVES if Redactor().redact(text)[1]]
    found = len(POSITIVES) - missed.total()
    recall, precision = found / len(POSITIVES), found / (found + len(wrong))
    with capsys.disabled():
        print(
            f"\nredaction: {len(POSITIVES)} positives of {len(MAKERS)} kinds, recall {recall:.3f} (missed: {dict(missed)}); "
            f"{len(NEGATIVES)} hard negatives, {len(wrong)} redacted, precision {precision:.3f}"
        )
    assert len(POSITIVES) >= 150
    assert len(MAKERS) >= 15
    assert len(NEGATIVES) >= 500
    assert recall >= MIN_RECALL, missed
    assert precision >= MIN_PRECISION, wrong


def test_of_thousands_of_drawn_secrets_none_is_left() -> None:
    assert [one.text for one in positives(60) if left(one)] == []


def test_the_rest_of_the_text_stays() -> None:
    secret = MAKERS["github"]()
    text, count = Redactor().redact(f"Use {secret} for the boat's repository.")
    assert (text, count) == ("Use [redacted: GitHub token] for the boat's repository.", 1)


def test_of_an_address_only_the_password_goes() -> None:
    text, count = Redactor().redact(f"postgres://app:{MAKERS['url_password']()}@db:5432/chat")
    assert (text, count) == ("postgres://app:[redacted: password]@db:5432/chat", 1)


def test_a_redacted_text_holds_nothing_more_to_redact() -> None:
    for one in POSITIVES:
        text, _ = Redactor().redact(one.text)
        assert Redactor().redact(text) == (text, 0), one.kind


@given(st.text(max_size=300))
def test_any_text_is_redacted_once_and_for_all(text: str) -> None:
    once, _ = Redactor().redact(text)
    assert Redactor().redact(once) == (once, 0)


FULL_WIDTH = {code: 0xFEE0 + code for code in range(0x21, 0x7F)} | {0x20: 0x3000}


@pytest.mark.parametrize("kind", ["visa", "aws_access_key", "github", "anthropic"])
def test_a_secret_in_full_width_letters_goes(kind: str) -> None:
    text, count = Redactor().redact(f"これは{MAKERS[kind]().translate(FULL_WIDTH)}です。")
    assert count == 1
    assert re.fullmatch(r"これは\[redacted: [^\]]+\]です。", text)


@pytest.mark.parametrize("between", [" ", "-", ".", "\u3000", "\u00a0", "\u2011", "\u2013", "－"])
def test_a_card_number_goes_whatever_is_between_its_groups(between: str) -> None:
    digits = MAKERS["visa"]()
    card = between.join(digits[start : start + 4] for start in range(0, 16, 4))
    assert Redactor().redact(f"カードは{card}です") == ("カードは[redacted: card number]です", 1)


def test_a_setting_names_the_groups() -> None:
    secret, card = MAKERS["github"](), MAKERS["visa"]()
    assert read_redactor(None) == read_redactor("secrets") == Redactor()
    assert read_redactor("off").redact(secret) == (secret, 0)
    assert (
        read_redactor("cards, ai_keys").redact(f"{secret} {card}")[0] == f"{secret} [redacted: card number]"
    )
    assert Redactor().kinds(f"{secret} {card}") == {"code_hosts": 1, "cards": 1}


@pytest.mark.parametrize("setting", ["everything", "cards,what", ","])
def test_a_setting_that_names_something_else_is_an_error(setting: str) -> None:
    with pytest.raises(SettingsError, match="REDACT must be"):
        read_redactor(setting)


def test_every_group_can_be_named() -> None:
    assert read_redactor(",".join(GROUPS)) == Redactor()


@pytest.mark.parametrize(
    "text", ["a" * 400_000, "password " * 40_000, "://" * 130_000, "-----BEGIN PRIVATE KEY-----" * 10_000, "1234 " * 80_000, "eyJ" * 130_000,
             "password`*" * 40_000, "password: ` " * 33_000, "<password>" * 40_000, "ｐａｓｓ　：　" * 50_000, "`" * 400_000]
)  # fmt: skip
def test_a_text_of_dynamodbs_full_size_takes_no_longer_than_its_length_allows(text: str) -> None:
    redacted, _ = Redactor().redact(text)
    assert len(redacted) <= len(text)
