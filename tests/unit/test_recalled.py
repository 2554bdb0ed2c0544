"""What was recalled and saved again is not indexed; a tag alone takes nothing with it."""

import json
from typing import Any

import pytest

from pipeline.source.recalled import NOTICES, without_recalled

OPEN, CLOSE = "<recalled-memory-0123456789abcdef>", "</recalled-memory-0123456789abcdef>"


def test_what_stands_between_the_tags_is_taken_out() -> None:
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
