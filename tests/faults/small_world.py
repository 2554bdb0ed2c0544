"""A world small enough to run thousands of times a minute: tables and a queue of dictionaries, a virtual clock, the real
stream and ingest code, and an oracle that knows nothing of it.

The oracle follows every message from the rules in ``docs/rules-of-change.md``: what is in the item is found; what was
capped, cleared or expired may be found; what was edited, removed or deleted, or is covered by a forget request, is not.
"""

import hashlib
import itertools
import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from pipeline.embedding.vectors import EmbeddingSpace, Usage, float32
from pipeline.errors import EmbeddingUnavailableError
from pipeline.ingest.announce import Announcer
from pipeline.ingest.chunking import Chunker
from pipeline.ingest.forget_executor import ForgetExecutor
from pipeline.ingest.item_evidence import HORIZON_SECONDS
from pipeline.ingest.notices import Notice, coalesce, decode_notice
from pipeline.ingest.reconcile import Reconciler
from pipeline.settings import DEFAULT_ATTRIBUTE_NAMES
from pipeline.source.documents import EntryHasher
from pipeline.source.layouts import Layouts
from pipeline.source.stream_records import read_stream_record
from pipeline.source.transitions import TransitionReader
from pipeline.stores.forget_requests import ForgetRequest
from pipeline.stores.index_state import PlannedWrite
from pipeline.stores.memory import InMemoryStore

SPACE = EmbeddingSpace("small", 4)
START = 1_790_000_000.25
TENANT = "acme"


@dataclass(frozen=True)
class Clocks:
    """How AWS's time and ours differ.

    Args:
        ahead: our clock minus AWS's, seconds.
        step: AWS's times are rounded down to multiples of it, seconds.
    """

    ahead: float = 0.0
    step: float = 1.0

    @property
    def skew(self) -> float:
        """So long must lie between a message and a forget request for both clocks to agree on their order."""
        return 0.0 if self == Clocks() else abs(self.ahead) + self.step


class Embedder:
    """Makes any vector, the same for the same text; ``down`` makes it fail."""

    space = SPACE

    def __init__(self) -> None:
        self.usage, self.texts, self.down = Usage(), list[str](), False

    def embed(self, texts: Any) -> Any:
        if self.down:
            raise EmbeddingUnavailableError("down")
        self.texts += texts
        return [
            float32([1.0 + b for b in hashlib.blake2b(t.encode(), digest_size=4).digest()]) for t in texts
        ]


@dataclass
class Life:
    """What the oracle knows of one message.

    Args:
        erased: a forget request covers it.
        doubtful: it may be a copy of what a request covered: it may be found, and need not.
        read: the ledger held it.
        covered_by: the requests.
        loose: it was gone before any of them was carried out: the ledger may have known nothing of it any more.
        restored: it had been kept, and came back with a new item.
        again: it was said again with the very time of one that a request covered.
    """

    text: str
    owner: str
    saved: float
    stamp: str | None
    state: str = "live"
    left: float = 0.0
    erased: bool = False
    doubtful: bool = False
    read: bool = False
    covered_by: set[str] = field(default_factory=set)
    loose: bool = False
    restored: bool = False
    again: bool = False


class Oracle:
    """Follows every message of every item by what the app did."""

    def __init__(self) -> None:
        self.lives: dict[tuple[str, str], Life] = {}
        self.requests: list[tuple[float, str | None, str | None]] = []
        self.unknowable: dict[str, set[str]] = {}
        self.unrecorded: set[tuple[str, str]] = set()
        self.given: set[str] = set()
        self.open: set[str] = set()

    def wrote(
        self, key: str, old: dict[str, Any] | None, new: dict[str, Any] | None, why: str, now: float
    ) -> None:
        """Note a change; ``why`` is what became of the messages that are gone."""
        if old and new and old["user"] != new["user"]:
            self.given.add(key)
        before = {m["content"]: m for m in (old or {"messages": []})["messages"]}
        after = {m["content"]: m for m in (new or {"messages": []})["messages"]}
        for text, life in [(t, one) for (k, t), one in self.lives.items() if k == key]:
            if text in before and text not in after:
                life.state, life.left = ("kept" if why in {"capped", "cleared", "expired"} else "gone"), now
            elif life.state == "kept" and why == "deleted":
                life.state = "gone"
            if life.state == "gone" and life.covered_by <= self.open:
                life.loose = True
        for text, message in after.items():
            life = self.lives.get((key, text))
            owner = (new or {})["user"]
            if text not in before:
                restored = old is None and life is not None and life.state == "kept"
                said = Life(text, owner, now, message.get("timestamp"), restored=restored)
                self.lives[key, text] = self._said(life, said)
            elif life is not None:
                life.owner = owner

    @staticmethod
    def _said(before: Life | None, new: Life) -> Life:
        """Return a message that comes: with the very time of an erased one it is that one, if the ledger surely held it."""
        if before is None or before.stamp is None or not (before.erased or before.doubtful):
            return new
        same = before.erased and before.read and not before.loose
        return replace(
            new, erased=same, read=same, doubtful=not same, covered_by=set(before.covered_by), again=True
        )

    def asked(self, name: str, until: float, user: str | None, key: str | None) -> None:
        """Note a request to forget."""
        self.open.add(name)
        for (own_key, _), life in self.lives.items():
            if user in {None, life.owner} and key in {None, own_key} and math.floor(life.saved) < until:
                life.loose |= life.state == "gone" and not life.erased
                life.erased = True
                life.covered_by.add(name)

    def lost(self, key: str, old: Any, new: Any) -> None:
        """Note a lost record. Where an INSERT, and a DELETE or a change of owner were lost, no rule can know."""
        kinds = self.unknowable.setdefault(key, set())
        texts = [{m["content"] for m in (item or {"messages": []})["messages"]} for item in (old, new)]
        self.unrecorded |= {(key, text) for text in texts[0] ^ texts[1]}
        if old is None or new is None:
            kinds.add("INSERT" if old is None else "DELETE")
        elif old["user"] != new["user"]:
            kinds.add("OWNER")

    def must(self, *, lost: bool) -> set[tuple[str, str]]:
        """Return what has to be found, by owner; what was lost under a request may be hidden."""
        return {
            (life.owner, life.text)
            for life in self.lives.values()
            if life.state == "live" and not (life.erased or life.doubtful) and not (lost and self.requests)
        }

    def may(self) -> set[tuple[str, str]]:
        """Return what may be found, by owner."""
        return {
            (life.owner, life.text)
            for life in self.lives.values()
            if not life.erased and life.state in {"live", "kept"}
        }

    def kept(self) -> set[str]:
        """Return texts that were read, and are to be kept now; of an item that changed hands nobody may know whose they are."""
        return {
            life.text
            for (key, _), life in self.lives.items()
            if life.state == "kept" and life.read and key not in self.given
        }

    def in_item(self, key: str) -> list[Life]:
        """Return the messages that an item has now."""
        return [life for (own_key, _), life in self.lives.items() if own_key == key and life.state == "live"]

    def excused(self) -> set[str]:
        """Return texts of items of which too much was lost: kept ones after a DELETE, erased ones of an owner, kept ones that came and went
        again unrecorded, and what came unrecorded in the second of T and was soon said again with its time."""
        deleted = {key for key, kinds in self.unknowable.items() if {"INSERT", "DELETE"} <= kinds}
        given = {key for key, kinds in self.unknowable.items() if {"INSERT", "OWNER"} <= kinds}
        return {
            life.text
            for (key, _), life in self.lives.items()
            if (key in deleted and not life.erased)
            or (key in given and life.erased)
            or (life.erased and life.again and (key, life.text) in self.unrecorded)
            or (
                life.restored
                and "INSERT" in self.unknowable.get(key, ())
                and (key, life.text) in self.unrecorded
            )
        }


class Tables:
    """The items, as :class:`pipeline.source.table.SourceTable` reads them; ``meanwhile`` runs while somebody reads.

    Whoever reads notes the messages; they count as read when that is committed.
    """

    def __init__(self, world: "SmallWorld") -> None:
        self._world = world
        self._lives: dict[tuple[int, str], list[Life]] = {}

    def get(self, key: Any) -> Any:
        found = self._world.items.get(key.range_value)
        item = None if found is None else as_item(key.range_value, found)
        self._lives[self._world.depth, key.range_value] = self._world.oracle.in_item(key.range_value)
        self._world.meanwhile()
        return item

    def committed(self, key: str) -> None:
        """Hear that whoever is at work has committed its last reading of an item."""
        for life in self._lives[self._world.depth, key]:
            life.read = True


class WatchedStore(InMemoryStore):
    """Tells of each commit."""

    def __init__(self, committed: Callable[[str], None]) -> None:
        super().__init__(SPACE)
        self._committed = committed

    def apply(self, tenant_id: str, writes: Sequence[PlannedWrite]) -> frozenset[str]:
        refused = super().apply(tenant_id, writes)
        for write in writes:
            if write.source not in refused:
                self._committed(json.loads(write.source)[-1])
        return refused


def as_item(key: str, item: dict[str, Any]) -> dict[str, Any]:
    """Return an item in DynamoDB's JSON."""
    return {
        "tenant_id": {"S": TENANT},
        "session_key": {"S": key},
        "user_id": {"S": item["user"]},
        "messages": {"S": json.dumps(item["messages"])},
    }


class SmallWorld:
    """One run.

    Args:
        source: decides everything.
        losses: how likely a record is lost.
        stamped: messages carry the client's time, whose clock may be anywhere.
        clocks: AWS's and ours; ``now`` is AWS's.
    """

    def __init__(
        self,
        source: random.Random,
        *,
        losses: float,
        stamped: bool,
        outages: bool = True,
        clocks: Clocks = Clocks(),  # a constant
    ) -> None:
        self.random, self.losses, self.stamped, self.outages = source, losses, stamped, outages
        self.clocks = clocks
        self.now = START
        self.items: dict[str, dict[str, Any]] = {}
        self.versions: dict[str, list[dict[str, Any]]] = {}
        self.queue: list[str] = []
        self.sent: list[str] = []
        self.late: list[ForgetRequest] = []
        self.lost = False
        self.numbers, self.positions, self.ids = itertools.count(), itertools.count(10**20), itertools.count()
        self.oracle, self.embedder = Oracle(), Embedder()
        self.layouts = Layouts(DEFAULT_ATTRIBUTE_NAMES, EntryHasher(b"a secret of the small world"))
        self.announcer = Announcer(self.layouts, TransitionReader("keep", "keep", frozenset({"system"})))
        tables = Tables(self)
        self.store = WatchedStore(tables.committed)
        self.reconciler = Reconciler(
            self.layouts,
            tables,
            Chunker(frozenset({"system"}), 64, lambda text, _: [text], SPACE),
            self.embedder,
            self.store,
            lambda _: None,
            now=lambda: datetime.fromtimestamp(self.ours, UTC),
        )
        self.forgetter = ForgetExecutor(self.store, self.reconciler, self.layouts, self)  # type: ignore[arg-type]
        self.skew = source.choice((0.0, 0.0, 9 * 3600.0, -8 * 3600.0, 120.0))
        self.depth, self.settling = 0, False

    @property
    def ours(self) -> float:
        """What our clock says."""
        return self.now + self.clocks.ahead

    # the queue
    def send(self, notices: Any) -> frozenset[str]:
        bodies = [notice.encode() for notice in notices]
        self.queue += bodies
        self.sent += bodies
        return frozenset()

    # what happens while a worker reads
    def meanwhile(self) -> None:
        if self.depth or self.random.random() > 0.15:
            return
        self.depth = 1
        for _ in range(self.random.randint(1, 2)):
            self.random.choice((self.ingest,) if self.settling else (self.ingest, self.act))()
        self.depth = 0

    def tick(self) -> None:
        self.now += self.random.choice((0.01, 0.01, 0.4, 1.3, 40.0, 3000.0))

    # the app
    def act(self) -> None:
        self.tick()
        key = self.random.choice(("chat:1", "chat:1", "chat:2"))
        names = ["grow"] * 6 + [
            "cap",
            "cap",
            "clear",
            "edit",
            "remove",
            "replace",
            "delete",
            "expire",
            "undo",
            "owner",
            "touch",
            "forget",
            "late",
        ]
        name = self.random.choice(names)
        getattr(self, f"_{name}")(key)

    def _put(self, key: str, item: dict[str, Any] | None, why: str) -> None:
        old = self.items.get(key)
        if item is None and old is None:
            return
        self.oracle.wrote(key, old, item, why, self.now)
        record = self._record(key, old, item, ttl=why == "expired")
        if item is None:
            self.items.pop(key, None)
        else:
            self.items[key] = item
            self.versions.setdefault(key, []).append(item)
        if old == item:
            return
        if self.random.random() < self.losses:
            self.lost = True
            self.oracle.lost(key, old, item)
            return
        notice = self.announcer.notice(read_stream_record(record), self.ours)
        if notice:
            self.send([notice])

    def _record(self, key: str, old: Any, new: Any, *, ttl: bool) -> dict[str, Any]:
        images = {"OldImage": old and as_item(key, old), "NewImage": new and as_item(key, new)}
        record = {
            "eventSourceARN": "arn:aws:dynamodb:us-east-1:0:table/sessions/stream/2026-09-21T00:00:00.000",
            "eventName": "REMOVE" if new is None else "MODIFY" if old else "INSERT",
            "dynamodb": {
                "Keys": {"tenant_id": {"S": TENANT}, "session_key": {"S": key}},
                "SequenceNumber": str(next(self.positions)),
                "ApproximateCreationDateTime": math.floor(self.now / self.clocks.step) * self.clocks.step,
                **{name: image for name, image in images.items() if image},
            },
        }
        if ttl:
            record["userIdentity"] = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
        return record

    def _message(self) -> dict[str, Any]:
        number = next(self.numbers)
        message = {
            "role": self.random.choice(("user", "assistant")),
            "content": f"m{number}x" + " said" * (number % 4 * 6),
        }
        if self.stamped:
            message["timestamp"] = datetime.fromtimestamp(
                self.now + self.skew + number / 1000, UTC
            ).isoformat()
        return message

    def _current(self, key: str) -> dict[str, Any]:
        return self.items.get(key) or {"user": self.random.choice(("mika", "ken")), "messages": []}

    def _with(self, key: str, messages: list[Any], why: str) -> None:
        self._put(key, {**self._current(key), "messages": messages}, why)

    def _grow(self, key: str) -> None:
        self._with(
            key,
            self._current(key)["messages"] + [self._message() for _ in range(self.random.randint(1, 3))],
            "grown",
        )

    def _cap(self, key: str) -> None:
        messages = self._current(key)["messages"]
        if len(messages) > 1:
            self._with(key, messages[self.random.randint(1, len(messages) - 1) :], "capped")

    def _clear(self, key: str) -> None:
        if self.items.get(key):
            self._with(key, [], "cleared")

    def _edit(self, key: str) -> None:
        messages = list(self._current(key)["messages"])
        if len(messages) > 1:
            messages[self.random.randint(1, len(messages) - 1)] = self._message()
            self._with(key, messages, "edited")

    def _remove(self, key: str) -> None:
        messages = list(self._current(key)["messages"])
        if len(messages) > 2:
            messages.pop(self.random.randint(1, len(messages) - 1))
            self._with(key, messages, "removed")

    def _replace(self, key: str) -> None:
        if self._current(key)["messages"]:
            self._with(key, [self._message(), self._message()], "cleared")

    def _delete(self, key: str) -> None:
        self._put(key, None, "deleted")

    def _expire(self, key: str) -> None:
        self._put(key, None, "expired")

    def _undo(self, key: str) -> None:
        """Save an earlier version anew, as a sync conflict does; only where it takes nothing away."""
        if not self.stamped:
            return  # without times nobody can tell that it is the same
        now = self._current(key)
        for old in reversed(self.versions.get(key, [])[-4:]):
            have = {m["content"] for m in now["messages"]}
            if have <= {m["content"] for m in old["messages"]}:
                self._with(key, old["messages"], "grown")
                return

    def _owner(self, key: str) -> None:
        if key in self.items:
            self._put(key, {**self.items[key], "user": self.random.choice(("mika", "ken", "anon"))}, "grown")

    def _touch(self, key: str) -> None:
        if key in self.items:
            self._put(key, dict(self.items[key]), "grown")

    def _forget(self, key: str) -> None:
        self.now += self.clocks.skew
        until = math.floor(self.ours) + 1.0
        user, session = self.random.choice((("mika", None), ("ken", None), (None, key), ("mika", key)))
        name = f"r{next(self.ids)}"
        self.oracle.asked(name, until - self.clocks.ahead, user, session)
        self.oracle.requests.append((until, user, session))
        self.now = until - self.clocks.ahead + self.clocks.skew + 0.001  # it is answered after that
        request = ForgetRequest(name, TENANT, datetime.fromtimestamp(until, UTC), user, session)
        if self.random.random() < 0.5:
            self.late.append(request)
        else:
            self._carry_out(request)

    def _late(self, _: str) -> None:
        if self.late:
            self._carry_out(self.late.pop(self.random.randrange(len(self.late))))

    def _carry_out(self, request: ForgetRequest) -> None:
        self.forgetter.carry_out(request)
        self.oracle.open.discard(request.id)

    # the pipeline
    def ingest(self) -> None:
        if not self.queue:
            return
        self.now += 0.01
        self.embedder.down = self.outages and self.random.random() < 0.1
        count = self.random.randint(1, 4)
        taken = [
            self.queue.pop(self.random.randrange(len(self.queue))) for _ in range(min(count, len(self.queue)))
        ]
        if self.random.random() < 0.15:  # delivered twice
            self.queue += taken[:1]
        if self.random.random() < 0.1:  # put aside: late
            self.queue += taken
            return
        self._reconcile(coalesce(decode_notice(body, self.layouts) for body in taken))
        self.embedder.down = False

    def _reconcile(self, notices: dict[str, Notice]) -> None:
        report = self.reconciler.run(notices)
        assert not report.unaccounted
        for source in report.failures:
            stored = source in report.applied
            self.queue.append((notices[source].without_transitions() if stored else notices[source]).encode())

    def settle(self) -> None:
        self.settling = True
        for _ in range(500):
            if self.late:
                self._late("")
            elif not self.queue:
                return
            self.ingest()
        raise AssertionError("never came to rest")

    def redrive(self) -> None:
        """Deliver everything that was ever sent once more, in any order."""
        self.queue = list(self.sent)
        self.random.shuffle(self.queue)

    def look(self) -> None:
        """Have every item looked at, by somebody who knows no position."""
        for key in {*self.items, *self.versions}:
            address = self.layouts.address(
                "sessions", {"tenant_id": {"S": TENANT}, "session_key": {"S": key}}
            )
            assert address
            self.send([Notice(address, force_read=True, first_sent_at=self.ours)])

    def past_horizon(self) -> None:
        self.now += HORIZON_SECONDS + 1

    # what is found
    def found(self) -> set[tuple[str, str]]:
        return set(self._found())

    def _found(self) -> Iterator[tuple[str, str]]:
        for row in self.store._rows.values():
            if row.chunk.user_id:
                for word in row.chunk.text.split():
                    if word.startswith("m") and word.endswith("x"):
                        text = next(
                            life.text for life in self.oracle.lives.values() if life.text.split()[0] == word
                        )
                        yield row.chunk.user_id, text

    def copies(self) -> list[tuple[str, str]]:
        return list(self._found())

    def unexplained(self) -> list[str]:
        """Return names of messages that wait for a transition."""
        return [
            row.name
            for (_, source), entry in self.store._ledger.items()
            for row in entry.messages.values()
            if row.state == "unexplained" and not any(key in source for key in self.oracle.given)
        ]


def findings(world: SmallWorld) -> list[str]:
    """Return what is wrong with what is found now."""
    found, must, may = world.found(), world.oracle.must(lost=world.lost), world.oracle.may()
    excused = world.oracle.excused()
    wrong = [f"missing {one}" for one in sorted(must - found)]
    wrong += [f"extra {one}" for one in sorted(found - may) if one[1] not in excused]
    if not (
        world.lost or world.oracle.requests or world.clocks.skew
    ):  # else what left may stay hidden, in doubt
        kept = world.oracle.kept()
        wrong += [f"waiting {one}" for one in sorted(world.unexplained())]
        wrong += [f"dropped {one}" for one in sorted(kept - {text for _, text in found})]
    if not world.stamped:
        return wrong  # what is said again without a time is a message of its own
    copies = world.copies()
    return wrong + [f"twice {one}" for one in sorted(set(copies)) if copies.count(one) > 1]


def run(
    seed: int, *, losses: float = 0.0, steps: int = 14, clocks: Clocks = Clocks()
) -> list[str]:  # a constant
    """Run one history; return what was wrong at its end, after a redrive of everything, and after the horizon."""
    source = random.Random(f"{seed} {losses}")
    world = SmallWorld(source, losses=losses, stamped=source.random() < 0.5, clocks=clocks)
    for _ in range(steps):
        source.choice((world.act, world.act, world.ingest))()
    wrong = []
    for phase in ("rest", "redrive", "look", "horizon"):
        if phase == "redrive":
            world.redrive()
        if phase in {"look", "horizon"} or world.lost:
            if phase == "horizon":
                world.past_horizon()
            world.look()
        world.settle()
        wrong += [f"{phase}: {one}" for one in findings(world)]
        if wrong:
            break
    return wrong


if __name__ == "__main__":
    import sys
    import time
    from collections import Counter

    first, last, rate = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    started, kinds, bad = time.time(), Counter(), []
    for seed in range(first, last):
        try:
            wrong = run(seed, losses=rate)
        except Exception as error:  # noqa: BLE001
            wrong = [f"raised: {error!r}"]
        if wrong:
            bad.append(seed)
            kinds[wrong[0].split()[1]] += 1
            if len(bad) <= 8:
                print(seed, wrong[:3])
    print(f"{last - first} runs, {len(bad)} bad, {dict(kinds)}, {time.time() - started:.1f} s")
