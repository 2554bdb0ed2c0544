"""Histories that broke the product once, or break it when it is broken on purpose."""

import os
import time
from dataclasses import replace

from lab.histories import History, ItemSpec, Step

SEED = int(os.environ.get("FAULT_SEED") or time.time_ns() % 1_000_000)
"""Of this run's random histories: another one each time, which the tests print. ``FAULT_SEED`` plays one again."""

SEEDS_THAT_FAILED = (
    "1.4032",
    "200116.683",
    "973545.77",
    "884608.6",
    "2.956",
    "82001.635",
    "84001.62",
    "2.2322",
    "909.34",
    "2.3341",
    "5.100",
    "2.4367",
    "2.6421",
    "2.7833",
    "297990.45",
    "190865.75",
)
"""Random histories, with the faults they met: an exchange of which one message was removed, while nothing could be
embedded, in an item that expired before that was over; on OpenSearch, a forget marker of which a worker saw the half; on
DynamoDB, a transaction seen by halves while what was left of an exchange was read; what came back before its item became
unreadable; a note that expired and was written anew unrecorded; a second copy recorded before the first; an absence read before
the expiry was told; an item given to another owner, which nobody could read any more; one of two equal lines of a note, removed after a forget request
between them; of two equal messages, the second one's record told again when all times had been written anew;
on OpenSearch, what expired under an owner whom a read named only later; what left an item before it was given away and back, and a
request of who had it in between; an unreadable item, of which the record of its giving was lost; a repair, told when the item was spoiled
again; a write that changes nothing, after a lost record (the oracle's own fault)."""

TROUBLEMAKERS = {
    "a note edited, and expired before anybody looked": History(
        (ItemSpec("zebra", "memory:daily:2026-11-22", note=True),),
        (Step("grow", 0, 3), Step("edit", 0, 1, 1, 3600.0), Step("expire", 0)),
    ),
    "an edit between two copies of a message": History(
        (ItemSpec("acme", "chat:1"),),
        (Step("grow", 0, 3), Step("repeat", 0, 1, 0, 3600.0), Step("edit", 0, 1, 1, 3600.0)),
    ),
    "an edit undone with a copy at the end": History(
        (ItemSpec("acme", "chat:1", stamped=True),),
        (Step("grow", 0, 2), Step("repeat", 0, 1, 0, 3600.0), Step("undo", 0, 1, 3), Step("grow", 0, 1)),
    ),
    "a removal undone, and what came back capped": History(
        (ItemSpec("acme", "chat:1", stamped=True),),
        (
            Step("grow", 0, 3),
            Step("undo", 0, 1, 1),
            Step("cap", 0, 2, 0, 3600.0),
            *[Step("grow", 0, 1, 0, 5.0)] * 4,
        ),
    ),
    "orders to forget while what they cover is being embedded": History(
        tuple(ItemSpec(tenant, key) for tenant in ("acme", "zebra") for key in ("chat:1", "chat:2")),
        (
            *(Step("grow", place, 2) for place in range(4)),
            Step("forget_session", 0),
            Step("forget_user", 2),
        ),
    ),
    "an item made after the order to forget it, and changed at once": History(
        (ItemSpec("acme", "chat:1"), ItemSpec("zebra", "memory:long_term", note=True)),
        (
            Step("grow", 0, 2),
            Step("grow", 1, 2),
            Step("forget_session", 0, 1, 0, 5.0),
            Step("forget_session", 1, 1, 0, 0.0),
            Step("recreate", 0, 1, 0, 3600.0),
            Step("recreate", 1, 1, 0, 0.0),
            Step("grow", 0, 1, 0, 0.0),
            Step("grow", 1, 1, 0, 0.0),
        ),
    ),
    "the question of an exchange capped, and its answer not": History(
        (ItemSpec("acme", "chat:1"),),
        (Step("grow", 0, 4), Step("cap", 0, 1, 0, 3600.0)),
    ),
    "a message removed, and the item expired before the rest of its exchange was embedded anew": History(
        (ItemSpec("acme", "chat:1"),),
        (
            Step("grow", 0, 1),
            Step("grow", 0, 1, 1),
            Step("remove", 0, 2, 11, 3600.0),
            Step("expire", 0, 1, 11),
        ),
    ),
    "said after the order to forget what was said before": History(
        (ItemSpec("acme", "chat:1", stamped=True),),
        (Step("grow", 0, 3), Step("forget_session", 0, 1, 0, 3600.0), Step("grow", 0, 1, 0, 5.0)),
    ),
    "a day's log and its summary": History(
        (
            ItemSpec("acme", "memory:daily:2026-09-21", note=True),
            ItemSpec("acme", "memory:summary:2026-09-21", note=True),
        ),
        (Step("grow", 0, 2), Step("grow", 1, 2), Step("forget_session", 0, 1, 0, 3600.0)),
    ),
    "an item that nobody can read, between two versions": History(
        (ItemSpec("acme", "chat:1"),),
        (Step("grow", 0, 3), Step("spoil", 0, 1, 0, 3600.0), Step("touch", 0, 1, 0, 30_000.0)),
    ),
    "an edit undone before the item cannot be read": History(
        (ItemSpec("acme", "chat:1"),),
        (Step("grow", 0, 1), Step("undo", 0, 1, 1, 3600.0), Step("spoil", 0)),
    ),
    "a removal of which the record is lost, of an item that nobody can read later": History(
        (ItemSpec("acme", "chat:1"),),
        (Step("grow", 0, 2), Step("remove", 0, 1, 1, 3600.0), Step("spoil", 0, 1, 0, 3600.0)),
        loss=0.3,
    ),
    "an item asked to be forgotten, that nobody can read, and that can be read again": History(
        (ItemSpec("acme", "chat:1"),),
        (
            Step("grow", 0, 2),
            Step("forget_session", 0, 1, 0, 0.5),
            Step("spoil", 0),
            Step("grow", 0, 2, 0, 5.0),
            Step("cap", 0, 2),
        ),
    ),
    "a note that expired, and was written anew, of which the record is lost": History(
        (ItemSpec("zebra", "memory:daily:2026-11-22", note=True),),
        (Step("grow", 0, 3), Step("expire", 0, 1, 0, 3600.0), Step("grow", 0, 2, 0, 3600.0)),
        loss=0.3,
    ),
    "saved before the order to forget it, and first read after its item was unreadable": History(
        (ItemSpec("acme", "chat:1", stamped=True),),
        (
            Step("grow", 0, 2),
            Step("forget_user", 0, 1, 1, 0.0),
            Step("spoil", 0),
            Step("grow", 0, 2, 0, 5.0),
        ),
    ),
    "an item that expired, and was written anew so that nobody can read it": History(
        (ItemSpec("acme", "chat:1"),),
        (Step("grow", 0, 2), Step("expire", 0, 1, 0, 3600.0), Step("spoil", 0, 1, 0, 3600.0)),
    ),
    "given to another user, and expired before any read": History(
        (ItemSpec("acme", "chat:1"),),
        (Step("grow", 0, 2), Step("owner", 0, 1, 1, 3600.0), Step("expire", 0)),
    ),
    "an item that nobody can read at last": History(
        (ItemSpec("acme", "chat:1"),), (Step("grow", 0, 3), Step("spoil", 0, 1, 0, 3600.0))
    ),
    "an item that nobody can read, written twice": History(
        (ItemSpec("acme", "chat:1"),),
        (Step("grow", 0, 3), Step("spoil", 0, 1, 0, 3600.0), Step("spoil", 0, 1, 0, 3600.0)),
    ),
    "a refused text among others": History(
        (ItemSpec("acme", "chat:1"),),
        (Step("refused", 0), Step("grow", 0, 3), Step("refused", 0, 1, 0, 3600.0)),
    ),
    "an edit of which the record is lost": History(
        (ItemSpec("acme", "chat:1"),),
        (Step("grow", 0, 4), Step("edit", 0, 1, 1, 3600.0), Step("edit", 0, 1, 2, 3600.0)),
        loss=0.5,
    ),
    "a conversation that is given to another user": History(
        (ItemSpec("acme", "chat:1", user="ken"),),
        (Step("grow", 0, 4), Step("owner", 0, 1, 0, 3600.0), Step("cap", 0, 2, 0, 3600.0)),
    ),
    "said again and again": History(
        (ItemSpec("acme", "chat:1"),), tuple(Step("grow", 0, 1, 0, 3600.0) for _ in range(4))
    ),
    "made and deleted at once, over and over": History(
        tuple(ItemSpec("acme", f"chat:{number}") for number in range(3)),
        (
            *(Step("grow", place, 2) for place in range(3)),
            *(Step("flash", place, 1) for _ in range(2) for place in range(3)),
        ),
    ),
}


def said_once(history: History) -> History:
    """Return ``history`` without the steps that say a text a second time.

    A second copy is a new message, and so is a kept text that is said again (after an expiry, an undo does that): each is
    embedded for itself, although the index holds the text.
    """
    again = {"common", "repeat", "undo"}
    return replace(history, steps=tuple(step for step in history.steps if step.kind not in again))
