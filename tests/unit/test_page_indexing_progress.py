"""What the strip tells, and what the page shows of a hit."""

import time
from typing import Any

import pytest

from pipeline.local.inspection import storable
from pipeline.local.page.function_log import Line, Tail, parse
from pipeline.local.page.hits import filters, shown, shown_session, tells
from pipeline.local.page.indexing_progress import IndexingProgress
from pipeline.local.page.replies import is_reply, recalled, reply

START = 1_000.0
SECRET = "my key is AKIAIOSFODNN7EXAMPLE"
RAW = b'{"level":"INFO","message":"announced","timestamp":"2026-11-22 15:34:47,688+0000","records":1}'


def progress(**changes: Any) -> IndexingProgress:
    given: dict[str, Any] = {
        "id": "j",
        "kind": "save",
        "key": "chat:1",
        "text": "the code is plum",
        "started": START,
    }
    return IndexingProgress(**{**given, **changes})


def line(seconds: float, message: str, **fields: Any) -> Line:
    return Line(START + seconds, message, fields)


def hit(**changes: Any) -> dict[str, Any]:
    given = {
        "key": "chat:1",
        "content": "[2026-11-20]\nuser: the code is plum",
        "similarity": 0.5,
        "kind": "session",
    }
    return {**given, **changes}


def test_lines_before_the_put_belong_to_others() -> None:
    read = progress().read([line(-1, "announced"), line(-0.5, "ingested", chunks_embedded=1)])
    assert read.reached == {}


def test_stages_are_read_from_the_lines_in_their_order() -> None:
    lines = [
        line(0.2, "ingested", chunks_embedded=2),
        line(0.05, "announced"),
        line(0.1, "ingested", skipped=1),
    ]
    assert progress().read(lines).reached == {"notice": 50, "embedded": 200}


def test_a_stage_reached_stays_and_searchable_means_all() -> None:
    done = progress().at("saved", START + 0.01).at("searchable", START + 0.09).at("saved", START + 5)
    assert done.reached == {"saved": 10, "notice": 90, "embedded": 90, "searchable": 90}
    assert done.done


@pytest.mark.parametrize(
    ("text", "texts", "held"),
    [
        ("the code is plum", ["user: another", "user: the code\nis plum"], True),
        ("the code is plum", ["user: another"], False),
        ("the code is plum", [], False),
        ("the code is plum, " * 50 + "and that is all", ["user: " + "the code is plum, " * 50], False),
        ("the code is plum, and so it stays", ["user: the code is plum,", "user: and so it stays"], True),
        (SECRET, [f"user: {storable(SECRET)}"], True),
    ],
    ids=["broken lines", "another", "nothing", "not its end", "in two chunks", "a secret"],
)
def test_it_is_held_from_beginning_to_end_as_it_may_be_stored(
    text: str, texts: list[str], held: bool
) -> None:
    assert "AKIA" not in str(texts)
    assert progress(text=text).held_in(texts) is held


def test_text_that_repeats_itself_takes_no_time() -> None:
    text = "長い。" * 30_000
    chunks = [f"user: {text[:1500]}"] * 60
    started = time.perf_counter()
    assert progress(text=text).held_in(chunks)
    assert time.perf_counter() - started < 5


def test_progress_events_hold_no_text() -> None:
    assert "plum" not in str(progress().told())
    assert "plum" not in repr(progress())


def test_a_log_is_read_from_where_it_ended_and_half_a_line_waits(tmp_path: Any) -> None:
    log = tmp_path / "aws.log"
    log.write_bytes(RAW + b"\n")
    tail = Tail(log)
    assert list(tail.new_lines()) == []
    with log.open("ab") as out:
        out.write(b"INFO something else\n" + RAW[:40])
    assert list(tail.new_lines()) == []
    with log.open("ab") as out:
        out.write(RAW[40:] + b"\n")
    assert [one.message for one in tail.new_lines()] == ["announced"]


@pytest.mark.parametrize("raw", [b"", b"INFO x", b'{"level": broken', b'{"level":"INFO","message":"x"}'])
def test_other_lines_are_none(raw: bytes) -> None:
    assert parse(raw) is None


def test_the_page_shows_the_text_without_its_header() -> None:
    assert shown(hit())["text"] == "user: the code is plum"


def test_a_related_conversation_is_shown_as_a_hit() -> None:
    related = {
        "key": "a",
        "title": "t",
        "date": "2026-11-20",
        "snippet": "user: plum",
        "score": 1,
        "why": {"vector": 1},
    }
    assert shown_session(related) == {
        "key": "a",
        "kind": "session",
        "title": "t",
        "text": "user: plum",
        "created_at": "2026-11-20",
        "why": {"vector": 1},
    }


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({}, {}),
        ({"kinds": [], "roles": [], "since": "", "until": ""}, {}),
        (
            {"kinds": ["daily"], "roles": ["user"], "query": "x", "tenant_id": "other"},
            {"kinds": ["daily"], "roles": ["user"]},
        ),
        ({"since": "2026-11-20", "until": "2026-11-30"}, {"since": "2026-11-20", "until": "2026-12-01"}),
        ({"until": "9999-12-31"}, {}),
        ({"until": ["x"]}, {}),
    ],
)
def test_filters(asked: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert filters(asked) == wanted


def test_a_reply_says_how_many_and_never_what() -> None:
    found = recalled(
        [hit(key="a"), hit(key="a"), hit(key="b"), hit(key="own"), hit(key="c", similarity=0.1)], "own"
    )
    assert [one["key"] for one in found] == ["a", "b"]
    for language in ("en", "ja", "xx"):
        for these in (None, [], found[:1], found):
            assert "plum" not in reply(these, language)
            assert is_reply(reply(these, language))


def test_the_demos_own_sessions_report_no_progress() -> None:
    assert tells(hit())
    assert not tells(hit(content="[2026-11-20]\nuser: —\nassistant: " + reply([], "en")))
    assert tells(hit(content="[2026-11-20]\nuser: —\nassistant: plum"))
