"""A TCP proxy to Postgres that cuts the connection at a moment of one's choice."""

import contextlib
import socket
import threading
from collections.abc import Callable


class CuttingProxy:
    """Forwards to ``port`` on 127.0.0.1, and asks ``cuts`` about every packet of the client.

    When it says yes, the packet still reaches the server, and the answer never comes back: the client cannot know
    whether its COMMIT took effect.
    """

    def __init__(self, port: int, cuts: Callable[[bytes], bool]) -> None:
        self._target = port
        self._cuts = cuts
        self.cut = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                for side in (client, server):  # or small packets would wait for an acknowledgement
                    side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for one, two, asks in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._forward, args=(one, two, asks), daemon=True).start()

    def _forward(self, one: socket.socket, two: socket.socket, asks: bool) -> None:
        with contextlib.suppress(OSError):
            while packet := one.recv(65536):
                cut = asks and self._cuts(packet)
                if cut:
                    self.cut += 1
                    one.shutdown(socket.SHUT_RDWR)  # the client first: it must not see the answer
                two.sendall(packet)
                if cut:
                    two.settimeout(5)
                    two.recv(65536)  # the server has answered, so the packet took effect
                    break
        for side in (one, two):  # a close alone would wait for the thread that reads from it
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            side.close()
