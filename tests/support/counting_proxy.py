"""A TCP proxy to Postgres that counts round trips, and can fall silent without a word."""

import threading

from support.proxy import Direction, Proxy

READY = b"Z\x00\x00\x00\x05"
"""How the server's ReadyForQuery begins: it ends each round trip, and stands last in what is sent."""


class CountingProxy(Proxy):
    """Forwards to ``port`` on 127.0.0.1.

    ``round_trips`` counts how often the server said that it is ready; while ``silent`` is set, what either side sends is
    taken and goes nowhere, as behind a firewall that has forgotten the connection.
    """

    def __init__(self, port: int) -> None:
        self.round_trips = 0
        self.silent = threading.Event()
        super().__init__(port)

    def forward(self, packet: bytes, direction: Direction) -> bool:
        """Count, and pass on unless it is silent."""
        self.round_trips += packet[-6:].startswith(READY)
        return self.silent.is_set() or super().forward(packet, direction)
