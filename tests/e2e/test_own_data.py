"""People's own data through the deployed template: shapes, numeric users, secrets, data that is no language; on two stores."""

import base64
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from support.deployed_stack import DeployedStack, until
from support.secret_samples import positives
from support.shapes import ANSWERED, ASKED, SHAPES

from lab.backfill import Operator
from pipeline.ingest.measures import item_label
from pipeline.local.stack import Stack
from pipeline.source.documents import ItemKey
from pipeline.store_settings import StoreName

pytestmark = pytest.mark.e2e

STORES: list[StoreName] = ["pgvector", "dynamodb"]
PATIENCE_SECONDS = 240


@pytest.fixture(scope="module", params=STORES)
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    with Stack(store=request.param) as started:
        yield started


@pytest.fixture
def own(stack: Stack) -> DeployedStack:
    return DeployedStack(stack, f"tenant-{uuid4().hex[:8]}")


def put(deployed: DeployedStack, **item: Any) -> None:
    deployed.stack.client("dynamodb").put_item(TableName=deployed.table(), Item=item)


def hits(
    deployed: DeployedStack, query: str, tenant: str | None = None, user: str | None = None
) -> list[dict[str, Any]]:
    owner = tenant or deployed.tenant
    try:
        return deployed.demo.search(owner, user or owner, query, 20, min_confidence=0)
    except RuntimeError:  # a cold function may time out first
        return []


def indexed(deployed: DeployedStack, key: str, tenant: str | None = None) -> list[str]:
    owner = tenant or deployed.tenant
    return [row.content for row in deployed.stack.rows() if (row.tenant_id, row.key) == (owner, key)]


def test_every_shape_is_found_with_its_role(own: DeployedStack) -> None:
    names = {f"{own.tenant}-{number}": name for number, name in enumerate(SHAPES)}
    for tenant, name in names.items():
        own.save(name, SHAPES[name], tenant)
    until(
        lambda: all(indexed(own, name, tenant) for tenant, name in names.items()),
        "all are indexed",
        PATIENCE_SECONDS,
    )
    for tenant, name in names.items():
        found = hits(own, "when is the boat trip", tenant)
        assert any(ASKED in hit["content"] for hit in found), name
        assert own.demo.search(tenant, tenant, ASKED, 1)[0]["content"].count(ASKED) == 1
        text = "\n".join(hit["content"] for hit in found)
        assert ANSWERED in text
        assert "Let me think" not in text
        assert text.count(ANSWERED) == 1


def test_an_unknown_shape_is_counted_in_log_and_audit_and_its_neighbour_is_found(
    own: DeployedStack, tmp_path: Path
) -> None:
    own.save(
        "chat:1", [{"who": "user", "said": "xylophone"}, {"role": "user", "content": "the kayak is red"}]
    )
    until(lambda: bool(indexed(own, "chat:1")), "it is indexed", PATIENCE_SECONDS)

    key = ItemKey(own.table(), "tenant_id", own.tenant, "session_key", "chat:1")
    label = item_label(key.source)

    def logged() -> bool:
        lines = (json.loads(line) for line in own.stack.logs.splitlines() if line.startswith('{"level"'))
        return any(
            line.get("unreadable_items", {}).get(label) == line.get("unreadable_messages") == 1
            for line in lines
        )

    until(logged, "the log counts it")
    assert "xylophone" not in own.stack.logs
    operator = Operator(own.stack, tmp_path)
    report = operator.run("audit", "--stack", own.stack.name, "--settle", "1", "--json")
    kinds = {row[0] for row in json.loads(report)["findings"] if row[1] == own.tenant}
    assert kinds == {"unreadable"}


def test_users_with_numbers_for_ids_are_kept_apart_and_forgotten_by_them(own: DeployedStack) -> None:
    for key, user, text in (
        ("a", "1001", "Alice keeps her spare key under the fern."),
        ("b", "1002", "Bob is looking for a new job."),
    ):
        message = json.dumps([{"role": "user", "content": text}])
        put(
            own,
            tenant_id={"S": own.tenant},
            session_key={"S": key},
            user_id={"N": user},
            messages={"S": message},
        )
    until(lambda: bool(indexed(own, "a") and indexed(own, "b")), "both are indexed", PATIENCE_SECONDS)
    assert [hit["content"].partition(": ")[2] for hit in hits(own, "key job", user="1001")] == [
        "Alice keeps her spare key under the fern."
    ]
    assert [hit["content"].partition(": ")[2] for hit in hits(own, "key job", user="1002")] == [
        "Bob is looking for a new job."
    ]
    assert hits(own, "key job") == []


def test_a_user_that_cannot_be_read_is_a_dead_letter_and_nobodys_memory(own: DeployedStack) -> None:
    message = json.dumps([{"role": "user", "content": "the kayak is red"}])
    put(
        own,
        tenant_id={"S": own.tenant},
        session_key={"S": "a"},
        user_id={"NULL": True},
        messages={"S": message},
    )
    until(lambda: bool(own.dead_letters()), "it is a dead letter", PATIENCE_SECONDS)
    assert own.dead_letters()[0]["MessageAttributes"]["cause"]["StringValue"] == "malformed_item"
    assert indexed(own, "a") == []


def test_a_picture_pasted_as_text_is_a_few_words(own: DeployedStack) -> None:
    blob = base64.b64encode(random.Random(1).randbytes(75_000)).decode()
    scan = f"Here is the scan: ![scan](data:image/png;base64,{blob})"
    own.save(
        "lease",
        [
            {"role": "user", "content": scan},
            {"role": "assistant", "content": "That is the lease for flat 12B in Otaru."},
        ],
    )
    until(lambda: bool(indexed(own, "lease")), "it is indexed", PATIENCE_SECONDS)
    chunks = indexed(own, "lease")
    assert len(chunks) <= 2
    assert "[image/png, 75 kB]" in "\n".join(chunks)
    assert max(map(len, chunks)) < 500


def test_a_session_saved_fifty_times_with_new_times_is_embedded_once_and_forgets(
    own: DeployedStack, tmp_path: Path
) -> None:
    def used() -> int:
        command = ("usage", "--stack", own.stack.name, "--tenant", own.tenant, "--json")
        return sum(row["tokens"] for row in json.loads(Operator(own.stack, tmp_path).run(*command)))

    def saved(number: int, *texts: str) -> None:
        stamp = f"2026-11-01T10:{number:02}:00Z"
        own.save("chat:1", [{"role": "user", "content": text, "timestamp": stamp} for text in texts])

    said = ("The inhaler is in the blue bag.", "My asthma is worse in spring.", "The ferry leaves at nine.")
    saved(0, *said)
    until(lambda: "ferry" in "\n".join(indexed(own, "chat:1")), "it is indexed", PATIENCE_SECONDS)
    once = used()
    for number in range(1, 50):
        saved(number, *said)
    saved(50, said[0], said[2])
    until(lambda: "asthma" not in "\n".join(indexed(own, "chat:1")), "it is forgotten", PATIENCE_SECONDS)
    text = "\n".join(indexed(own, "chat:1"))
    assert [text.count(word) for word in ("inhaler", "asthma", "ferry")] == [1, 0, 1]
    assert 0 < once <= used() < 2 * once  # what was said beside the forgotten message may be embedded anew


def test_messages_rewritten_in_another_shape_stay(own: DeployedStack) -> None:
    def said(text: str, *, parts: bool) -> dict[str, Any]:
        body = {"parts": [{"type": "text", "text": text}]} if parts else {"content": text}
        return {"role": "user", **body, "timestamp": "2026-11-01T10:00:00Z"}

    own.save("chat:1", [said(text, parts=False) for text in ("one", "two", "three")])
    until(lambda: "three" in "\n".join(indexed(own, "chat:1")), "the first save is indexed", PATIENCE_SECONDS)
    own.save(
        "chat:1",
        [said(text, parts=text != "one") for text in ("one", "two", "three")] + [said("four", parts=True)],
    )
    until(lambda: "four" in "\n".join(indexed(own, "chat:1")), "the second save is indexed", PATIENCE_SECONDS)
    text = "\n".join(indexed(own, "chat:1"))
    assert [text.count(word) for word in ("one", "two", "three", "four")] == [1, 1, 1, 1]


def test_no_secret_gets_into_store_queue_or_log(own: DeployedStack, tmp_path: Path) -> None:
    samples = positives(2)
    for number, one in enumerate(samples):
        own.save(
            f"chat:{number}",
            [{"role": "user", "content": one.text}, {"role": "assistant", "content": "I left it out."}],
        )
    last = f"chat:{len(samples) - 1}"
    until(
        lambda: all(indexed(own, f"chat:{number}") for number in range(len(samples))), last, PATIENCE_SECONDS
    )
    outside = "\n".join(row.content for row in own.stack.rows()) + own.stack.logs + str(own.dead_letters())
    assert [one.kind for one in samples if one.secret in outside] == []
    if own.stack.store == "pgvector":
        leaked = samples[0].secret
        with psycopg.connect(own.stack.postgres.conninfo()) as connection:
            connection.execute(
                "UPDATE memories SET content = replace(content, '[redacted: AWS access key]', %s), fingerprint = md5(content) "
                "WHERE tenant_id = %s AND content LIKE '%%[redacted: AWS access key]%%'",
                [leaked, own.tenant],
            )
        operator = Operator(own.stack, tmp_path)
        done = json.loads(operator.run("audit", "--stack", own.stack.name, "--redact", "--json"))
        assert (done["items"], done["notices"], done["unreached"]) == (4, 4, [])
        until(lambda: leaked not in "\n".join(indexed(own, "chat:0")), "the row is mended", PATIENCE_SECONDS)
        until(
            lambda: "[redacted: AWS access key]" in "\n".join(indexed(own, "chat:0")),
            "and says what was there",
        )


def test_an_export_of_chatgpt_is_saved_into_a_table_and_becomes_memory(
    own: DeployedStack, tmp_path: Path
) -> None:
    def node(name: str, parent: str | None, role: str, text: str) -> dict[str, Any]:
        message = {"author": {"role": role}, "content": {"content_type": "text", "parts": [text]}}
        return {"id": name, "parent": parent, "message": message}

    tree = {"a": node("a", None, "user", ASKED), "b": node("b", "a", "assistant", ANSWERED)}
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([{"conversation_id": "c-1", "mapping": tree, "current_node": "b"}]), "utf-8")
    words = ("backfill", "--stack", own.stack.name, "--table", own.table(), "--from", str(path), "--json")
    operator = Operator(own.stack, tmp_path)
    checkpoint = ("--checkpoint", str(tmp_path / "checkpoint.json"))
    with pytest.raises(RuntimeError, match="--tenant"):
        operator.run(*words, *checkpoint)
    done = json.loads(operator.run(*words, "--tenant", own.tenant, "--user", "mika", *checkpoint))
    assert (done["items"], done["memory"], done["announced"]) == (1, 1, 1)
    until(lambda: bool(indexed(own, "c-1")), "it is indexed", PATIENCE_SECONDS)
    assert any(ASKED in hit["content"] for hit in hits(own, "when is the boat trip", user="mika"))
