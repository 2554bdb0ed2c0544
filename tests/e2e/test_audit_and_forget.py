"""Audit, repair and forgetting by command, on the deployed template, as an operator runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.house import House, until

pytestmark = pytest.mark.e2e
PROGRAM = str(Path(sys.prefix) / "bin" / "vector-memory")


def command(house: House, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": house.stack.aws.endpoint_url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "DATABASE_URL": house.stack.postgres.conninfo(),
        "EMBEDDING_PROVIDER": "offline",
    }
    return subprocess.run(
        [PROGRAM, *words], capture_output=True, text=True, timeout=120, check=False, env=environment
    )


def audit(house: House, *words: str) -> dict[str, Any]:
    done = command(house, "audit", "--stack", house.stack.name, "--settle", "1", "--json", *words)
    assert done.returncode in {0, 1}, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    mine = [row for row in report["findings"] if house.tenant in row[2]]
    return {kind: sum(row[0] == kind for row in mine) for kind in {row[0] for row in mine}}


def sql(house: House, statement: str, *values: object) -> int:
    with psycopg.connect(house.stack.postgres.conninfo()) as connection:
        return connection.execute(statement, values).rowcount


def fill(house: House, sessions: int) -> None:
    for number in range(sessions):
        messages = [
            {
                "role": "user",
                "content": f"shelf {number}, box {box}: what is in it?",
                "timestamp": f"2026-11-20T10:00:{box:02}Z",
            }
            for box in range(5)
        ]
        house.save(f"chat:{number:03}", messages)
    until(lambda: count(house) == 5 * sessions, "everything is indexed")


def count(house: House) -> int:
    with psycopg.connect(house.stack.postgres.conninfo()) as connection:
        row = connection.execute(
            "SELECT count(*) FROM memories WHERE tenant_id = %s", [house.tenant]
        ).fetchone()
    return int(row[0]) if row else 0


def test_the_audit_finds_exactly_what_was_broken_and_repair_embeds_no_more_than_that(house: House) -> None:
    fill(house, 50)
    assert audit(house) == {}
    first = "SELECT DISTINCT ON (source) id FROM memories WHERE tenant_id = %s ORDER BY source, created_at"
    second = f"SELECT id FROM ({first}, id OFFSET 0) ids"
    missing = sql(
        house, f"DELETE FROM memories WHERE tenant_id = %s AND id IN ({second})", house.tenant, house.tenant
    )
    stale = sql(
        house,
        f"UPDATE memories SET content = 'something else' WHERE tenant_id = %s AND id IN ({second})",
        house.tenant,
        house.tenant,
    )
    columns = "user_id, content, embedding, metadata, tenant_id, source, members, spans, fingerprint, status"
    remaining = "SELECT DISTINCT ON (source) * FROM memories WHERE tenant_id = %s AND content <> 'something else' ORDER BY source"
    extra = sql(
        house,
        f"INSERT INTO memories ({columns}) SELECT {columns.replace('content', chr(39) + 'stray' + chr(39))} FROM ({remaining}) r",
        house.tenant,
    )
    astray = sql(
        house,
        f"INSERT INTO memories ({columns}) SELECT {columns.replace('tenant_id', repr(house.tenant + '-other'))} FROM ({remaining}) r",
        house.tenant,
    )
    assert (missing, stale, extra, astray) == (50, 50, 50, 50)
    assert audit(house) == {"missing": 50, "stale": 50, "extra": 50, "wrong_tenant": 50}

    before = house.demo.log_totals()
    assert command(house, "audit", "--stack", house.stack.name, "--settle", "1", "--repair").returncode == 0
    until(lambda: count(house) == 250 and house.demo.queue_depth() == 0, "the repair is done")
    until(lambda: audit(house) == {}, "nothing differs any more")
    embedded = house.demo.log_totals()["chunks_embedded"] - before["chunks_embedded"]
    assert embedded == 100


def test_retained_and_foreign_rows_are_no_findings(house: House) -> None:
    fill(house, 1)
    house.save("chat:000", [])
    sql(
        house,
        "INSERT INTO memories (tenant_id, user_id, content, embedding) SELECT %s, 'u', 'foreign', embedding FROM memories LIMIT 1",
        house.tenant,
    )
    until(lambda: audit(house) == {}, "nothing differs")
    assert count(house) == 6


def test_what_vanished_is_hidden_by_repair_until_its_record_tells_why(house: House) -> None:
    typed = {
        "tenant_id": {"S": house.tenant},
        "messages": {"S": json.dumps([{"role": "user", "content": "gone"}])},
    }
    client = house.stack.client("dynamodb")
    for key, ttl in [("deleted", "99999999999"), ("expired", "1000000000")]:
        client.put_item(TableName=house.table(), Item={**typed, "session_key": {"S": key}, "ttl": {"N": ttl}})
    until(lambda: count(house) == 2, "both are indexed")
    mappings = house.stack.client("lambda")
    stream = [
        m["UUID"]
        for m in mappings.list_event_source_mappings()["EventSourceMappings"]
        if "/stream/" in m["EventSourceArn"]
    ]
    for mapping in stream:
        mappings.update_event_source_mapping(UUID=mapping, Enabled=False)
    try:
        for key in ("deleted", "expired"):
            house.delete(key)
        assert audit(house) == {"vanished": 2}
        command(house, "audit", "--stack", house.stack.name, "--settle", "1", "--repair")
        until(lambda: house.contents() == [], "nobody knows why they left: both are hidden")
        assert audit(house) == {}
        assert count(house) == 2
    finally:
        for mapping in stream:
            mappings.update_event_source_mapping(UUID=mapping, Enabled=True)
    until(lambda: count(house) == 1, "the record of the deletion came late, and counts")
    until(lambda: len(house.contents()) == 1, "what had expired is shown again")
    assert audit(house) == {}


def test_what_was_forgotten_stays_forgotten_while_the_app_goes_on_rewriting_the_session(house: House) -> None:
    secret, later = f"secret-{house.tenant}", f"later-{house.tenant}"
    said = {"role": "user", "content": secret, "timestamp": "2026-11-20T10:00:00Z"}
    house.save("chat:1", [said])
    until(lambda: house.contents() != [], "it is searchable")
    done = command(
        house, "forget", "--stack", house.stack.name, "--tenant", house.tenant, "--session", "chat:1"
    )
    assert done.stdout.startswith("forgotten: 1 messages")
    assert house.contents() == []
    house.save("chat:1", [said, {"role": "assistant", "content": later, "timestamp": "2126-11-20T10:00:00Z"}])
    until(lambda: any(later in content for content in house.contents()), "what came later is searchable")
    command(house, "audit", "--stack", house.stack.name, "--settle", "1", "--repair")
    assert audit(house) == {}
    assert not any(secret in content for content in house.contents())
    assert secret not in house.stack.logs


def test_forgetting_a_user_reaches_every_session_of_that_user(house: House) -> None:
    for number in range(3):
        house.save(f"chat:{number}", [{"role": "user", "content": f"plum {number}"}], user_id="mika")
    house.save("chat:9", [{"role": "user", "content": "pear"}], user_id="ken")
    until(lambda: count(house) == 4, "all four are indexed")
    assert (
        command(
            house, "forget", "--stack", house.stack.name, "--tenant", house.tenant, "--user", "mika"
        ).returncode
        == 0
    )
    assert house.contents(user="mika") == []
    assert len(house.contents(user="ken")) == 1
