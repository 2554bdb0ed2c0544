"""What is left after a request to forget is found wherever it lies, and then nothing is certified."""

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.small_pipeline import SmallPipeline

from pipeline.errors import InvalidRequestError
from pipeline.ingest.forget_messages import ForgetMessage
from pipeline.ingest.notices import Notice
from pipeline.operations.certificate.erasure import PLACES, Remains, Search
from pipeline.operations.certificate.run import looked
from pipeline.operations.certificate.signing import new_private_key, public_pem, signed, verified
from pipeline.operations.certificate.statement import Issuer, as_text, statement
from pipeline.operations.queues.sqs_message import Message
from pipeline.source.layouts import Item
from pipeline.source.transitions import Transition
from pipeline.stores.inventory import LyingRow

ISSUER = Issuer("acme's memory", "vector-memory 1.2.3")
SECRET = "the secret of mika"
QUEUES = ("notice queue", "dead-letter queue", "stream failure queue")


class World:
    """A pipeline of two people, after one of them was forgotten."""

    def __init__(self, session: str | None = None) -> None:
        self.pipeline = SmallPipeline()
        self.bodies: dict[str, list[str]] = {place: [] for place in QUEUES}
        self.hidden: dict[str, int] = dict.fromkeys(QUEUES, 0)
        self.save("chat:1", SECRET, "and more", user_id="mika")
        self.save("chat:2", SECRET, user_id="mika")
        self.save("chat:3", "something of ken", user_id="ken")
        for name in ("memory:daily:2026-11-20", "memory:summary:2026-11-20"):
            self.pipeline.put("memory", note(name, SECRET))
        user = None if session else "mika"
        self.request = self.pipeline.forget("acme", user, session)
        done = self.pipeline.store.forgotten("acme", self.request.id)
        assert done
        self.forgotten = done

    def save(self, key: str, *texts: str, **strings: str) -> None:
        self.pipeline.put("sessions", item(key, *texts, **strings))

    def notice(self, key: str, **fields: Any) -> Notice:
        address = self.pipeline.layouts.address("sessions", item(key, tenant=fields.pop("tenant", "acme")))
        assert address
        return Notice(address, **fields)

    def source(self, key: str) -> str:
        return self.notice(key).address.key.source

    def remains(self) -> Remains:
        return self.search().run(self.forgotten)

    def search(self) -> Search:
        pipeline = self.pipeline
        schemas = {name: (pipeline.key_names(name), ("S", "S")) for name in ("sessions", "memory")}
        opens: dict[str, Callable[[], Any]] = {place: self._opens(place) for place in QUEUES}
        return Search(pipeline, pipeline.layouts, pipeline.reconciler, pipeline.inventory, schemas, opens)

    def _opens(self, place: str) -> Callable[[], Any]:
        @contextmanager
        def opened() -> Iterator[Any]:
            bodies = [Message(str(n), "", body, {}, 0.0) for n, body in enumerate(self.bodies[place])]
            yield _Queue(bodies, self.hidden[place])

        return opened


class _Queue:
    emptied = True

    def __init__(self, messages: Sequence[Message], hidden: int) -> None:
        self.messages, self.hidden = messages, hidden


def item(key: str, *texts: str, tenant: str = "acme", **strings: str) -> Item:
    rows = [{"role": "user", "content": text} for text in texts]
    fields = {"tenant_id": tenant, "session_key": key, **strings, "messages": json.dumps(rows)}
    return {name: {"S": value} for name, value in fields.items()}


def note(name: str, content: str) -> Item:
    fields = {"tenant_id": "acme", "sk": name, "user_id": "mika", "content": content}
    return {key: {"S": value} for key, value in fields.items()}


@pytest.fixture
def world() -> World:
    return World()


def test_a_person_who_was_forgotten_is_certified(world: World) -> None:
    remains = world.remains()
    assert remains.clean, remains.notes
    assert remains.looked_at["message ledger"] == 5
    payload = json.loads(statement(ISSUER, world.forgotten, remains, datetime.now(UTC)))
    assert [place["place"] for place in payload["places"]] == list(PLACES)
    assert payload["request"]["messages_erased"] == 5
    assert payload["request"]["user_id"] == "mika"
    assert SECRET not in json.dumps(payload)


def test_later_messages_of_the_user_are_no_leftovers(world: World) -> None:
    world.save("chat:1", SECRET, "and more", "something new", user_id="mika")
    world.save("chat:9", "a new conversation", user_id="mika")
    assert world.remains().clean


def test_messages_of_others_are_no_leftovers(world: World) -> None:
    world.pipeline.planted.append(LyingRow("index", world.source("chat:3"), "x", "ken", "stray"))
    world.bodies["dead-letter queue"].append(world.notice("chat:3").encode())
    world.bodies["dead-letter queue"].append(world.notice("chat:1", tenant="other").encode())
    assert world.remains().clean


# Remains, one in each place.


def in_the_index(world: World) -> None:
    world.pipeline.planted.append(LyingRow("index", world.source("chat:1"), "x", "mika", SECRET))


def in_an_item_that_nobody_knows(world: World) -> None:
    world.pipeline.planted.append(LyingRow("index", '["sessions", "acme", "chat:77"]', "x", "mika", SECRET))


def withheld_in_an_item_that_nobody_knows(world: World) -> None:
    world.pipeline.planted.append(LyingRow("index", '["sessions", "acme", "chat:77"]', "x", "", SECRET))


def in_anothers_conversation(world: World) -> None:
    world.pipeline.planted.append(LyingRow("index", world.source("chat:3"), "x", "mika", SECRET))


def in_a_row_of_the_chat_apps_own(world: World) -> None:
    before = world.request.asked_at - timedelta(days=1)
    world.pipeline.planted.append(LyingRow("index", None, "x", "mika", SECRET, before))


def in_the_standby_space(world: World) -> None:
    world.pipeline.planted.append(LyingRow("standby space", world.source("chat:2"), "x", "mika", SECRET))


def in_the_words(world: World) -> None:
    world.pipeline.planted.append(LyingRow("words", None, "x", "mika", ""))


def in_the_ledger(world: World) -> None:
    entry = world.pipeline.store._ledger["acme", world.source("chat:2")]
    [row] = entry.messages.values()
    entry.messages[row.id] = replace(row, state="live")


def hidden_in_the_ledger(world: World) -> None:
    entry = world.pipeline.store._ledger["acme", world.source("chat:2")]
    [row] = entry.messages.values()
    entry.messages[row.id] = replace(row, state="unexplained", saved_at=None, user_id="mika")


def a_marker_is_missing(world: World) -> None:
    world.pipeline.store._markers.clear()


def in_the_notice_queue(world: World) -> None:
    before = world.request.asked_at.timestamp() - 5
    world.bodies["notice queue"].append(world.notice("chat:1", saved_at=before).encode())


def a_notice_of_unknown_time(world: World) -> None:
    world.bodies["notice queue"].append(world.notice("chat:1").encode())


def in_the_dead_letter_queue(world: World) -> None:
    world.bodies["dead-letter queue"].append(world.notice("chat:2", position="1").encode())


def of_an_item_that_ingest_never_read(world: World) -> None:
    owner = world.pipeline.layouts.owner("acme", "mika")
    transition = Transition("1", 1.0, "inserted", owner_after=owner)
    world.bodies["dead-letter queue"].append(world.notice("chat:55", transitions=(transition,)).encode())


def the_request_itself(world: World) -> None:
    world.bodies["dead-letter queue"].append(ForgetMessage(world.request).encode())


def something_unreadable_in_a_queue(world: World) -> None:
    world.bodies["dead-letter queue"].append(SECRET)


def in_the_stream_failure_queue(world: World) -> None:
    world.bodies["stream failure queue"].append(json.dumps({"records": [SECRET]}))


def in_flight(world: World) -> None:
    world.hidden["notice queue"] = 1


def in_a_summary(world: World) -> None:
    made = (world.request.asked_at - timedelta(hours=1)).isoformat()
    summary = note("memory:summary:2026-11-20", SECRET) | {"updated_at": {"S": made}, "sources": {"L": []}}
    world.pipeline.items["memory", "acme", "memory:summary:2026-11-20"] = summary


def in_a_summary_of_unknown_time(world: World) -> None:
    summary = note("memory:summary:2026-11-20", SECRET) | {"sources": {"L": []}}
    world.pipeline.items["memory", "acme", "memory:summary:2026-11-20"] = summary


PLANTED = [
    (in_the_index, "index"),
    (in_an_item_that_nobody_knows, "index"),
    (withheld_in_an_item_that_nobody_knows, "index"),
    (in_anothers_conversation, "index"),
    (in_a_row_of_the_chat_apps_own, "index"),
    (in_the_standby_space, "standby space"),
    (in_the_words, "words"),
    (in_the_ledger, "message ledger"),
    (hidden_in_the_ledger, "message ledger"),
    (a_marker_is_missing, "forget marker"),
    (in_the_notice_queue, "notice queue"),
    (a_notice_of_unknown_time, "notice queue"),
    (in_the_dead_letter_queue, "dead-letter queue"),
    (of_an_item_that_ingest_never_read, "dead-letter queue"),
    (the_request_itself, "dead-letter queue"),
    (something_unreadable_in_a_queue, "dead-letter queue"),
    (in_the_stream_failure_queue, "stream failure queue"),
    (in_flight, "notice queue"),
    (in_a_summary, "summaries"),
    (in_a_summary_of_unknown_time, "summaries"),
]


@pytest.mark.parametrize(("plant", "place"), PLANTED, ids=[plant.__name__ for plant, _ in PLANTED])
def test_leftovers_are_found_and_nothing_is_certified(
    world: World, plant: Callable[[World], None], place: str
) -> None:
    assert world.remains().clean
    plant(world)
    remains = world.remains()
    assert remains.found[place] >= 1, remains.notes
    with pytest.raises(InvalidRequestError, match="nothing is certified") as raised:
        statement(ISSUER, world.forgotten, remains, datetime.now(UTC))
    assert SECRET not in str(raised.value)
    assert "mika" not in str(raised.value)


def test_a_row_under_another_tenant_is_found(world: World) -> None:
    row = next(iter(world.pipeline.store._rows.values()))
    stray = replace(row, source=world.source("chat:1"))
    world.pipeline.store._rows["other", "x"] = stray
    assert world.remains().found["audit"] == 1


def test_a_session_that_was_forgotten_is_certified_and_what_is_left_of_it_is_found() -> None:
    world = World(session="chat:1")
    assert world.remains().clean
    world.pipeline.planted.append(LyingRow("index", world.source("chat:2"), "y", "mika", SECRET))
    assert world.remains().clean  # another conversation of theirs was not to be forgotten
    in_the_index(world)
    assert world.remains().found["index"] == 1


def test_a_look_is_repeated_while_something_may_be_on_its_way(world: World) -> None:
    in_the_notice_queue(world)
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        world.bodies["notice queue"].clear()

    assert looked(world.search(), world.forgotten, 60.0, sleep).clean
    assert len(pauses) == 1
    in_the_index(world)
    assert not looked(world.search(), world.forgotten, 10.0, pauses.append).clean
    assert len(pauses) == 3


# Signatures.


def certificate(world: World, key: bytes) -> str:
    return signed(statement(ISSUER, world.forgotten, world.remains(), datetime.now(UTC)), key)


def test_a_certificate_is_checked_with_the_public_key_alone(world: World) -> None:
    key = new_private_key()
    told = as_text(verified(certificate(world, key), public_pem(key)))
    assert "user 'mika'" in told
    assert "dead-letter queue: 0 looked at, 0 left" in told
    assert "backups" in told


def test_an_altered_certificate_is_refused(world: World) -> None:
    key = new_private_key()
    envelope = json.loads(certificate(world, key))
    altered = base64.b64decode(envelope["payload"]).replace(b"mika", b"ken!")
    envelope["payload"] = base64.b64encode(altered).decode()
    with pytest.raises(InvalidRequestError, match="was altered"):
        verified(json.dumps(envelope), public_pem(key))


def test_another_keys_certificate_is_refused(world: World) -> None:
    with pytest.raises(InvalidRequestError, match="another key"):
        verified(certificate(world, new_private_key()), public_pem(new_private_key()))


def test_a_forged_key_id_does_not_help(world: World) -> None:
    key, other = new_private_key(), new_private_key()
    envelope = json.loads(certificate(world, key))
    envelope["signatures"][0]["keyid"] = json.loads(certificate(world, other))["signatures"][0]["keyid"]
    with pytest.raises(InvalidRequestError, match="was altered"):
        verified(json.dumps(envelope), public_pem(other))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"payload": "!", "payloadType": "x", "signatures": []}'])
def test_a_forged_certificate_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError, match="no certificate"):
        verified(text, public_pem(new_private_key()))
