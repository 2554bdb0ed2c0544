"""A local AWS (MiniStack), run as our own child from an environment of its own."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from pipeline.local.processes import free_port, spawn, stop, wait_until
from pipeline.packaging.project_files import project_file

REGION = "us-east-1"
CONFIG = Config(max_pool_connections=32, read_timeout=120, retries={"mode": "standard", "max_attempts": 4})


class LocalAws:
    """One MiniStack on a free port of 127.0.0.1. What it holds is gone when it stops.

    Functions may do what their roles say, and no more.

    Args:
        folder: for its log and its temporary files.
    """

    ours = True
    wants_live_resources_only = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "aws.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    @property
    def endpoint_url(self) -> str:
        """Where its API is."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "LocalAws":
        """Start; returns when it answers."""
        temporary = self._folder / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(temporary),
            "TMPDIR": str(temporary),
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "AUTH": "true",
            "AWS_DEFAULT_REGION": REGION,
            "PYTHONUNBUFFERED": "1",
        }
        self._process = spawn(
            [_program()], log=self._log, death_signal=signal.SIGTERM, environment=environment
        )
        wait_until(self._healthy, self._process, self._log, "The local AWS")
        return self

    def stop(self) -> None:
        """End it and the functions it runs."""
        if self._process:
            stop(self._process, signal.SIGKILL)  # all that it holds goes with it
            self._process = None

    def client(self, service: str, config: Config | None = None) -> Any:
        """Return a boto3 client that talks to it, patient unless ``config`` says otherwise."""
        return client(service, self.endpoint_url, config)

    def logs(self, stack: str) -> str:  # noqa: ARG002  # it holds one
        """Return what it and the functions wrote so far."""
        return self._log.read_text(errors="replace")

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint_url}/_ministack/health", timeout=1) as answer:  # noqa: S310  # http by construction
                return bool(json.load(answer))
        except (OSError, ValueError):
            return False


def _program() -> Path:
    """Return where MiniStack is.

    Raises:
        RuntimeError: it is nowhere; the message says how to install it.
    """
    folder = Path(sys.prefix) / "ministack"
    program = folder / "bin" / "ministack"
    if not program.exists():
        raise RuntimeError(
            "the local AWS is not installed: run scripts/setup, or outside of a checkout: "
            f"{sys.executable} -m venv {folder} && "
            f"{folder}/bin/pip install --require-hashes -r {project_file('ministack.lock')}"
        )
    return program


def client(service: str, endpoint_url: str, config: Config | None = None) -> Any:
    """Return a boto3 client of a local AWS."""
    make: Any = boto3.client  # the stubs want the service's name as a literal
    return make(
        service,
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106  # any value does
        config=config or CONFIG,
    )
