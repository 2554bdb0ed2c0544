"""Runs LocalStack's functions as processes of this machine, for where there is no Docker.

LocalStack finds it as the plugin ``local-process`` of ``LAMBDA_RUNTIME_EXECUTOR``. Everything but the sandbox is
LocalStack's own: event sources, retries, queues, versions, logs. A process runs AWS's ``awslambdaric`` on the
interpreter ``LAMBDA_LOCAL_PYTHON``, sees the function's unzipped code and what that interpreter has, and speaks to
the Runtime API below (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html).

It has no memory limit, no isolation, no layers, and this machine's libraries instead of Amazon Linux's.
"""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from function_environment import function_environment
from localstack.services.lambda_.invocation.lambda_models import InvocationResult
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.lambda_.invocation.runtime_executor import LambdaRuntimeException, RuntimeExecutor

from localstack import config

HOST = "127.0.0.1"
PYTHON = os.environ.get("LAMBDA_LOCAL_PYTHON", sys.executable)
INIT_SECONDS = 60
POLL_SECONDS = 0.02
PATIENCE = 4
"""A function may take that many times its timeout: what is measured here is how busy this machine is."""


@dataclass(frozen=True)
class Outcome:
    """What a function answered."""

    body: bytes
    failed: bool


def failure(kind: str, message: str) -> Outcome:
    """Return the answer that Lambda gives for a sandbox that broke."""
    return Outcome(json.dumps({"errorType": kind, "errorMessage": message}).encode(), failed=True)


@dataclass
class RuntimeApi:
    """The Runtime API of one execution environment: hands out invocations, takes answers."""

    timeout_seconds: int
    waiting: "queue.Queue[dict[str, str] | None]" = field(default_factory=queue.Queue)
    answers: dict[str, "Future[Outcome]"] = field(default_factory=dict)
    initialised: "Future[None]" = field(default_factory=Future)

    def serve(self) -> None:
        """Listen on a free port."""
        handler = type("Handler", (_Handler,), {"api": self})
        self.server = ThreadingHTTPServer((HOST, 0), handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """Return what awslambdaric wants in AWS_LAMBDA_RUNTIME_API."""
        return f"{HOST}:{self.server.server_port}"

    def submit(self, invocation: dict[str, str]) -> "Future[Outcome]":
        """Queue an invocation."""
        answer: Future[Outcome] = Future()
        self.answers[invocation["invoke-id"]] = answer
        self.waiting.put(invocation)
        return answer

    def close(self) -> None:
        """Stop listening; whoever asks for work is sent away."""
        self.waiting.put(None)
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    api: RuntimeApi
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:  # http.server's name
        """Give the next invocation, when there is one."""
        if not self.api.initialised.done():
            self.api.initialised.set_result(None)
        invocation = self.api.waiting.get()
        if invocation is None:
            self.close_connection = True
            return
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation["invoke-id"],
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + self.api.timeout_seconds) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": invocation["invoked-function-arn"],
            "Lambda-Runtime-Trace-Id": invocation.get("trace-id") or "",
        }
        self._answer(200, invocation["payload"].encode(), headers)

    def do_POST(self) -> None:  # http.server's name
        """Take an answer, or the error of one, or of the initialisation."""
        body = self._chunks() if self.headers.get("Transfer-Encoding") else self._body()
        self._answer(202, b"{}")
        *_, subject, kind = self.path.rstrip("/").split("/")
        if subject == "init":
            self.api.initialised.set_exception(LambdaRuntimeException(body.decode(errors="replace")))
        elif answer := self.api.answers.pop(subject, None):
            answer.set_result(Outcome(body, failed=kind == "error"))

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline().strip() or b"0", 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class LocalProcessExecutor(RuntimeExecutor):
    """One execution environment: a process, started anew after a crash or a timeout, as Lambda does."""

    def start(self, env_vars: dict[str, str]) -> None:
        """Start the process; returns when it asks for its first invocation.

        Raises:
            LambdaRuntimeException: it ended, or its initialisation failed.
        """
        self._timeout = self.function_version.config.timeout * PATIENCE
        self._api = RuntimeApi(self._timeout)
        self._api.serve()
        self._root = Path(self.function_version.config.code.get_unzipped_code_location())
        self._environment = function_environment(env_vars, self._root, self._api.address)
        self._log = Path(tempfile.mkstemp(prefix="function-", suffix=".log")[1])
        self._process = self._spawn()
        deadline = time.monotonic() + INIT_SECONDS
        while not self._api.initialised.done():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise LambdaRuntimeException(f"the function did not start: {self.get_logs()[-2000:]}")
            time.sleep(POLL_SECONDS)
        self._api.initialised.result()

    def stop(self) -> None:
        """End the process."""
        self._end()
        self._api.close()
        self._log.unlink(missing_ok=True)

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        """Run one invocation to its end, or to the function's timeout."""
        request, start = payload["invoke-id"], self._log.stat().st_size
        outcome = self._outcome(request, self._api.submit(payload))
        with self._log.open("rb") as log:
            log.seek(start)
            written = log.read().decode(errors="replace")
        logs = f"START RequestId: {request}\n{written}END RequestId: {request}\n"
        return InvocationResult(request, outcome.body, outcome.failed, logs)

    def _outcome(self, request: str, answer: "Future[Outcome]") -> Outcome:
        deadline = time.monotonic() + self._timeout
        while not answer.done():
            if self._process.poll() is not None:
                return self._broken(
                    failure("Runtime.ExitError", f"RequestId: {request} Error: Runtime exited")
                )
            if time.monotonic() > deadline:
                message = f"RequestId: {request} Error: Task timed out after {self._timeout}.00 seconds"
                return self._broken(failure("Sandbox.Timedout", message))
            time.sleep(POLL_SECONDS / 4)
        return answer.result()

    def _broken(self, outcome: Outcome) -> Outcome:
        self._api.answers.clear()
        self._end()
        self._process = self._spawn()
        return outcome

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(5)

    def _spawn(self) -> "subprocess.Popen[bytes]":
        """Start awslambdaric in our own session: whoever ends LocalStack's session ends this too."""
        with self._log.open("ab") as log:
            command = [PYTHON, "-u", "-m", "awslambdaric", self._environment["_HANDLER"]]
            options = {"cwd": self._root, "env": self._environment, "stdin": subprocess.DEVNULL}
            return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, **options)

    def get_logs(self) -> str:
        """Return all that the function wrote."""
        return self._log.read_text(errors="replace")

    def get_address(self) -> str:
        """Return where the function runs."""
        return HOST

    def get_endpoint_from_executor(self) -> str:
        """Return where the function finds LocalStack."""
        return HOST

    def get_runtime_endpoint(self) -> str:
        """Return where LocalStack listens."""
        return f"http://{HOST}:{config.GATEWAY_LISTEN[0].port}"

    @classmethod
    def prepare_version(cls, function_version: object) -> None:
        """Unzip the code."""
        if function_version.config.code:
            function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: object) -> None:
        """Leave the code to LocalStack."""


class LocalProcessExecutorPlugin(RuntimeExecutorPlugin):
    """What LocalStack's plugin manager loads."""

    name = "local-process"

    def load(self, *_: object, **__: object) -> type[LocalProcessExecutor]:
        """Return the executor."""
        return LocalProcessExecutor
