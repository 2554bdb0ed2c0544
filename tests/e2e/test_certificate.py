"""The erasure certificate, as an operator asks for it, on the deployed template."""

import os
import re
import subprocess
import sys
from pathlib import Path

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


def rows(deployed: DeployedStack) -> int:
    with psycopg.connect(deployed.stack.postgres.conninfo()) as owner:
        asked = "SELECT count(*) FROM memories WHERE tenant_id = %s"
        return int(owner.execute(asked, [deployed.tenant]).fetchone()[0])  # type: ignore[index]  # one row


def test_a_forget_request_is_certified_unless_something_is_left(
    deployed: DeployedStack, tmp_path: Path
) -> None:
    secret = f"secret-{deployed.tenant}"
    deployed.save("chat:1", [{"role": "user", "content": secret}], user_id="mika")
    until(lambda: rows(deployed) == 1, "it is indexed")
    private, public, file = tmp_path / "key.pem", tmp_path / "public.pem", tmp_path / "mika.json"
    made = command(deployed, "certificate", "key", "--out", str(private))
    assert made.returncode == 0, made.stderr
    assert private.stat().st_mode & 0o077 == 0
    public.write_text(made.stdout, "utf-8")

    done = command(
        deployed, "forget", "--stack", deployed.stack.name, "--tenant", deployed.tenant, "--user", "mika"
    )
    named = re.search(r"request ([0-9a-f]{32})", done.stderr)
    assert named, done.stderr
    asked = ("--tenant", deployed.tenant, "--request", named[1], "--key", str(private))
    issue = ("certificate", "issue", "--stack", deployed.stack.name, *asked)

    plant = """INSERT INTO memories (tenant_id, user_id, content, embedding, source, members, line_lengths, fingerprint)
        SELECT %s, 'mika', 'left', array_fill(1, ARRAY[512])::vector, source, '{}', '{}', 'x' FROM ledger WHERE tenant_id = %s"""
    with psycopg.connect(deployed.stack.postgres.conninfo()) as owner:
        assert owner.execute(plant, [deployed.tenant, deployed.tenant]).rowcount == 1
    refused = command(deployed, *issue, "--wait", "0", "--out", str(file))
    assert refused.returncode == 1, refused.stderr
    assert "not certified" in refused.stdout
    assert "index: 1 row" in refused.stderr
    assert not file.exists()

    with psycopg.connect(deployed.stack.postgres.conninfo()) as owner:
        owner.execute("DELETE FROM memories WHERE tenant_id = %s AND content = 'left'", [deployed.tenant])
    done = command(deployed, *issue, "--out", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert secret not in file.read_text("utf-8")
    checked = command(deployed, "certificate", "verify", str(file), "--public-key", str(public))
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.startswith("valid")
    assert "1 messages" in checked.stdout
