"""Serves the page on 127.0.0.1."""

import contextlib
import secrets
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Self

import uvicorn
from botocore.config import Config

from pipeline.local.ending import Ending
from pipeline.local.page.actions import Actions
from pipeline.local.page.app import page_app
from pipeline.local.page.event_broker import EventBroker
from pipeline.local.page.index import Index
from pipeline.local.page.memory import Memory
from pipeline.local.page.people import Person, SessionTokens
from pipeline.local.page.pipeline import PipelineView
from pipeline.local.page.progress_watcher import ProgressWatcher
from pipeline.local.page.tables import Tables
from pipeline.local.stack import Stack

HOST = "127.0.0.1"
HOME_PORT = 8765
TOKEN_KEY_BYTES = 32
START_SECONDS = 20
LOOK_SECONDS = 0.2


class PageServer:
    """The page of a running stack, served from a thread. Use it as a context manager.

    Args:
        people: who may be chosen on the page, and a few things each might begin with.
        port: 0 takes a free one.
        patience_seconds: how long a turn waits for memory; then it is saved without.

    Raises:
        OSError: the port is taken.
    """

    def __init__(
        self, stack: Stack, people: Mapping[Person, Sequence[str]], port: int = 0, patience_seconds: float = 5
    ) -> None:
        self._socket = _listening(port)
        self.port = int(self._socket.getsockname()[1])
        self._events = EventBroker(secrets.token_hex(4))
        actions = _actions(stack, people, self._events, patience_seconds)
        tokens = SessionTokens(secrets.token_bytes(TOKEN_KEY_BYTES))
        app = page_app(actions, self._events, tokens, list(people), self.port)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, timeout_graceful_shutdown=1, lifespan="off", ws="none"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    @classmethod
    def at_home(cls, stack: Stack, people: Mapping[Person, Sequence[str]]) -> Self:
        """Return a server at the usual port, where the browser keeps its settings; at a free one if it is taken."""
        try:
            return cls(stack, people, HOME_PORT)
        except OSError:
            return cls(stack, people)

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://{HOST}:{self.port}/"

    def __enter__(self) -> Self:
        """Start serving; returns when it answers."""
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("the page could not be served")
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving; tabs that listen are cut off."""
        self._events.end()
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def wait(self, ending: Ending) -> None:
        """Return when the terminal says Ctrl-C, or has said it."""
        with contextlib.suppress(KeyboardInterrupt):
            while self._thread.is_alive():
                ending.check()
                time.sleep(
                    LOOK_SECONDS
                )  # no join: one that is interrupted takes the thread for ended (CPython 3.11)


def _listening(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    listener.listen()  # only now is the port ours: two that merely bind it do not notice each other
    return listener


def _actions(
    stack: Stack, starters: Mapping[Person, Sequence[str]], events: EventBroker, patience_seconds: float
) -> Actions:
    names = stack.outputs
    tables = Tables(
        stack.client("dynamodb"),
        names["SessionsTableName"],
        names["MemoryTableName"],
        names["ConfigTableName"],
    )
    config = Config(max_pool_connections=32, read_timeout=patience_seconds, retries={"total_max_attempts": 1})
    memory = Memory(stack.client("lambda", config), names["QueryAliasArn"])
    index = Index(stack.inventory(), tables.sessions)
    view = PipelineView(stack)
    watch = ProgressWatcher(index.texts, events, stack.log)
    return Actions(tables, memory, watch, starters, index.holdings, view.look, view.redrive)
