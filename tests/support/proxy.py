"""A TCP proxy to a server on this machine; what it does with a packet, subclasses say."""

import contextlib
import socket
import threading
from typing import NamedTuple


class Direction(NamedTuple):
    """One direction of a connection."""

    source: socket.socket
    target: socket.socket
    of_client: bool


class Proxy:
    """Forwards to ``port`` on 127.0.0.1, until either side ends or :meth:`forward` says so.

    ``connections`` counts those that were taken.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def forward(self, packet: bytes, direction: Direction) -> bool:
        """Pass on what the source sent; return whether to go on."""
        direction.target.sendall(packet)
        return True

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                server = socket.create_connection(("127.0.0.1", self._target))
                for side in (client, server):  # or small packets would wait for an acknowledgement
                    side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for direction in (
                    Direction(client, server, of_client=True),
                    Direction(server, client, of_client=False),
                ):
                    threading.Thread(target=self._pump, args=(direction,), daemon=True).start()

    def _pump(self, direction: Direction) -> None:
        with contextlib.suppress(OSError):
            while packet := direction.source.recv(65536):
                if not self.forward(packet, direction):
                    break
        for side in (
            direction.source,
            direction.target,
        ):  # a close alone would wait for the thread that reads from it
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            side.close()
