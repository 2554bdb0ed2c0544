"""A real OpenSearch from the official image, where there is Docker. Not yet run: only its command line is tested."""

import os
import signal
import subprocess
from pathlib import Path
from uuid import uuid4

import urllib3

from pipeline.local.processes import free_port, spawn, stop, wait_until

IMAGE_VARIABLE = "OPENSEARCH_IMAGE"
"""Names the image, such as ``opensearchproject/opensearch:2.19.1``, and asks for Docker by that."""
HEAP_MEGABYTES = 512
READY_SECONDS = 600
"""The first run fetches the image."""
STOP_SECONDS = 30
_INSIDE = 9200
_HEARD = (
    "PATH",
    "HOME",
    "DOCKER_HOST",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
)


def command(image: str, name: str, port: int) -> list[str]:
    """Return what starts one container in the foreground: one node, on 127.0.0.1 alone, without TLS and logins.

    Variables: opensearch.org, install with Docker; a setting of ``opensearch.yml`` is one as well.
    """
    settings = {
        "discovery.type": "single-node",
        "action.auto_create_index": "false",
        "cluster.routing.allocation.disk.threshold_enabled": "false",
        "DISABLE_SECURITY_PLUGIN": "true",
        "DISABLE_INSTALL_DEMO_CONFIG": "true",
        "OPENSEARCH_JAVA_OPTS": f"-Xms{HEAP_MEGABYTES}m -Xmx{HEAP_MEGABYTES}m",
    }
    given = [word for setting, value in settings.items() for word in ("--env", f"{setting}={value}")]
    where = ["--name", name, "--publish", f"127.0.0.1:{port}:{_INSIDE}"]
    return ["docker", "run", "--rm", *where, *given, image]


class OpenSearchContainer:
    """One container on a free port of 127.0.0.1; it ends with whoever started it.

    Args:
        folder: for its log.
    """

    def __init__(self, folder: Path, image: str) -> None:
        self._log, self._image = folder / "opensearch.log", image
        self._name = f"vector-memory-{uuid4().hex[:12]}"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "OpenSearchContainer":
        """Start; returns when it answers.

        Raises:
            RuntimeError: Docker said no, or it did not come up.
        """
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._process = spawn(
            command(self._image, self._name, self.port),
            log=self._log,
            death_signal=signal.SIGTERM,  # the client hands it on; killed, it would leave the container behind
            environment=_environment(),
        )
        try:
            wait_until(self._answers, self._process, self._log, self._image, READY_SECONDS)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End it, and the container even where its client is gone."""
        if self._process:
            stop(self._process, signal.SIGTERM, STOP_SECONDS)
            gone = ["docker", "rm", "--force", self._name]
            subprocess.run(gone, capture_output=True, check=False, env=_environment(), timeout=STOP_SECONDS)
            self._process = None

    def _answers(self) -> bool:
        try:
            answer = urllib3.request("GET", self.url, timeout=2, retries=False)
        except urllib3.exceptions.HTTPError:
            return False
        return bool(answer.status == 200)  # noqa: PLR2004  # HTTP


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _HEARD if name in os.environ}
