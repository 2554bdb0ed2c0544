"""A TCP proxy to Postgres that counts round trips, and can fall silent without a word."""

import contextlib
import socket
import threading

READY = b"Z\x00\x00\x00\x05"
"""How the server's ReadyForQuery begins: it ends each round trip, and stands last in what is sent."""


class CountingProxy:
    """Forwards to ``port`` on 127.0.0.1.

    ``round_trips`` counts how often the server said that it is ready; while ``silent`` is set, what either side sends is
    taken and goes nowhere, as behind a firewall that has forgotten the connection.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self.round_trips = 0
        self.connections = 0
        self.silent = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                server = socket.create_connection(("127.0.0.1", self._target))
                for one, two in ((client, server), (server, client)):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(target=self._forward, args=(one, two), daemon=True).start()

    def _forward(self, one: socket.socket, two: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while packet := one.recv(65536):
                self.round_trips += packet[-6:].startswith(READY)
                if not self.silent.is_set():
                    two.sendall(packet)
        for side in (one, two):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
