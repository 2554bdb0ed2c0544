"""Rows about a cold start: a new interpreter imports a handler and answers once."""

import base64
import json
import os
import statistics
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from lab.bench.data import SPACE
from lab.bench.database import Database
from lab.bench.rows import Row

ROOT = Path(__file__).parents[3]
EVERYTHING = (
    "boto3, openai, psycopg, numpy, pydantic, opensearchpy, semantic_text_splitter, tenacity, pgvector.psycopg, "
    "aws_lambda_powertools, aws_lambda_powertools.utilities.parameters, aws_lambda_powertools.utilities.batch"
)
_PROGRAM = """
import time; started = time.perf_counter()
{first}
from pipeline.aws import Account
Account.read_secret = lambda self, arn: "sk-none-of-anybody"
from types import SimpleNamespace
from pipeline.handlers import {handler}
{handler}.logger.setLevel("ERROR")
context = SimpleNamespace(function_name="f", memory_limit_in_mb=1, invoked_function_arn="a", aws_request_id="1")
event = {event!r}
answer = {handler}.handler(event, context) if event else {{"statusCode": 200}}
print((time.perf_counter() - started) * 1000)
assert answer["statusCode"] == 200, answer
"""
_QUESTION = {"tenant_id": "bench", "user_id": "user-1", "body": {"query": "w1x w2x"}}


class _Embeddings(BaseHTTPRequestHandler):
    """Speaks OpenAI's embeddings call, in base64, with zeros and a one."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:  # the library's name
        """Answer every input."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        numbers = struct.pack(f"<{SPACE.dimensions}f", 1.0, *[0.0] * (SPACE.dimensions - 1))
        embedding = base64.b64encode(numbers).decode()
        count = len(asked["input"])
        body = json.dumps(
            {
                "object": "list",
                "model": SPACE.model,
                "data": [
                    {"object": "embedding", "index": index, "embedding": embedding} for index in range(count)
                ],
                "usage": {"prompt_tokens": 2 * count, "total_tokens": 2 * count},
            }
        ).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def embeddings() -> Iterator[str]:
    """Serve them, at the URL given."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Embeddings)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()


def import_rows(database: Database, folder: Path, repeats: int) -> list[Row]:
    """Measure each handler, with .pyc files and without."""
    with embeddings() as url:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": database.login("memory_query"),
            "EMBEDDING_MODEL": SPACE.model,
            "OPENAI_BASE_URL": url,
            "OPENAI_SECRET_ARN": "arn",
            "MESSAGE_KEY_SECRET_ARN": "arn",
            "QUEUE_URL": "https://queue",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        run = _Runner(environment, folder, repeats)
        ours, all_ = run.in_turns(
            [program("query", _QUESTION), program("query", _QUESTION, f"import {EVERYTHING}")]
        )
        rows = [
            Row(
                "import + first answer, query handler / everything imported",
                ours / all_,
                most=0.45,
                detail=f"{ours:.0f} and {all_:.0f} ms",
            ),
            Row(
                "the same without .pyc, query handler, ms",
                run.median(program("query", _QUESTION), cached=False),
            ),
        ]
        for name in ("ingest", "stream", "digest"):
            with_, without = run.median(program(name)), run.median(program(name), cached=False)
            rows.append(Row(f"import, {name} handler, ms", with_, detail=f"without .pyc {without:.0f}"))
    return rows


def program(handler: str, event: Any = None, first: str = "") -> str:  # JSON
    """Return what a new interpreter runs: the import of a handler, and one answer if there is an event."""
    return _PROGRAM.format(first=first, handler=handler, event=event)


class _Runner:
    def __init__(self, environment: dict[str, str], folder: Path, repeats: int) -> None:
        self._environment, self._folder, self._repeats = environment, folder, repeats

    def median(self, program: str, *, cached: bool = True) -> float:
        """Return milliseconds."""
        if cached:
            self._once(program, cached=True)
        return statistics.median(self._once(program, cached=cached) for _ in range(self._repeats))

    def in_turns(self, programs: Sequence[str]) -> list[float]:
        """Return milliseconds of each: what else the machine does then weighs on all alike."""
        for one in programs:
            self._once(one, cached=True)
        times = [[self._once(one, cached=True) for one in programs] for _ in range(self._repeats)]
        return [statistics.median(own) for own in zip(*times, strict=True)]

    def _once(self, program: str, *, cached: bool) -> float:
        caches = {"PYTHONPYCACHEPREFIX": str(self._folder / "pyc")}
        if not cached:  # where nothing was ever written, and nothing will be
            caches = {"PYTHONPYCACHEPREFIX": str(self._folder / "none"), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(  # our own interpreter
            [sys.executable, "-c", program],
            env=self._environment | caches,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if done.returncode:
            raise RuntimeError(f"a handler did not answer: {done.stderr[-1500:]}")
        return float(done.stdout.splitlines()[-1])
