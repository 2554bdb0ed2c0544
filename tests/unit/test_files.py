"""What people have is read as it is: exports of DynamoDB, of ChatGPT and of Claude, JSON, JSON lines, CSV."""

import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pipeline.errors import SettingsError
from pipeline.settings import DEFAULT_ATTRIBUTE_NAMES
from pipeline.source.files import MAX_ITEM_BYTES, OWNER, FileOrigin, Files, Refused
from pipeline.source.layouts import Layouts
from pipeline.source.table import SourceTable

ASKED, ANSWERED = "When is the boat trip?", "On the 14th, pier 3."
SAID = [("user", ASKED), ("assistant", ANSWERED)]
MESSAGES = [{"role": "user", "content": ASKED}, {"role": "assistant", "content": ANSWERED}]
ITEM = {"tenant_id": {"S": "acme"}, "session_key": {"S": "chat:1"}, "messages": {"S": json.dumps(MESSAGES)}}
NATIVE = {
    **ITEM,
    "messages": {"L": [{"M": {name: {"S": text} for name, text in one.items()}} for one in MESSAGES]},
}
PLAIN = {"tenant_id": "acme", "session_key": "chat:1", "messages": MESSAGES}
CHATGPT = [
    {
        "title": "Boats", "create_time": 1_793_527_200.5, "conversation_id": "c-1", "current_node": "b",
        "mapping": {
            "root": {"id": "root", "message": None, "parent": None, "children": ["a"]},
            "a": {"id": "a", "parent": "root", "children": ["b"],
                  "message": {"author": {"role": "user"}, "create_time": 1_793_527_200.5, "content": {"content_type": "text", "parts": [ASKED]}}},
            "b": {"id": "b", "parent": "a", "children": [],
                  "message": {"author": {"role": "assistant"}, "content": {"content_type": "text", "parts": [ANSWERED]}}},
        },
    }
]  # fmt: skip
CLAUDE = [
    {"uuid": "c-2", "name": "Boats", "created_at": "2026-11-01T10:00:00Z",
     "chat_messages": [{"uuid": "1", "sender": "human", "text": ASKED, "content": [{"type": "text", "text": ASKED}], "created_at": "2026-11-01T10:00:00Z"},
                       {"uuid": "2", "sender": "assistant", "text": ANSWERED, "content": [], "created_at": "2026-11-01T10:00:05Z"}]},
    {"uuid": "c-3", "name": "Empty", "chat_messages": []},
]  # fmt: skip


def lines(*values: Any) -> str:
    return "\n".join(map(json.dumps, values)) + "\n"


FILES: dict[str, tuple[str, str, str, str]] = {
    "a scan": ("scan.json", json.dumps({"Items": [ITEM], "Count": 1, "ScannedCount": 1}, indent=4), "acme", "chat:1"),
    "a scan with native lists": ("scan.json", json.dumps({"Items": [NATIVE]}), "acme", "chat:1"),
    "one item": ("item.json", json.dumps({"Item": ITEM}, indent=2), "acme", "chat:1"),
    "lines of items": ("items.jsonl", lines(ITEM), "acme", "chat:1"),
    "lines of an export": ("items.json", lines({"Item": ITEM}), "acme", "chat:1"),
    "lines of an incremental export": ("items.json", lines({"Keys": {"tenant_id": ITEM["tenant_id"], "session_key": ITEM["session_key"]}, "NewImage": ITEM}), "acme", "chat:1"),
    "items without types": ("items.json", json.dumps([PLAIN], indent=1), "acme", "chat:1"),
    "lines without types": ("items.jsonl", lines(PLAIN), "acme", "chat:1"),
    "ChatGPT": ("conversations.json", json.dumps(CHATGPT), OWNER, "c-1"),
    "Claude": ("conversations.json", json.dumps(CLAUDE), OWNER, "c-2"),
    "a list of messages": ("boats.json", json.dumps(MESSAGES), OWNER, "boats"),
    "a list with calls of tools": ("boats.json", json.dumps([MESSAGES[0], {"role": "assistant", "content": None, "tool_calls": [{}]}, MESSAGES[1]]), OWNER, "boats"),
    "lines with calls of tools": ("boats.jsonl", lines(MESSAGES[0], {"type": "function_call", "name": "f"}, MESSAGES[1]), OWNER, "boats"),
    "a batch": ("batch.json", json.dumps({"Responses": {"sessions": [ITEM]}, "UnprocessedKeys": {}}), "acme", "chat:1"),
    "an object with messages": ("boats.json", json.dumps({"id": "s-1", "messages": MESSAGES}), OWNER, "s-1"),
    "lines of messages": ("boats.jsonl", lines(*MESSAGES), OWNER, "boats"),
    "lines of conversations": ("tune.jsonl", lines({"messages": MESSAGES}), OWNER, "tune"),
    "CSV": ("boats.csv", f'\ufeffrole,content\r\nuser,{ASKED}\r\nassistant,"{ANSWERED}"\r\n', OWNER, "boats"),
    "CSV with sessions": ("all.csv", f'session_id,timestamp,sender,text\ns-1,1793527200,Human,{ASKED}\ns-1,1793527205,AI,"{ANSWERED}"\n', OWNER, "s-1"),
    "TSV": ("boats.tsv", f"role\tcontent\nuser\t{ASKED}\nassistant\t{ANSWERED}\n", OWNER, "boats"),
}  # fmt: skip


def as_it_is(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8", newline="")
    return path


def compressed(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.gz"
    path.write_bytes(gzip.compress(text.encode()))
    return path


def archived(folder: Path, name: str, text: str) -> Path:
    path = folder / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
        archive.writestr("user.html", "<html>")
    return path


def in_a_folder(folder: Path, name: str, text: str) -> Path:
    compressed(folder, name, text)
    (folder / "README.md").write_text("not data", "utf-8")
    return folder


ENDS_OF_LINES_TO_PYTHON = "a\u2028b\u2029c\u0085d"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_of_json_end_where_json_says(layouts: Layouts, tmp_path: Path, end: str) -> None:
    said = {"role": "user", "content": ENDS_OF_LINES_TO_PYTHON}
    path = tmp_path / "boats.jsonl"
    path.write_bytes(end.join(json.dumps(one, ensure_ascii=False) for one in (said, MESSAGES[1])).encode())
    [document] = [layouts.parse("t", item) for item in Files(path).items()]
    assert document
    assert [entry.text for entry in document.entries] == [ENDS_OF_LINES_TO_PYTHON, ANSWERED]


@pytest.mark.parametrize("packed", [as_it_is, compressed, archived, in_a_folder])
@pytest.mark.parametrize("kind", FILES)
def test_a_file_of_every_kind_is_read_however_it_is_packed(
    layouts: Layouts, tmp_path: Path, kind: str, packed: Callable[[Path, str, str], Path]
) -> None:
    name, text, tenant_id, key = FILES[kind]
    documents = [layouts.parse("t", item) for item in Files(packed(tmp_path, name, text)).items()]
    [document] = [one for one in documents if one]
    assert document.tenant_id == tenant_id
    assert document.name in {key, f"{key}-1"}
    assert [(entry.role, entry.text) for entry in document.entries] == SAID
    assert document.unreadable == 0


def test_a_folder_of_an_export_to_s3_is_read_by_its_manifests(tmp_path: Path) -> None:
    folder = tmp_path / "AWSDynamoDB" / "01693-abc"
    (folder / "data").mkdir(parents=True)
    arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sessions"
    summary = {"tableArn": arn, "itemCount": 1, "outputFormat": "DYNAMODB_JSON"}
    (folder / "manifest-summary.json").write_text(json.dumps(summary), "utf-8")
    row = {"itemCount": 1, "dataFileS3Key": "AWSDynamoDB/01693-abc/data/x.json.gz"}
    (folder / "manifest-files.json").write_text(json.dumps(row) + "\n", "utf-8")
    (folder / "data" / "x.json.gz").write_bytes(gzip.compress(lines({"Item": ITEM}).encode()))
    (folder / "data" / "stray.json.gz").write_bytes(
        gzip.compress(lines({"Item": {**ITEM, "tenant_id": {"S": "old"}}}).encode())
    )
    assert list(Files(tmp_path).items()) == [ITEM]
    (folder / "data" / "x.json.gz").write_bytes(b"\x1f\x8bbroken")
    with pytest.raises(SettingsError, match="data file"):
        list(Files(tmp_path).items())


def test_sessions_of_a_table_are_kept_apart(tmp_path: Path) -> None:
    text = "conversation_id,role,content\n1,user,one\n2,user,two\n1,assistant,three\n"
    items = list(Files(as_it_is(tmp_path, "all.csv", text)).items())
    assert [item["session_key"]["S"] for item in items] == ["1", "2"]
    assert len(json.loads(items[0]["messages"]["S"])) == 2


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("a.csv", "who,what\nuser,hi\n", "line 1: the first line must name the columns"),
        ("a.csv", "role,content\nuser,hi\nuser,hi,there\n", "line 3: 3 cells, and 2 columns"),
        ("a.jsonl", lines(*MESSAGES) + "{broken\n", "line 3"),
        ("a.jsonl", lines(ITEM, {"what": "is this"}), "line 2"),
        ("a.json", '{\n "Items": [\n  {]\n}', "line 3"),
        ("a.json", json.dumps([PLAIN, {"what": "is this"}]), "element 2 of the list"),
        ("a.json", "7", "line 1"),
        ("a.json", "", "holds no items"),
        ("a.json", '{"Items": []}', "holds no items"),
    ],
)  # fmt: skip
def test_an_error_names_the_place_and_shows_what_is_expected(
    tmp_path: Path, name: str, text: str, where: str
) -> None:
    with pytest.raises(SettingsError, match=where) as caught:
        list(Files(as_it_is(tmp_path, name, text)).items())
    assert str(tmp_path) in str(caught.value)
    assert "is this" not in str(caught.value)


@pytest.mark.parametrize(
    "line", ['{"Keys": {"tenant_id": 1}, "NewImage": "x"}', '{"Keys": [1], "NewImage": {"a": 1}}']
)
def test_a_record_whose_parts_are_no_objects_is_no_item(tmp_path: Path, line: str) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text(f"{line}\n{line}\n")
    with pytest.raises(SettingsError, match="line 1"):
        list(Files(path).items())


@pytest.mark.parametrize(
    "content", [gzip.compress(b"{}" * 500)[:15] + b"\xff" * 30, gzip.compress(b"{}" * 500)[:-9]]
)
def test_a_damaged_archive_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "chats.json.gz"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"chats.json.gz cannot be read"):
        list(Files(path).items())


def test_a_table_is_told_by_its_name_in_any_letters(tmp_path: Path) -> None:
    path = tmp_path / "CHATS.CSV"
    path.write_text(f"role,content\nuser,{ASKED}\n")
    (item,) = Files(path).items()
    assert ASKED in item["messages"]["S"]


def test_a_conversation_that_one_item_cannot_hold_becomes_several(tmp_path: Path) -> None:
    said = [{"role": "user", "content": f"{number} 請求書 " * 100} for number in range(700)]
    whole = [{"id": "c-1", "messages": said}, {"id": "c-2", "messages": MESSAGES}]
    items = list(Files(as_it_is(tmp_path, "chats.json", json.dumps(whole))).items())
    assert [item["session_key"]["S"] for item in items] == ["c-1", "c-1 (2)", "c-1 (3)", "c-2"]
    assert max(len(item["messages"]["S"].encode()) for item in items) < 400_000
    held = [message for item in items for message in json.loads(item["messages"]["S"])]
    assert held == [*said, *MESSAGES]


def conversation(id_: str, *texts: str) -> dict[str, Any]:
    return {"id": id_, "messages": [{"role": "user", "content": text} for text in texts]}


@pytest.mark.parametrize(
    ("whole", "options", "reason"),
    [
        (conversation("long", "hello", "x" * 410_000), {}, "a message of it is longer than an item"),
        (conversation("wide", "あ" * 137_000), {}, "a message of it is longer than an item"),
        (conversation("k" * 1_025, "hello"), {}, "its id is longer than 1,024 bytes"),
        (conversation("あ" * 342, "hello"), {}, "its id is longer than 1,024 bytes"),
        (conversation("k" * 1_023, *["x" * 300_000] * 2), {}, "its id is longer than 1,024 bytes"),
        (
            conversation("t", "hello"),
            {"tenant_id": "t" * 1_025},
            "the tenant's id is longer than 1,024 bytes",
        ),
        (conversation("u", "hello"), {"user_id": "u" * 1_025}, "the user's id is longer than 1,024 bytes"),
    ],
    ids=["message", "wide message", "id", "wide id", "id of a part", "tenant", "user"],
)
def test_a_conversation_that_no_item_can_hold_is_named_without_its_text(
    tmp_path: Path, whole: Any, options: dict[str, str], reason: str
) -> None:
    silent, small = conversation("silent"), conversation("small", "hello")
    path = as_it_is(tmp_path, "chats.json", json.dumps([silent, whole, small]))
    [refused, *others] = Files(path, **options).entries()
    assert isinstance(refused, Refused)
    assert refused.place == f"{path}, conversation 2"
    assert refused.reason.startswith(reason)
    if not options:
        assert [each["session_key"]["S"] for each in others if not isinstance(each, Refused)] == ["small"]
    with pytest.raises(SettingsError, match=r"chats\.json, conversation 2: "):
        list(Files(path, **options).items())


def test_an_item_may_have_as_many_bytes_as_dynamodb_takes_and_no_more(tmp_path: Path) -> None:
    name = "k" * 1_024
    [short] = Files(as_it_is(tmp_path, "short.json", json.dumps([conversation(name, "x")]))).items()
    room = 1 + MAX_ITEM_BYTES - sum(len(f"{key}{value['S']}") for key, value in short.items())
    [full] = Files(as_it_is(tmp_path, "full.json", json.dumps([conversation(name, "x" * room)]))).items()
    assert sum(len(f"{key}{value['S']}") for key, value in full.items()) == MAX_ITEM_BYTES
    over = as_it_is(tmp_path, "over.json", json.dumps([conversation(name, "x" * (room + 1))]))
    assert [type(each) for each in Files(over).entries()] == [Refused]


def test_refused_conversations_are_counted_once_however_often_the_file_is_gone_on_with(
    tmp_path: Path,
) -> None:
    whole = [conversation(f"c{number}", "x" * (500_000 if number == 1 else 5)) for number in range(150)]
    origin = FileOrigin(Files(as_it_is(tmp_path, "chats.json", json.dumps(whole))), "sessions")
    first, last = origin.pages("", None)
    assert ([len(first.refused), len(last.refused)], first.cursor) == ([1, 0], 100)
    assert (len(first.items), len(last.items)) == (99, 50)
    [rest] = origin.pages("", first.cursor)
    assert (rest.refused, len(rest.items)) == ([], 50)


def test_half_a_character_in_a_conversation_harms_nothing(tmp_path: Path) -> None:
    whole = {"id": "c\ud83d", "messages": [{"role": "user", "content": "hi \ud83d"}]}
    (item,) = Files(as_it_is(tmp_path, "chats.json", json.dumps(whole))).items()
    assert json.dumps(item, ensure_ascii=False).encode()
    assert json.loads(item["messages"]["S"])[0]["content"] == "hi \ufffd"


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="holds no JSON"):
        list(Files(tmp_path).items())


def test_a_file_is_an_origin_whose_pages_are_gone_on_with(tmp_path: Path) -> None:
    items = [{**ITEM, "session_key": {"S": f"chat:{number}"}} for number in range(250)]
    origin = FileOrigin(Files(as_it_is(tmp_path, "scan.json", json.dumps({"Items": items}))), "sessions")
    pages = list(origin.pages(origin.parts()[0], None))
    assert [(page.table, len(page.items), page.cursor) for page in pages] == [
        ("sessions", 100, 100), ("sessions", 100, 200), ("sessions", 50, None),
    ]  # fmt: skip
    rest = list(origin.pages(origin.parts()[0], 200))
    assert [item for page in rest for item in page.items] == items[200:]


@mock_aws
def test_a_conversation_is_saved_once_into_the_table_that_is_named(layouts: Layouts, tmp_path: Path) -> None:
    client = boto3.client("dynamodb", region_name="us-east-1")
    client.create_table(
        TableName="chats",
        KeySchema=[
            {"AttributeName": "org", "KeyType": "HASH"},
            {"AttributeName": "chat", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("org", "chat")],
        BillingMode="PAY_PER_REQUEST",
    )
    table = SourceTable(client)
    assert table.key_types("chats") == ("S", "S")
    names = {**DEFAULT_ATTRIBUTE_NAMES, "tenant_id": "org", "session_key": "chat"}
    written: list[bool] = []
    path = as_it_is(tmp_path, "conversations.json", json.dumps(CHATGPT))
    files = Files(
        path, "acme", "mika", names, lambda item: written.append(table.put_new("chats", item, "org"))
    )
    first, second = list(files.items()), list(files.items())
    assert written == [True, False]
    assert first == second == client.scan(TableName="chats")["Items"]
    document = Layouts(names, layouts.hasher).parse("chats", first[0])
    assert document
    assert (document.tenant_id, document.user_id, document.name) == ("acme", "mika", "c-1")
    assert document.created_at
