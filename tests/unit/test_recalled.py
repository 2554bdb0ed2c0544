"""What was recalled and saved again is not indexed; a tag alone takes nothing with it."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.processor_time import at_most

from pipeline.source.recalled import NOTICES, without_recalled

OPEN, CLOSE = "<recalled-memory-0123456789abcdef>", "</recalled-memory-0123456789abcdef>"


def test_text_between_the_tags_is_taken_out() -> None:
    assert without_recalled(f"before {OPEN}\nold\n{CLOSE} after") == "before  after"
    assert without_recalled(f"a {OPEN}1{CLOSE} b {OPEN}2{CLOSE} c") == "a  b  c"


@pytest.mark.parametrize("tag", [OPEN, CLOSE, OPEN.replace("<", "&lt;").replace(">", "&gt;"), OPEN.upper()])
@pytest.mark.parametrize("may_be_cut_off", [False, True])
def test_a_tag_without_its_partner_takes_only_itself(tag: str, *, may_be_cut_off: bool) -> None:
    assert without_recalled(f"before {tag} after", may_be_cut_off=may_be_cut_off) == "before  after"


def test_tags_of_different_nonces_are_no_pair() -> None:
    other = CLOSE.replace("0", "f")
    assert without_recalled(f"a {OPEN} b {other} c") == "a  b  c"


@pytest.mark.parametrize("notice", NOTICES)
def test_an_answer_cut_off_within_our_own_quotation_loses_it_to_the_end(notice: str) -> None:
    quoted = f"I know: {OPEN}\n{notice}\n\n## Long-term memory about the us"
    assert without_recalled(quoted, may_be_cut_off=True) == "I know: "


def test_one_marker_in_a_note_hides_no_other_line(layouts: Any) -> None:
    content = f"- allergic to nuts\n- pasted: {OPEN}\n{NOTICES[0]}\n- lives in Kyoto\n- never call before 9"
    item = {"tenant_id": {"S": "acme"}, "sk": {"S": "memory:long_term"}, "content": {"S": content}}
    document = layouts.parse("memory", item, {name: item[name] for name in ("tenant_id", "sk")})
    texts = "\n".join(entry.text for entry in document.entries)
    assert "lives in Kyoto" in texts
    assert "never call before 9" in texts
    assert "recalled-memory" not in texts


def test_one_marker_in_a_message_hides_no_other_message_and_no_text_of_its_own(layouts: Any) -> None:
    messages = json.dumps(
        [{"role": "user", "content": f"{OPEN} my door code is 4711"}, {"role": "user", "content": "hi"}]
    )
    item = {"tenant_id": {"S": "acme"}, "session_key": {"S": "c"}, "messages": {"S": messages}}
    document = layouts.parse("sessions", item, {name: item[name] for name in ("tenant_id", "session_key")})
    assert [entry.text.strip() for entry in document.entries] == ["my door code is 4711", "hi"]


BYTES = 390_000
"""Of the largest item's text, about."""
PASTED = {
    "one tag, again and again": OPEN * (BYTES // len(OPEN)),
    "tags of many nonces": "".join(f"<recalled-memory-{n:016x}>" for n in range(BYTES // 34)),
    "spaces where a tag might begin": "recalled-memory <" + " " * BYTES,
    "spaces where a last tag might begin": "recalled-memory </" + " " * BYTES,
    "spaces where a tag might end": OPEN[:-1] + " " * BYTES,
    "beginnings": "recalled-memory " + "</" * (BYTES // 2),
    "nested pairs": OPEN * (BYTES // 2 // len(OPEN)) + CLOSE * (BYTES // 2 // len(CLOSE)),
}


@pytest.mark.parametrize("kind", PASTED)
@pytest.mark.parametrize("may_be_cut_off", [False, True])
def test_no_text_takes_the_time_of_others(kind: str, *, may_be_cut_off: bool) -> None:
    with at_most(2.0):
        without_recalled(PASTED[kind], may_be_cut_off=may_be_cut_off)


_PAIR = re.compile(
    r"(?:<|&lt;)\s*recalled-memory-([0-9a-f]{16})\s*(?:>|&gt;).*?(?:<|&lt;)\s*/\s*recalled-memory-\1\s*(?:>|&gt;)",
    re.DOTALL | re.IGNORECASE,
)
"""What a pair of tags is, in one expression that takes the square of a text's length."""
_ALONE = re.compile(r"(?:<|&lt;)\s*/?\s*recalled-memory-[0-9a-f]{16}\s*(?:>|&gt;)", re.IGNORECASE)
OTHER = "f" * 16
PIECES = [OPEN, CLOSE, OPEN.upper(), f"< recalled-memory-{OTHER} >", f"&lt;/ recalled-memory-{OTHER}&gt;", "a", "<", " ", "\n", "/", ">", "recalled-memory-", OTHER]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_pairs_are_what_the_expression_says(text: str) -> None:
    assert without_recalled(text) == _ALONE.sub("", _PAIR.sub("", text))
