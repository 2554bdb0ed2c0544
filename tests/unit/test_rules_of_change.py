"""The rules of change of docs/rules-of-change.md, row by row: what the app does to an item, and what memory is then."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from support.one_table import CHUNKER, LAYOUTS
from support.pages import page, rows
from support.words import SPACE, WordEmbedder

from lab.table import Table
from pipeline.ingest.announce import Announcer
from pipeline.ingest.notices import Notice
from pipeline.ingest.reconcile import Reconciler
from pipeline.settings import Retention
from pipeline.source.documents import ItemKey
from pipeline.source.layouts import Item
from pipeline.source.stream_records import read_stream_record
from pipeline.source.transitions import TransitionReader
from pipeline.stores.memory import InMemoryStore
from pipeline.stores.search_requests import SearchRequest

KEYS = ("tenant_id", "session_key")
SESSION = ItemKey("sessions", "tenant_id", "acme", "session_key", "chat:1")
DAY = "memory:daily:2026-11-22"


class App:
    """A chat app; what it saves is ingested at once, as its stream tells it, or, while it ``loses`` records, not at all.

    Its messages say no time (``none``), one that stays (``fixed``), or one that is written anew at every save (``anew``).
    """

    stamping = "fixed"
    user = "acme"

    def __init__(self, on_clear: Retention = "keep", on_expiry: Retention = "keep") -> None:
        self.time, self.loses = 1_795_340_000.0, False
        self.tables = {name: Table(name, KEYS, lambda: self.time) for name in ("sessions", "memory")}
        self.embedder, self.store = WordEmbedder(), InMemoryStore(SPACE)
        self.announcer = Announcer(
            LAYOUTS, TransitionReader(on_clear, on_expiry, frozenset({"system", "tool"}))
        )
        self.reconciler = Reconciler(
            LAYOUTS, self, CHUNKER, self.embedder, self.store, lambda _: None, now=self.now
        )

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time, UTC)

    def get(self, key: ItemKey) -> Item | None:
        return self.tables[key.table].get(key.to_dynamodb())

    def say(self, *messages: str) -> None:
        """Save the session: each message is its role's first letter, then its text."""
        roles = {"u": "user", "a": "assistant", "s": "system"}
        stamps = {
            "none": lambda _: {},
            "fixed": lambda text: {"timestamp": f"2026-11-22T10:00:{len(text):02}Z"},
            "anew": lambda _: {"timestamp": self.now().isoformat()},
        }
        said = [
            {"role": roles[message[0]], "content": message[1:]} | stamps[self.stamping](message[1:])
            for message in messages
        ]
        self._change(
            "sessions", lambda table: table.put(item("chat:1", user_id=self.user, messages=json.dumps(said)))
        )

    def note(self, key: str, content: str) -> None:
        self._change("memory", lambda table: table.put(item(key, content=content)))

    def delete(self) -> None:
        self._change("sessions", lambda table: table.delete(item("chat:1")))

    def expire(self) -> None:
        self._change("sessions", lambda table: table.expire(item("chat:1")))

    def embedded(self) -> int:
        """Return how many texts were embedded since the last time."""
        count, self.embedder.texts = len(self.embedder.texts), []
        return count

    @property
    def memory(self) -> list[str]:
        """What is remembered, line by line, sorted."""
        hits = self.store.search(SearchRequest("acme", self.user, [1.0] * SPACE.dimensions, 100)).hits
        lines = [line for hit in hits for line in hit.content.splitlines() if not line.startswith("[")]
        return sorted(line.partition(": ")[2] or line for line in lines)

    def _change(self, name: str, change: Callable[[Table], None]) -> None:
        table = self.tables[name]
        seen = len(table.shards[0].records)
        self.time += 60.0
        change(table)
        self.time += 0.5
        for record in [] if self.loses else table.shards[0].records[seen:]:
            notice = self.announcer.notice(read_stream_record(record), 0.0)
            assert notice
            assert not self.reconciler.run({notice.address.key.source: notice}).failures

    def look(self, days: float = 0.0) -> None:
        """Ingest looks at the session, and has no record of it."""
        self.time += 60.0 + days * 86_400
        address = LAYOUTS.address("sessions", item("chat:1"))
        assert address
        notice = Notice(address, force_read=True)
        assert not self.reconciler.run({address.key.source: notice}).failures

    def states(self) -> list[str]:
        """Return the state of every row of the session's ledger, sorted."""
        source = SESSION.source
        held = self.store.read("acme", {source: frozenset()})[source]
        kept = self.store.detail("acme", {source: None})[source].kept
        return sorted(row.state for row in {*held.messages, *kept})


def item(key: str, **attributes: str) -> dict[str, Any]:
    return {
        name: {"S": value} for name, value in {"tenant_id": "acme", "session_key": key, **attributes}.items()
    }


def appended() -> None:
    app = App()
    app.say("uone", "atwo and more")
    app.embedded()
    app.say("uone", "atwo and more", "uthree is long", "afour")
    assert app.memory == ["four", "one", "three is long", "two and more"]
    assert app.embedded() == 2  # neither of the first two again


def edited() -> None:
    app = App()
    app.say("uone", "uSECRET", "uthree")
    app.say("uone", "uharmless", "uthree")
    assert app.memory == ["harmless", "one", "three"]
    assert app.states() == ["live"] * 3


def removed_from_the_middle() -> None:
    app = App()
    app.say("uone", "aSECRET and how it was kept", "uthree")
    app.say("uone", "uthree")
    assert app.memory == ["one", "three"]
    assert app.states() == ["live"] * 2


def capped() -> None:
    app = App()
    app.say("uone", "atwo and much more", "uthree", "afour and much more")
    app.say("atwo and much more", "uthree", "afour and much more", "ufive")
    app.say("afour and much more", "ufive")
    assert app.memory == ["five", "four and much more", "one", "three", "two and much more"]
    assert app.states() == ["kept"] * 3 + ["live"] * 2


def cleared() -> None:
    for left in ([], ["uanew"], ["sa prompt stays"]):
        said = ["sa prompt stays", "uone"]
        keeping, forgetting = App(on_clear="keep"), App(on_clear="forget")
        for app in (keeping, forgetting):
            app.say(*said)
            app.say(*left)
        now = [message[1:] for message in left if message[0] == "u"]
        assert keeping.memory == sorted([*now, "one"])
        assert forgetting.memory == now


def times_anew() -> None:
    app = App()
    app.say("uone", "atwo and more")
    app.embedded()
    for stamping in ("anew", "anew", "none", "fixed"):
        app.stamping = stamping
        app.say("uone", "atwo and more")
        assert (app.memory, app.embedded()) == (["one", "two and more"], 0)
    assert app.states() == ["live", "live"]


def given_away() -> None:
    app = App()
    app.say("uone", "atwo and much more", "uthree")
    app.say("uthree")
    app.embedded()
    app.user = "ken"
    app.say("uthree")
    assert (app.memory, app.embedded()) == (["three"], 0)
    app.user = "acme"
    assert app.memory == ["one", "two and much more"]


def a_record_lost() -> None:
    app = App()
    app.say("uone", "utwo", "uthree")
    app.loses = True
    app.say("utwo", "uthree", "unew")
    app.loses = False
    app.say("utwo", "uthree", "unew", "ulast")
    assert app.memory == ["last", "new", "three", "two"]
    assert app.states() == ["live"] * 4 + ["unexplained"]
    app.look(days=23)
    assert app.states() == ["live"] * 4


def deleted() -> None:
    app = App()
    app.say("uone", "utwo")
    app.say("utwo")  # what fell off goes as well
    app.delete()
    assert (app.memory, app.states()) == ([], [])


def deleted_and_made_anew() -> None:
    app = App()
    app.say("uSECRET", "utwo")
    app.delete()
    app.say("utwo")
    assert app.memory == ["two"]


def expired() -> None:
    keeping, forgetting = App(on_expiry="keep"), App(on_expiry="forget")
    for app in (keeping, forgetting):
        app.say("uone")
        app.expire()
    assert (keeping.memory, forgetting.memory) == (["one"], [])
    assert (keeping.states(), forgetting.states()) == (["kept"], [])


def a_daily_log() -> None:
    app, content = App(), "# 2026-11-22\n"
    for number in range(12):
        content += f"\n- Q: question {number}... → A: answer {number}..."
        app.note(DAY, content)
        assert app.embedded() <= 2  # the new line, and at most the one it joins
    assert app.memory == sorted(f"question {number}... → A: answer {number}..." for number in range(12))


def a_note_rewritten() -> None:
    app = App()
    app.note("memory:long_term", "- likes tea\n- SECRET")
    app.note("memory:long_term", "- likes tea and cake")
    assert app.memory == ["- likes tea and cake"]


def repeated() -> None:
    app = App()
    app.say("uyes", "uno", "uyes", "ulast")
    assert app.memory == ["last", "no", "yes", "yes"]
    app.say("uyes", "uno", "ulast")  # which of the two was taken back nobody knows; one of them was
    assert app.memory == ["last", "no", "yes"]
    app.say("uno", "ulast")
    app.say("ulast", "uagain")
    assert app.memory == ["again", "last", "no", "yes"]  # both fell off the front
    assert app.states() == ["kept", "kept", "live", "live"]


def trimmed_after_a_removal() -> None:
    app = App()
    app.say("uone", "uSECRET", "uthree")
    app.say("uone", "uthree")
    app.say("uthree", "ufour")
    assert app.memory == ["four", "one", "three"]


def an_orphan_reply() -> None:
    app = App()
    app.say("agood morning")
    app.say("agood morning", "uhello, and good morning", "ahi")
    assert app.memory == ["good morning", "hello, and good morning", "hi"]


RULES: dict[str, Callable[[], None]] = {
    "appended messages": appended,
    "wrote every message's time anew, or spelled it another way": times_anew,
    "edited a message": edited,
    "removed messages from the middle": removed_from_the_middle,
    "cut messages off the front, the rest unchanged and in order": capped,
    "emptied the session, or left none of the earlier messages": cleared,
    "deleted the item": deleted,
    "deleted the item and made it anew": deleted_and_made_anew,
    "let DynamoDB's TTL remove the item": expired,
    "gave the item to another user": given_away,
    "appended to a daily log all day": a_daily_log,
    "rewrote a note (long-term, daily, summary)": a_note_rewritten,
    "said the same thing again, word for word": repeated,
    "anything, and the record of it was lost": a_record_lost,
}


ROWS = [row[0] for row in rows(page("docs/rules-of-change.md").text)]


def test_every_row_of_the_page_has_a_test_and_every_test_a_row() -> None:
    assert list(RULES) == ROWS


@pytest.mark.parametrize("stamping", ["fixed", "none", "anew"])
@pytest.mark.parametrize("check", [trimmed_after_a_removal, an_orphan_reply])
def test_a_session_in_pieces(
    check: Callable[[], None], stamping: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(App, "stamping", stamping)
    check()


@pytest.mark.parametrize("stamping", ["fixed", "none", "anew"])
@pytest.mark.parametrize("row", ROWS)
def test_rule(row: str, stamping: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(App, "stamping", stamping)
    RULES[row]()


def lost(*before: str, then: Callable[[App], None]) -> App:
    """Save, change it while the stream loses the record, and look."""
    app = App()
    app.say(*before)
    app.loses = True
    then(app)
    app.loses = False
    app.look()
    return app


LOSSES: dict[str, tuple[Callable[[App], None], list[str], list[str]]] = {
    "appended": (lambda app: app.say("uone", "utwo", "unew"), ["new", "one", "two"], ["live"] * 3),
    "edited": (lambda app: app.say("uone", "unew"), ["new", "one"], ["live", "live", "unexplained"]),
    "removed": (lambda app: app.say("uone"), ["one"], ["live", "unexplained"]),
    "capped": (lambda app: app.say("utwo"), ["two"], ["live", "unexplained"]),
    "cleared": (lambda app: app.say(), [], ["unexplained"] * 2),
    "deleted": (App.delete, [], ["unexplained"] * 2),
    "expired": (App.expire, [], ["unexplained"] * 2),
}


@pytest.mark.parametrize("stamping", ["fixed", "none", "anew"])
@pytest.mark.parametrize("change", LOSSES)
def test_without_its_record_what_left_is_hidden_and_goes_for_good_after_22_days(
    change: str, stamping: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(App, "stamping", stamping)
    then, memory, states = LOSSES[change]
    app = lost("uone", "utwo", then=then)
    assert (app.memory, app.states()) == (memory, states)
    app.look(days=21)
    assert (app.memory, app.states()) == (memory, states)
    app.look(days=2)
    assert (app.memory, app.states()) == (memory, [state for state in states if state == "live"])


def test_a_hidden_message_is_found_again_once_its_item_has_it_again() -> None:
    app = lost("uone", "utwo", then=lambda app: app.say("utwo"))
    app.say("uone", "utwo")
    assert (app.memory, app.states()) == (["one", "two"], ["live", "live"])


def test_a_later_clear_does_not_explain_what_left_before_it() -> None:
    """The record of an edit is lost; the clear after it names only what the item had then."""
    app = lost("uSECRET", "utwo", then=lambda app: app.say("uharmless", "utwo"))
    app.say()
    assert (app.memory, app.states()) == (["harmless", "two"], ["kept", "kept", "unexplained"])


def test_a_deletion_takes_along_what_nobody_explained() -> None:
    app = lost("uSECRET", "utwo", then=lambda app: app.say("utwo"))
    app.delete()
    assert (app.memory, app.states()) == ([], [])


def test_kept_messages_of_an_item_gone_without_a_record_are_hidden() -> None:
    app = App()
    app.say("uone", "utwo")
    app.say("utwo")
    assert app.memory == ["one", "two"]
    app.loses = True
    app.delete()
    app.look()
    assert app.memory == []
