"""LocalStack without Docker: the genuine one from PyPI, as our own child, with functions as processes of this machine.

Replaced are the sandbox of functions (``localstack/local_process_executor.py``) and a patch of DynamoDB Local that only
LocalStack's image carries; the rest is LocalStack's and Amazon's own.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from botocore.config import Config

from pipeline.local import compose, dynamodb_local
from pipeline.local.aws import CONFIG, REGION
from pipeline.local.processes import free_port, new_run_folder, spawn, stop, wait_until
from pipeline.packaging.project_files import project_file

PYTHON = Path(sys.prefix) / "localstack" / "bin" / "python"
FUNCTION_PYTHON = Path(sys.prefix) / "lambda-runtime" / "bin" / "python"
CLIENT = Path(sys.prefix) / "localstack-client"
"""localstack-client, apart: it is published as sources only."""
EXECUTOR = project_file("localstack")
START_SECONDS = 120

_SETTINGS = {
    "OVERRIDE_IN_DOCKER": "0",
    "SKIP_SSL_CERT_DOWNLOAD": "1",
    "DISABLE_EVENTS": "1",
    "DNS_ADDRESS": "0",
    "SQS_ENDPOINT_STRATEGY": "path",
    "DYNAMODB_IN_MEMORY": "1",
    "PROVIDER_OVERRIDE_DYNAMODB": "v2",
    "PROVIDER_OVERRIDE_DYNAMODBSTREAMS": "v2",
    "LAMBDA_RUNTIME_EXECUTOR": "local-process",
    "LAMBDA_LOCAL_PYTHON": str(FUNCTION_PYTHON),
    "LAMBDA_SYNCHRONOUS_CREATE": "1",
    "LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC": "0.1",
    "LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC": "0.5",
    "AWS_DEFAULT_REGION": REGION,
    "PYTHONUNBUFFERED": "1",
}


class LocalStack:
    """One LocalStack on a free port of 127.0.0.1.

    Args:
        folder: for its files and its log.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "localstack.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    @property
    def endpoint_url(self) -> str:
        """Where its API is."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "LocalStack":
        """Start; returns when it answers."""
        temporary = self._folder / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        _lay_out_packages(self._folder / "fs" / "var" / "lib" / "localstack" / "lib")
        environment = {
            **_SETTINGS,
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(temporary),
            "TMPDIR": str(temporary),
            "PYTHONPATH": f"{_registered(self._folder / 'plugin')}{os.pathsep}{EXECUTOR}",
            "FILESYSTEM_ROOT": str(self._folder / "fs"),
            "GATEWAY_LISTEN": f"127.0.0.1:{self.port}",
            "LOCALSTACK_HOST": f"127.0.0.1:{self.port}",
        }
        command: list[str | Path] = [PYTHON, "-m", "localstack.runtime.main"]
        self._process = spawn(
            command, log=self._log, death_signal=signal.SIGTERM, environment=environment, cwd=self._folder
        )
        wait_until(self._healthy, self._process, self._log, "LocalStack", START_SECONDS)
        return self

    def stop(self) -> None:
        """End it and the functions it runs."""
        if self._process:
            stop(self._process, signal.SIGTERM, timeout_seconds=10)
            self._process = None

    def client(self, service: str, config: Config | None = None) -> Any:
        """Return a boto3 client that talks to it."""
        return client(self.port, service, config)

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint_url}/_localstack/health", timeout=2) as answer:  # noqa: S310  # http by construction
                return "services" in json.load(answer)
        except (OSError, ValueError):
            return False


def client(port: int, service: str, config: Config | None = None) -> Any:
    """Return a boto3 client, through LocalStack's own session, of the LocalStack on ``port`` of this machine."""
    from localstack_client.session import Session  # noqa: PLC0415  # only where LocalStack is

    session = Session(
        localstack_host=f"127.0.0.1:{port}",
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106  # any value does
        aws_session_token=None,
    )
    return session.client(service, config=config or CONFIG)


def _lay_out_packages(library: Path) -> None:
    """Put Java and DynamoDB Local where LocalStack would have downloaded them to."""
    java = Path(shutil.which("java") or "java").resolve()
    (library / "java").mkdir(parents=True)
    for version in ("11", "17", "21"):  # whichever this LocalStack asks for
        (library / "java" / version).symlink_to(java.parents[1])
    jar = library / "dynamodb-local" / "2"
    jar.mkdir(parents=True)
    for path in dynamodb_local.fetch().iterdir():
        (jar / path.name).symlink_to(path)
    dynamodb_local.agent(jar / "ddb-local-loader-0.1.jar")


def _registered(folder: Path) -> Path:
    """Make the executor known as a plugin, as an installed package would."""
    metadata = folder / "vector_memory_executor-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: vector-memory-executor\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(
        "[localstack.lambda.runtime_executor]\nlocal-process = local_process_executor:LocalProcessExecutorPlugin\n"
    )
    return folder


def main(mode: str, command: list[str]) -> int:
    """Run ``command`` with AWS_ENDPOINT_URL naming a LocalStack that lives as long as it.

    Args:
        mode: ``docker`` or ``host``.
    """
    paths = filter(None, [str(CLIENT), os.environ.get("PYTHONPATH")])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return (_in_docker if mode == "docker" else _on_host)(command, environment)


def _in_docker(command: list[str], environment: dict[str, str]) -> int:
    try:
        return subprocess.run(command, env=environment | compose.up(), check=False).returncode
    finally:
        compose.down()


def _on_host(command: list[str], environment: dict[str, str]) -> int:
    if lacking := dynamodb_local.missing():
        print(f"NOT RUN: LocalStack needs {' and '.join(lacking)}", file=sys.stderr)
        return 1 if os.environ.get("CI") == "true" else 0
    folder = new_run_folder()
    running = LocalStack(folder)
    try:
        running.start()
        named = {"AWS_ENDPOINT_URL": running.endpoint_url}
        return subprocess.run(command, env=environment | named, check=False).returncode
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
