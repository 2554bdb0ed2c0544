"""What is exported, that it can be brought into an empty deployment, and that memory is then the same."""

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from support.small_pipeline import SmallPipeline

from pipeline.errors import BusyError, InvalidRequestError, SettingsError
from pipeline.operations.export.exporter import Exporter
from pipeline.operations.export.run import utf_8
from pipeline.operations.import_.importer import Imported, Importer
from pipeline.operations.import_.run import opened
from pipeline.operations.portable.file_format import Counts, read_header, read_items
from pipeline.source.layouts import Item

Lines = list[str]
TOPICS = ("lamp", "zebra", "harbour", "violin", "pepper", "glacier", "comet", "saddle", "orchid", "anvil")


def turn(number: int, role: str = "user", name: str | None = None, text: str | None = None) -> dict[str, str]:
    said = text or f"{role} says: {TOPICS[number % 10]} number {number} stands in room {number * 7}."
    stamp = f"2026-11-20T10:{number % 60:02}:00+09:00"
    return {"role": role, "content": said, "timestamp": stamp, **({"name": name} if name else {})}


def session(key: str, *turns: dict[str, str], **strings: str) -> Item:
    fields = {"tenant_id": "acme", "session_key": key, "updated_at": "2026-11-20T12:00:00+09:00", **strings}
    return {**{name: {"S": value} for name, value in fields.items()}, "messages": {"S": json.dumps(turns)}}


def note(key: str, content: str, table_key: str = "sk", **strings: str) -> Item:
    fields = {"tenant_id": "acme", table_key: key, "content": content, **strings}
    return {name: {"S": value} for name, value in fields.items()}


def exported(pipeline: SmallPipeline, user: str | None = None) -> Lines:
    exporter = Exporter(pipeline, pipeline.layouts, pipeline.reconciler, pipeline.inventory)
    return list(exporter.lines("acme", user))


def messages(lines: Lines) -> list[dict[str, Any]]:
    return [fields for line in lines if (fields := json.loads(line))["type"] == "message"]


def said(lines: Lines) -> list[tuple[str, str]]:
    return [(each["text"], each["state"]) for each in messages(lines)]


def importer(pipeline: SmallPipeline, **options: Any) -> Importer:
    ticks = iter(range(100_000))
    parts = (pipeline.layouts, pipeline.reconciler, pipeline.inventory)
    return Importer(
        pipeline,
        pipeline.put,
        lambda item: f"new-{item.key.table}",
        *parts,
        sleep=lambda _: None,
        clock=lambda: float(next(ticks)),
        **options,
    )


def imported(lines: Lines, pipeline: SmallPipeline, **options: Any) -> Imported:
    return importer(pipeline, **options).run(read_header(lines[0]), read_items(lines[1:]))


@pytest.fixture
def old() -> SmallPipeline:
    return SmallPipeline()


@pytest.fixture
def new() -> SmallPipeline:
    """Another deployment: its key of names is its own."""
    return SmallPipeline(b"another secret k", start=1_800_000_000.0)


def filled(pipeline: SmallPipeline) -> None:
    """Save conversations that grew, were capped, cleared and expired, of two users, and notes."""
    turns = [
        turn(number, ("user", "assistant")[number % 2], "Mika" if number % 2 == 0 else None)
        for number in range(12)
    ]
    pipeline.put("sessions", session("chat:live", *turns[:6], user_id="mika"))
    pipeline.put("sessions", session("chat:capped", *turns, user_id="mika"))
    pipeline.put("sessions", session("chat:capped", *turns[4:], turn(30), user_id="mika"))
    pipeline.put("sessions", session("chat:cleared", turn(20), turn(21, "assistant"), user_id="ken"))
    pipeline.put("sessions", session("chat:cleared", user_id="ken"))
    pipeline.put("sessions", session("chat:cleared", turn(22), user_id="ken"))
    gone = session("chat:expired", turn(40), turn(41, "assistant"), user_id="mika")
    pipeline.put("sessions", gone)
    pipeline.expire("sessions", gone)
    text = (
        "# About\n\n- likes tea\n- plays the violin\n\n## Work\n\nShips anvils.\n\n```\na: 1\n\nb: 2\n```\n"
    )
    pipeline.put("memory", note("memory:long_term", text, user_id="mika"))
    pipeline.put("memory", note("memory:daily:2026-11-20", "## 2026-11-20\n\nMet the zebra.", user_id="mika"))


def questions() -> list[str]:
    return [f"{topic} in room {number}" for topic in TOPICS for number in range(10)]


def test_memory_is_the_same_after_it_was_brought_elsewhere(old: SmallPipeline, new: SmallPipeline) -> None:
    filled(old)
    lines = exported(old)
    came = imported(lines, new)
    assert (came.items, came.standing) == (6, 0)
    assert new.audit().findings == []
    for user in ("mika", "ken"):
        assert new.answers("acme", user, *questions()) == old.answers("acme", user, *questions())
    assert any(hits for hits in new.answers("acme", "ken", *questions()))
    assert messages(exported(new)) != []
    assert said(exported(new)) == [*said(lines)]


def test_a_kept_message_is_exported_with_its_words_and_its_speaker(old: SmallPipeline) -> None:
    filled(old)
    kept = [each for each in messages(exported(old)) if each["state"] == "kept"]
    by_key = {
        key: [each for each in kept if each["key"] == key]
        for key in ("chat:capped", "chat:cleared", "chat:expired")
    }
    assert [len(each) for each in by_key.values()] == [4, 2, 2]
    first, second = by_key["chat:capped"][:2]
    assert (first["role"], first["name"], first["text"]) == ("user", "Mika", turn(0)["content"])
    assert (second["role"], second["name"], second["text"]) == (
        "assistant",
        None,
        turn(1, "assistant")["content"],
    )
    assert first["said_at"] == "2026-11-20T01:00:00+00:00"
    assert {each["reason"] for each in by_key["chat:cleared"]} == {"cleared"}


def test_the_chat_apps_items_have_no_more_than_they_had(old: SmallPipeline, new: SmallPipeline) -> None:
    filled(old)
    imported(exported(old), new)
    capped = json.loads(new.items["new-sessions", "acme", "chat:capped"]["messages"]["S"])
    assert [each["content"] for each in capped][:1] == [turn(4)["content"]]
    expired = new.items["new-sessions", "acme", "chat:expired"]
    assert json.loads(expired["messages"]["S"]) == []
    assert int(expired["ttl"]["N"]) > 0


def test_a_long_kept_message_comes_whole(old: SmallPipeline) -> None:
    long = turn(1, text=" ".join(f"word{number}: thing" for number in range(400)))
    old.put("sessions", session("chat:1", long, turn(2, "assistant")))
    old.put("sessions", session("chat:1", turn(2, "assistant"), turn(3)))
    kept = [each for each in messages(exported(old)) if each["state"] == "kept"]
    assert [each["text"] for each in kept] == [long["content"]]


def test_kept_messages_whose_row_somebody_deleted_are_counted_as_left_out(old: SmallPipeline) -> None:
    filled(old)
    rows = old.store._rows
    for place in [place for place, row in rows.items() if row.chunk.status == "kept"]:
        del rows[place]
    lines = exported(old)
    assert {state for _, state in said(lines)} == {"live"}
    assert json.loads(lines[-1])["unreadable"] == 4 + 2 + 2
    assert json.loads(exported(old, "ken")[-1])["unreadable"] == 2
    assert {finding.kind for finding in old.audit().findings} == {"lost"}


def test_an_item_with_a_text_that_is_lost_stops_no_export(old: SmallPipeline) -> None:
    old.put("sessions", session("chat:0", turn(0), turn(1, "assistant")))
    old.put("sessions", session("chat:1", turn(1, text="And?"), turn(2, "assistant")))  # one chunk
    old.deaf = True
    old.put("sessions", session("chat:1", turn(3)))
    old.store.texts = lambda *_: {}
    lines = exported(old)
    assert [text for text, _ in said(lines)] == [turn(0)["content"], turn(1, "assistant")["content"]]
    assert json.loads(lines[-1])["unreadable"] == 1


def test_nothing_erased_or_hidden_is_exported(old: SmallPipeline) -> None:
    old.put("sessions", session("chat:1", turn(1), turn(2), user_id="mika"))
    old.forget("acme", "mika")
    old.put("sessions", session("chat:1", turn(1), turn(2), turn(3), user_id="mika"))
    old.put("sessions", session("chat:2", turn(4), turn(5), user_id="ken"))
    old.deaf = True  # what leaves now leaves for a reason that nobody knows yet
    old.put("sessions", session("chat:2", turn(5), user_id="ken"))
    lines = exported(old)
    assert [text for text, _ in said(lines)] == [turn(3)["content"], turn(5)["content"]]
    assert json.loads(lines[-1])["hidden"] == 1


def test_one_users_export_has_nothing_of_another(old: SmallPipeline) -> None:
    filled(old)
    old.put("sessions", session("chat:shared", turn(50), turn(51), user_id="mika"))
    old.put("sessions", session("chat:shared", turn(51), turn(52), user_id="mika"))
    old.put("sessions", session("chat:shared", turn(51), turn(52), user_id="ken"))
    lines = exported(old, "mika")
    assert {each["user_id"] for each in messages(lines)} == {"mika"}
    shared = [each["text"] for each in messages(lines) if each["key"] == "chat:shared"]
    assert shared == [turn(50)["content"]]
    assert {each["user_id"] for each in messages(exported(old, "ken"))} == {"ken"}


def test_there_are_no_vectors_in_it(old: SmallPipeline) -> None:
    filled(old)
    assert not any(
        "vector" in json.loads(line).keys() | {"embedding"} & json.loads(line).keys()
        for line in exported(old)
    )


def test_an_import_that_was_cut_short_goes_on(old: SmallPipeline, new: SmallPipeline) -> None:
    filled(old)
    lines = exported(old)
    puts = 0

    def dying(*given: Any) -> bool:
        nonlocal puts
        puts += 1
        if puts > 8:
            raise ConnectionError
        return new.put(*given)

    broken = importer(new)
    object.__setattr__(broken, "put", dying)
    with pytest.raises(ConnectionError):
        broken.run(read_header(lines[0]), read_items(lines[1:]))
    imported(lines, new)
    assert new.audit().findings == []
    assert said(exported(new)) == said(lines)


def test_a_second_import_changes_nothing(old: SmallPipeline, new: SmallPipeline) -> None:
    filled(old)
    imported(exported(old), new)
    before = dict(new.items)
    imported(exported(old), new)
    assert new.items == before


def test_import_leaves_existing_items_alone(old: SmallPipeline, new: SmallPipeline) -> None:
    filled(old)
    own = session("chat:live", turn(99), user_id="mika")
    new.put("new-sessions", own)
    came = imported(exported(old), new)
    assert came.standing == 1
    assert new.items["new-sessions", "acme", "chat:live"] == own


def test_an_import_waits_for_the_index_and_says_so_when_it_does_not_come(
    old: SmallPipeline, new: SmallPipeline
) -> None:
    filled(old)
    new.deaf = True
    with pytest.raises(BusyError, match="import again to go on"):
        imported(exported(old), new, patience_seconds=5.0)


def test_another_tenants_items_are_refused(old: SmallPipeline, new: SmallPipeline) -> None:
    filled(old)
    lines = [
        line.replace('["tenant_id", "S", "acme"]', '["tenant_id", "S", "other"]') for line in exported(old)
    ]
    with pytest.raises(InvalidRequestError, match="not the tenant's"):
        imported(lines, new)
    assert new.items == {}


@pytest.mark.parametrize("cut", [1, 5, -1])
def test_half_a_file_is_refused(old: SmallPipeline, cut: int) -> None:
    filled(old)
    with pytest.raises(InvalidRequestError, match=r"ends in the middle"):
        list(read_items(exported(old)[1:cut]))


def test_a_file_without_one_of_its_lines_is_refused(old: SmallPipeline) -> None:
    filled(old)
    lines = exported(old)
    del lines[2]
    with pytest.raises(InvalidRequestError, match="last line counts"):
        list(read_items(lines[1:]))


@pytest.mark.parametrize(
    "line", ["no json", "[]", '{"type": "item"}', '{"type": "end"}', '{"type": "message"}']
)
def test_a_damaged_line_is_named(line: str) -> None:
    with pytest.raises(InvalidRequestError, match="line 2 is damaged"):
        list(read_items([line]))


@pytest.mark.parametrize(
    "change",
    [
        {"text": 7},
        {"text": None},
        {"user_id": None},
        {"state": "erased"},
        {"key": "chat:other"},
        {"said_at": 7},
    ],
)
def test_a_message_that_no_export_writes_is_refused(old: SmallPipeline, change: dict[str, Any]) -> None:
    filled(old)
    lines = exported(old)
    at = next(at for at, line in enumerate(lines) if json.loads(line)["type"] == "message")
    lines[at] = json.dumps({**json.loads(lines[at]), **change})
    with pytest.raises(InvalidRequestError, match=f"line {at + 1} is damaged"):
        list(read_items(lines[1:]))


def test_a_file_of_another_kind_or_version_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="not that of an export"):
        read_header('{"messages": []}')
    with pytest.raises(InvalidRequestError, match="version 2"):
        read_header('{"type": "export", "format": "vector-memory", "version": 2}')


def test_import_counts_the_items_that_are_there_at_the_end(old: SmallPipeline) -> None:
    filled(old)
    lines = exported(old)
    end = json.loads(lines[-1])
    items = sum(json.loads(line)["type"] == "item" for line in lines)
    assert (end["items"], end["messages"]) == (items, len(messages(lines)))
    assert Counts().items == 0


@pytest.mark.parametrize("times", [True, False], ids=["with times", "alike and without times"])
def test_kept_messages_may_be_more_than_one_item_holds(
    old: SmallPipeline, new: SmallPipeline, monkeypatch: pytest.MonkeyPatch, *, times: bool
) -> None:
    turns = [turn(number, ("user", "assistant")[number % 2]) for number in range(24)]
    if not times:
        turns = [{"role": each["role"], "content": each["content"]} for each in turns]
        turns[2] = turns[14] = {**turns[2], "content": "Yes, the zebra."}
    for start in range(0, 21, 3):
        old.put("sessions", session("chat:capped", *turns[start : start + 6], user_id="mika"))
    old.put("sessions", session("chat:cleared", *turns, user_id="mika"))
    old.put("sessions", session("chat:cleared", user_id="mika"))
    lines = exported(old)
    saved: list[int] = []
    put = new.put
    monkeypatch.setattr("pipeline.operations.import_.importer.ITEM_BYTES", 1_000)

    def noted(table: str, item: Item, before: Item | None, attribute: str) -> bool:
        saved.append(len(item["messages"]["S"].encode()))
        return put(table, item, before, attribute)

    monkeypatch.setattr(new, "put", noted)
    imported(lines, new)
    assert max(saved) <= 1_000
    assert sorted(said(exported(new))) == sorted(said(lines))
    assert new.audit().findings == []


def test_a_file_may_begin_with_a_byte_order_mark_and_end_its_lines_as_windows_does(
    old: SmallPipeline, tmp_path: Path
) -> None:
    filled(old)
    path = tmp_path / "memory.jsonl"
    path.write_bytes("\r\n".join(exported(old)).encode("utf-8-sig"))
    with opened(path) as file:
        read_header(file.readline())
        assert len(list(read_items(file))) == 6


@pytest.mark.parametrize("encoding", ["utf-16", "cp932", "gzip"])
def test_a_file_that_is_no_utf_8_says_so(old: SmallPipeline, tmp_path: Path, encoding: str) -> None:
    old.put("sessions", session("chat:1", turn(1, text="請求書は?"), user_id="mika"))
    text, path = "\n".join(exported(old)), tmp_path / "memory.jsonl"
    path.write_bytes(gzip.compress(text.encode()) if encoding == "gzip" else text.encode(encoding))
    with pytest.raises(SettingsError, match="UTF-8"), opened(path) as file:
        file.read()


def test_a_kept_message_whose_text_is_lost_is_counted(
    old: SmallPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(old)
    monkeypatch.setattr(old.store, "texts", lambda *_: {})
    for user, number in ((None, 8), ("ken", 2), ("mika", 6)):
        assert json.loads(exported(old, user)[-1])["unreadable"] == number


def test_standard_output_gets_utf_8_whatever_the_terminal_has() -> None:
    written = io.BytesIO()
    stream = utf_8(io.TextIOWrapper(written, encoding="cp932"))
    stream.write("☃ 請求書")
    stream.flush()
    assert written.getvalue().decode() == "☃ 請求書"
