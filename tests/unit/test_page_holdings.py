"""What the memory browser and the pipeline view are told, and that they are told of nobody else."""

import json
from typing import Any

from pipeline.local.page.holdings import holdings, kind_of
from pipeline.local.page.people import Person, introduced
from pipeline.local.page.pipeline import dead_letter_of, measures
from pipeline.source.documents import ItemKey
from pipeline.stores.chunks import NOBODY
from pipeline.stores.inventory import StoredChunk
from pipeline.stores.message_rows import MessageRow

MIKA = Person("acme", "mika")
CHAT = ItemKey("sessions", "tenant_id", "acme", "session_key", "chat:1").source
NOTE = ItemKey("memory", "tenant_id", "acme", "sk", "memory:daily:2026-11-20").source


def row(name: str, state: Any = "live", user: str = "mika", **more: Any) -> MessageRow:
    return MessageRow(name, f"hash of {name}", 0, state, user, **more)


def chunk(source: str, *members: str, user: str = "mika", tenant: str = "acme", **more: Any) -> StoredChunk:
    content = f"[2026-11-20]\nuser: {' and '.join(members)}"
    return StoredChunk(tenant, source, f"c-{members[0]}", user, content, members, more.get("status", "live"))


def test_everything_is_told_by_item_the_newest_first_with_state_and_reason() -> None:
    messages = [
        ("acme", CHAT, row("a", said_at=100.0, saved_at=101.0)),
        ("acme", CHAT, row("b", "kept", said_at=90.0, reason="capped")),
        ("acme", CHAT, row("c", "erased", said_at=80.0)),
        ("acme", CHAT, row("d", "unexplained", said_at=110.0)),
        ("acme", NOTE, row("n", said_at=500.0)),
    ]
    chunks = [chunk(CHAT, "a"), chunk(CHAT, "b", status="kept"), chunk(NOTE, "n")]
    note, chat = holdings(MIKA, chunks, messages)
    assert (note["kind"], note["key"], note["at"]) == ("daily", "memory:daily:2026-11-20", 500_000)
    assert chat["states"] == {"erased": 1, "kept": 1, "live": 1, "unexplained": 1}
    told = [(one["state"], one["text"], one["reason"]) for one in chat["pieces"]]
    assert told == [
        ("erased", None, "forgotten"),
        ("kept", "user: b", "capped"),
        ("live", "user: a", ""),
        ("unexplained", None, "unexplained"),
    ]
    assert chat["pieces"][2]["saved_at"] == 101_000


def test_nothing_of_another_user_or_tenant_is_told_nor_the_text_of_what_is_withheld() -> None:
    messages = [
        ("acme", CHAT, row("a", user="ken")),
        ("other", CHAT, row("b")),
        ("acme", CHAT, row("d", "unexplained")),
    ]
    chunks = [chunk(CHAT, "a", user="ken"), chunk(CHAT, "b", tenant="other"), chunk(CHAT, "d", user=NOBODY)]
    [item] = holdings(MIKA, chunks, messages)
    assert [(one["state"], one["text"]) for one in item["pieces"]] == [("unexplained", None)]
    assert holdings(Person("acme", "nobody"), chunks, messages) == []


def test_an_answer_that_came_microseconds_after_its_question_stands_after_it() -> None:
    told = {"a": 100.0001, "b": 100.0002}
    for names in ("ab", "ba"):
        first, second = names
        rows = [
            ("acme", CHAT, row(name, said_at=told[order])) for name, order in ((first, "a"), (second, "b"))
        ]
        [item] = holdings(MIKA, [chunk(CHAT, "a"), chunk(CHAT, "b")], rows)
        assert [piece["text"] for piece in item["pieces"]] == [f"user: {first}", f"user: {second}"]


def test_an_item_whose_name_is_hashed_goes_by_the_apps_own_name() -> None:
    source = ItemKey("sessions", "tenant_id", "acme", "session_key", "k" * 3000).source
    stored = StoredChunk("acme", source, "c", "mika", "text", (), "live", session_key="k" * 3000)
    [item] = holdings(MIKA, [stored], [])
    assert item["key"] == "k" * 3000
    assert item["at"] is None


def test_kinds_go_by_the_names_of_every_layout() -> None:
    assert [kind_of(key) for key in ("LONG_TERM", "memory:long_term", "DAILY#2026-01-01", "memory:summary:x", "chat:1", "LONG_TERMS")] == ["long_term", "long_term", "daily", "summary", "session", "session"]  # fmt: skip


def letter(tenant: str, **attributes: str) -> dict[str, Any]:
    body = {"table": "sessions", "key": {"tenant_id": {"S": tenant}, "session_key": {"S": "chat:1"}}}
    named = {name: {"StringValue": value} for name, value in attributes.items()}
    return {"MessageId": "m", "Body": json.dumps(body), "MessageAttributes": named}


def test_a_dead_letter_names_its_item_to_its_own_tenant_only() -> None:
    named = {"cause": "malformed_item", "error": "no JSON in chat:1"}
    assert dead_letter_of(letter("acme", **named), MIKA)["key"] == "chat:1"
    foreign = dead_letter_of(letter("other", **named), MIKA)
    assert foreign == {"id": "m", "cause": "malformed_item", "error": "", "key": None}
    assert dead_letter_of({"MessageId": "m", "Body": "{"}, MIKA)["cause"] == "crashed"


def metric(name: str, *values: float) -> str:
    directive = {"Namespace": "n", "Dimensions": [["service"]], "Metrics": [{"Name": name, "Unit": "None"}]}
    return json.dumps(
        {"_aws": {"Timestamp": 1, "CloudWatchMetrics": [directive]}, "service": "ingest", name: list(values)}
    )


def test_figures_add_up_and_the_lag_is_that_of_the_newest_saves() -> None:
    lines = [
        "no metric",
        metric("TokensEmbedded", 5),
        metric("TokensEmbedded", 7),
        metric("IngestLag", 9_000),
    ]
    seen = measures([*lines, metric("IngestLag", *[10.0] * 60)])
    assert (seen["tokens"], seen["lag_p50"], seen["items"]) == (12, 10.0, 0)
    assert measures([])["lag_p50"] is None


def test_a_person_is_introduced_in_the_language_most_is_asked_in() -> None:
    assert introduced(MIKA, ["いつですか", "どこですか", "when?"])["language"] == "ja"
    assert introduced(MIKA, ["いつですか", "when?"])["language"] == "en"
    assert introduced(MIKA, []) == {"tenant_id": "acme", "user_id": "mika", "language": "en", "questions": 0}
