"""One function as Lambda runs it, as far as a process can: a built bundle on a bare interpreter, and Lambda's variables only.

The process sees the bundle and what the runtime adds to it, no site-packages, and no variable of this machine. Its memory and
time are bounded as in the template. Nothing here makes its code unwritable to root, so whoever uses it compares the tree.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
"""

import json
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from pipeline.local.aws import REGION

RESERVED = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
        "LANG",
        "PATH",
        "LD_LIBRARY_PATH",
        "TZ",
        "AWS_XRAY_CONTEXT_MISSING",
        "AWS_XRAY_DAEMON_ADDRESS",
    }
)
"""Variables that Lambda sets itself, and there are no others: not HOME, not TMPDIR, not SSL_CERT_FILE."""
_MEBIBYTE = 1024 * 1024
_ANSWER = "\0answer "
_BOOT = """
import importlib, json, os, sys, time
sys.path[:0] = sys.argv[1:3]
sys.dont_write_bytecode = True
module, _, name = os.environ["_HANDLER"].rpartition(".")
handler = getattr(importlib.import_module(module), name)

class Context:
    function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
    memory_limit_in_mb = int(os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"])
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:" + function_name
    aws_request_id = "00000000-0000-0000-0000-000000000000"
    def __init__(self, seconds): self.ends = time.monotonic() + seconds
    def get_remaining_time_in_millis(self): return int((self.ends - time.monotonic()) * 1000)

print("\\0answer {}", flush=True)
for line in sys.stdin:
    event, seconds = json.loads(line)
    try:
        answer = {"answer": handler(event, Context(seconds))}
    except Exception as error:
        answer = {"raised": f"{type(error).__name__}: {error}"}
    print("\\0answer " + json.dumps(answer), flush=True)
"""


def lambda_environment(
    function: str, handler: str, memory_megabytes: int, task_root: Path, variables: Mapping[str, str]
) -> dict[str, str]:
    """Return what Lambda sets for a function, and ``variables``, which are the function's own.

    Raises:
        ValueError: a variable is one that Lambda reserves.
    """
    if reserved := RESERVED & variables.keys():
        raise ValueError(f"Lambda sets these itself: {', '.join(sorted(reserved))}")
    return {
        **variables,
        "_HANDLER": handler,
        "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_FUNCTION_NAME": function,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_megabytes),
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/27/[1]0",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",  # of a local AWS
        "AWS_SESSION_TOKEN": "test",  # the same
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
        "LAMBDA_TASK_ROOT": str(task_root),
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LANG": "en_US.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "LD_LIBRARY_PATH": f"/lib64:/usr/lib64:{task_root}:{task_root}/lib:/opt/lib",
        "TZ": ":UTC",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
    }


class LambdaProcess:
    """Use it as a context manager; the first invocation finds the handler imported.

    Args:
        bundle: a folder that holds the bundle as Lambda unpacks it.
        runtime: a folder with what the runtime adds to it.
        environment: see :func:`lambda_environment`.
        timeout_seconds: of an invocation, as the template says.
    """

    def __init__(
        self, bundle: Path, runtime: Path, environment: Mapping[str, str], timeout_seconds: float
    ) -> None:
        self._command = [sys.executable, "-I", "-S", "-c", _BOOT, str(bundle), str(runtime)]
        self._environment, self._timeout = dict(environment), timeout_seconds
        self._bundle = bundle
        self.log: list[str] = []

    def __enter__(self) -> Self:
        """Start the process.

        Raises:
            RuntimeError: its code cannot be imported.
        """
        self._process = subprocess.Popen(
            self._command,
            cwd=self._bundle,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=_bounded(int(self._environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"])),  # noqa: PLW1509  # no threads yet
        )
        self._answer()
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """Return what the handler answers.

        Raises:
            RuntimeError: it raised, or the process ended.
        """
        if self._process.stdin is None:
            raise RuntimeError("the process has no input")
        self._process.stdin.write(json.dumps([event, self._timeout]) + "\n")
        self._process.stdin.flush()
        found = self._answer()
        if "raised" in found:
            raise RuntimeError(str(found["raised"]))
        return found["answer"]

    def _answer(self) -> dict[str, Any]:
        for line in self._process.stdout or ():
            if line.startswith(_ANSWER):
                found: dict[str, Any] = json.loads(line.removeprefix(_ANSWER))
                return found
            self.log.append(line)
        raise RuntimeError(f"the function's process ended: {''.join(self.log)[-2000:]}")


def _bounded(memory_megabytes: int) -> Callable[[], None]:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_megabytes * _MEBIBYTE,) * 2)

    return limit
