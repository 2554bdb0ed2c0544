"""A local AWS that somebody else started, named by AWS_ENDPOINT_URL: LocalStack, MiniStack, or another."""

import json
import os
import urllib.request
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from botocore.config import Config

from pipeline.errors import SettingsError
from pipeline.local import localstack
from pipeline.local.aws import LocalAws, client
from pipeline.local.function_logs import FunctionLogs
from pipeline.variables import LOOPBACK_HOSTS


class Aws(Protocol):
    """A local AWS, whoever started it."""

    @property
    def endpoint_url(self) -> str:
        """Where its API is."""

    def logs(self, stack: str) -> str:
        """Return what the functions of ``stack`` wrote so far."""

    @property
    def ours(self) -> bool:
        """Whether it ends with us, and all it holds."""

    @property
    def wants_live_resources_only(self) -> bool:
        """Whether a template must hold nothing that its conditions leave out."""

    def start(self) -> Self:
        """Return when it answers."""

    def stop(self) -> None:
        """Let it go."""

    def client(self, service: str, config: Config | None = None) -> Any:
        """Return a boto3 client that talks to it."""


class RunningAws:
    """One that goes on when we are done with it.

    Args:
        endpoint_url: on this machine only: what is deployed there is deleted again.
    """

    ours = False

    def __init__(self, endpoint_url: str) -> None:
        if urlsplit(endpoint_url).hostname not in LOOPBACK_HOSTS:
            raise SettingsError("AWS_ENDPOINT_URL must be of this machine, such as http://127.0.0.1:4566")
        self.endpoint_url = endpoint_url
        self._logs: dict[str, FunctionLogs] = {}

    def start(self) -> Self:
        """Ask who we are, which fails where nobody answers."""
        self.client("sts").get_caller_identity()
        return self

    def stop(self) -> None:
        """Leave it running."""

    def client(self, service: str, config: Config | None = None) -> Any:
        """Return a boto3 client that talks to it; of a LocalStack, through its own session."""
        if self._is_localstack:
            return localstack.client(urlsplit(self.endpoint_url).port or 4566, service, config)
        return client(service, self.endpoint_url, config)

    @property
    def wants_live_resources_only(self) -> bool:
        """Say what LocalStack's engine wants."""
        return self._is_localstack

    @cached_property
    def _is_localstack(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint_url}/_localstack/health", timeout=5) as answer:  # noqa: S310  # http by construction
                return "services" in json.load(answer)
        except (OSError, ValueError):
            return False

    def logs(self, stack: str) -> str:
        """Return the log lines of every function of ``stack``."""
        if stack not in self._logs:
            self._logs[stack] = FunctionLogs(self.client("logs"), stack)
        return self._logs[stack].read()


def local_aws(folder: Path) -> Aws:
    """Return the one that AWS_ENDPOINT_URL names, else one of our own that lives in ``folder``."""
    named = os.environ.get("AWS_ENDPOINT_URL")
    return RunningAws(named) if named else LocalAws(folder)
