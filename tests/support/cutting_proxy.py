"""A TCP proxy to Postgres that cuts the connection at a moment of one's choice."""

import socket
from collections.abc import Callable

from support.proxy import Direction, Proxy


class CuttingProxy(Proxy):
    """Forwards to ``port`` on 127.0.0.1, and asks ``cuts`` about every packet of the client.

    When it says yes, the packet still reaches the server, and the answer never comes back: the client cannot know
    whether its COMMIT took effect. ``cut`` counts how often.
    """

    def __init__(self, port: int, cuts: Callable[[bytes], bool]) -> None:
        self._cuts = cuts
        self.cut = 0
        super().__init__(port)

    def forward(self, packet: bytes, direction: Direction) -> bool:
        """Pass on, and end the connection if it is to be cut."""
        if not (direction.of_client and self._cuts(packet)):
            return super().forward(packet, direction)
        self.cut += 1
        direction.source.shutdown(socket.SHUT_RDWR)  # the client first: it must not see the answer
        direction.target.sendall(packet)
        direction.target.settimeout(5)
        direction.target.recv(65536)  # the server has answered, so the packet took effect
        return False
