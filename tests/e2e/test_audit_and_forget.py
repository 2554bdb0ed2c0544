"""Audit, repair and forgetting by command, on the deployed template, as an operator runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.deployed_stack import DeployedStack, until

pytestmark = pytest.mark.e2e
PROGRAM = str(Path(sys.prefix) / "bin" / "vector-memory")


def command(deployed: DeployedStack, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": deployed.stack.aws.endpoint_url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "DATABASE_URL": deployed.stack.postgres.conninfo(),
        "EMBEDDING_PROVIDER": "offline",
    }
    return subprocess.run(
        [PROGRAM, *words], capture_output=True, text=True, timeout=120, check=False, env=environment
    )


def audit(deployed: DeployedStack, *words: str) -> dict[str, Any]:
    done = command(deployed, "audit", "--stack", deployed.stack.name, "--settle", "1", "--json", *words)
    assert done.returncode in {0, 1}, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    mine = [row for row in report["findings"] if deployed.tenant in row[2]]
    return {kind: sum(row[0] == kind for row in mine) for kind in {row[0] for row in mine}}


def sql(deployed: DeployedStack, statement: str, *values: object) -> int:
    with psycopg.connect(deployed.stack.postgres.conninfo()) as connection:
        return connection.execute(statement, values).rowcount


def fill(deployed: DeployedStack, sessions: int) -> None:
    for number in range(sessions):
        messages = [
            {
                "role": "user",
                "content": f"shelf {number}, box {box}: what is in it?",
                "timestamp": f"2026-11-20T10:00:{box:02}Z",
            }
            for box in range(5)
        ]
        deployed.save(f"chat:{number:03}", messages)
    until(lambda: count(deployed) == 5 * sessions, "everything is indexed")


def count(deployed: DeployedStack) -> int:
    with psycopg.connect(deployed.stack.postgres.conninfo()) as connection:
        row = connection.execute(
            "SELECT count(*) FROM memories WHERE tenant_id = %s", [deployed.tenant]
        ).fetchone()
    return int(row[0]) if row else 0


def test_the_audit_finds_exactly_what_was_broken_and_repair_embeds_no_more_than_that(
    deployed: DeployedStack,
) -> None:
    fill(deployed, 50)
    assert audit(deployed) == {}
    first = "SELECT DISTINCT ON (source) id FROM memories WHERE tenant_id = %s ORDER BY source, created_at"
    second = f"SELECT id FROM ({first}, id OFFSET 0) ids"
    missing = sql(
        deployed,
        f"DELETE FROM memories WHERE tenant_id = %s AND id IN ({second})",
        deployed.tenant,
        deployed.tenant,
    )
    stale = sql(
        deployed,
        f"UPDATE memories SET content = 'something else' WHERE tenant_id = %s AND id IN ({second})",
        deployed.tenant,
        deployed.tenant,
    )
    columns = (
        "user_id, content, embedding, metadata, tenant_id, source, members, line_lengths, fingerprint, status"
    )
    remaining = "SELECT DISTINCT ON (source) * FROM memories WHERE tenant_id = %s AND content <> 'something else' ORDER BY source"
    extra = sql(
        deployed,
        f"INSERT INTO memories ({columns}) SELECT {columns.replace('content', chr(39) + 'stray' + chr(39))} FROM ({remaining}) r",
        deployed.tenant,
    )
    astray = sql(
        deployed,
        f"INSERT INTO memories ({columns}) SELECT {columns.replace('tenant_id', repr(deployed.tenant + '-other'))} FROM ({remaining}) r",
        deployed.tenant,
    )
    assert (missing, stale, extra, astray) == (50, 50, 50, 50)
    assert audit(deployed) == {"missing": 50, "stale": 50, "extra": 50, "wrong_tenant": 50}

    before = deployed.demo.log_totals()
    assert (
        command(deployed, "audit", "--stack", deployed.stack.name, "--settle", "1", "--repair").returncode
        == 0
    )
    until(lambda: count(deployed) == 250 and deployed.demo.queue_depth() == 0, "the repair is done")
    until(lambda: audit(deployed) == {}, "nothing differs any more")
    embedded = deployed.demo.log_totals()["chunks_embedded"] - before["chunks_embedded"]
    assert embedded == 100


def test_retained_and_foreign_rows_are_no_findings(deployed: DeployedStack) -> None:
    fill(deployed, 1)
    deployed.save("chat:000", [])
    sql(
        deployed,
        "INSERT INTO memories (tenant_id, user_id, content, embedding) SELECT %s, 'u', 'foreign', embedding FROM memories LIMIT 1",
        deployed.tenant,
    )
    until(lambda: audit(deployed) == {}, "nothing differs")
    assert count(deployed) == 6


def test_repair_hides_a_vanished_message_until_its_record_tells_why(deployed: DeployedStack) -> None:
    typed = {
        "tenant_id": {"S": deployed.tenant},
        "messages": {"S": json.dumps([{"role": "user", "content": "gone"}])},
    }
    client = deployed.stack.client("dynamodb")
    for key, ttl in [("deleted", "99999999999"), ("expired", "1000000000")]:
        client.put_item(
            TableName=deployed.table(), Item={**typed, "session_key": {"S": key}, "ttl": {"N": ttl}}
        )
    until(lambda: count(deployed) == 2, "both are indexed")
    mappings = deployed.stack.client("lambda")
    stream = [
        m["UUID"]
        for m in mappings.list_event_source_mappings()["EventSourceMappings"]
        if "/stream/" in m["EventSourceArn"]
    ]
    for mapping in stream:
        mappings.update_event_source_mapping(UUID=mapping, Enabled=False)
    try:
        for key in ("deleted", "expired"):
            deployed.delete(key)
        assert audit(deployed) == {"vanished": 2}
        command(deployed, "audit", "--stack", deployed.stack.name, "--settle", "1", "--repair")
        until(lambda: deployed.contents() == [], "nobody knows why they left: both are hidden")
        assert audit(deployed) == {}
        assert count(deployed) == 2
    finally:
        for mapping in stream:
            mappings.update_event_source_mapping(UUID=mapping, Enabled=True)
    until(lambda: count(deployed) == 1, "the record of the deletion came late, and counts")
    until(lambda: len(deployed.contents()) == 1, "what had expired is shown again")
    assert audit(deployed) == {}


def test_a_forgotten_message_stays_forgotten_while_the_app_rewrites_the_session(
    deployed: DeployedStack,
) -> None:
    secret, later = f"secret-{deployed.tenant}", f"later-{deployed.tenant}"
    said = {"role": "user", "content": secret, "timestamp": "2026-11-20T10:00:00Z"}
    deployed.save("chat:1", [said])
    until(lambda: deployed.contents() != [], "it is searchable")
    done = command(
        deployed, "forget", "--stack", deployed.stack.name, "--tenant", deployed.tenant, "--session", "chat:1"
    )
    assert done.stdout.startswith("forgotten: 1 messages")
    assert deployed.contents() == []
    deployed.save(
        "chat:1", [said, {"role": "assistant", "content": later, "timestamp": "2126-11-20T10:00:00Z"}]
    )
    until(lambda: any(later in content for content in deployed.contents()), "what came later is searchable")
    command(deployed, "audit", "--stack", deployed.stack.name, "--settle", "1", "--repair")
    assert audit(deployed) == {}
    assert not any(secret in content for content in deployed.contents())
    assert secret not in deployed.stack.logs


def test_forgetting_a_user_reaches_every_session_of_that_user(deployed: DeployedStack) -> None:
    for number in range(3):
        deployed.save(f"chat:{number}", [{"role": "user", "content": f"plum {number}"}], user_id="mika")
    deployed.save("chat:9", [{"role": "user", "content": "pear"}], user_id="ken")
    until(lambda: count(deployed) == 4, "all four are indexed")
    assert (
        command(
            deployed, "forget", "--stack", deployed.stack.name, "--tenant", deployed.tenant, "--user", "mika"
        ).returncode
        == 0
    )
    assert deployed.contents(user="mika") == []
    assert len(deployed.contents(user="ken")) == 1
