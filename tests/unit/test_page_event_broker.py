"""Each person hears their own events, and only while somebody speaks."""

import asyncio
from typing import Any

from pipeline.local.page.event_broker import EventBroker
from pipeline.local.page.people import Person

MIKA, HIRO = Person("acme", "mika"), Person("acme", "hiro")
UNDER_WAY: dict[str, Any] = {"type": "progress", "id": "1", "done": False}
DONE: dict[str, Any] = {"type": "progress", "id": "1", "done": True}


def heard(person: Person, events: EventBroker, *told: tuple[Person, dict[str, Any]]) -> list[dict[str, Any]]:
    """Listen as ``person`` while ``told`` is published, until the events end."""

    async def listen() -> list[dict[str, Any]]:
        pieces = []
        async for piece in events.listen(person):
            pieces.append(piece)
            if piece["type"] == "hello":
                for whose, what in told:
                    await asyncio.to_thread(events.publish, whose, what)
                await asyncio.to_thread(events.end)
        return [piece for piece in pieces if piece["type"] != "alive"]

    return asyncio.run(listen())


def test_a_person_hears_who_speaks_and_what_is_theirs() -> None:
    pieces = heard(MIKA, EventBroker("s1"), (MIKA, UNDER_WAY), (HIRO, {"type": "secret"}), (MIKA, DONE))
    assert pieces == [{"type": "hello", "server": "s1"}, UNDER_WAY, DONE]


def test_a_late_listener_hears_the_last_news() -> None:
    events = EventBroker("s1")
    events.publish(MIKA, UNDER_WAY)
    events.publish(HIRO, DONE)
    assert heard(MIKA, events) == [{"type": "hello", "server": "s1"}, {**UNDER_WAY, "again": True}]
    assert heard(HIRO, events) == [{"type": "hello", "server": "s1"}, {**DONE, "again": True}]
