"""What one planned write makes of transactions: nothing here talks to anything."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from support.chunks import FACTS, ITEM, NOBODYS, TIME, axis, chunk, key_of, mid, planned, row, uid

from pipeline.stores.chunks import ChunkMove
from pipeline.stores.index_state import PlannedWrite
from pipeline.stores.ledger.keys import hidden_key, since_sk
from pipeline.stores.ledger.mutations import ChunkMutation, Known, Mutations, Op
from pipeline.stores.ledger.records import (
    ChunkRecord,
    LedgerRecord,
    ledger_record,
    message_item,
    message_row,
    written,
    written_facts,
)
from pipeline.stores.ledger.transactions import MAX_OPS, Transaction, Transactions
from pipeline.stores.message_rows import ItemEvent, ItemFacts, MessageRow

TABLE = "ledger"


def no_rows(_: str, __: str, chunks: Sequence[ChunkMutation]) -> list[list[Op]]:
    return [[] for _ in chunks]


def transactions(
    write: PlannedWrite,
    known: Known | None = None,
    ledger: LedgerRecord | None = None,
    max_ops: int = MAX_OPS,
) -> list[Transaction]:
    tokens = count()
    made = Mutations(TABLE, "acme", write, known or Known(), None, lambda: f"t{next(tokens)}")
    cut = Transactions(TABLE, "acme", write, ledger or LedgerRecord(), TIME, max_ops)
    return cut.cut(made.of(no_rows))


def held_chunk(number: int, status: Any = "live", user: str = "mika") -> dict[str, Any]:
    record = ChunkRecord(uid(number), user, "chat:1", (mid(number),), "f", "v", f"s{number}", status)
    return record.to_item("acme", ITEM)


def places(transaction: Transaction) -> list[tuple[str, str]]:
    """Verb and sort key of each operation."""
    found = []
    for op in transaction.ops:
        [(verb, what)] = op.items()
        found.append((verb, (what.get("Item") or what["Key"])["sk"]["S"]))
    return found


def rows_key(item: Any) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def test_a_write_of_ten_thousand_messages_stays_within_every_transactions_limits() -> None:
    write = planned(
        ITEM,
        upserts=[(chunk(number), axis(0)) for number in range(1_500)],
        messages=[row(number, "kept" if number % 2 else "live") for number in range(10_000)],
        facts=replace(
            FACTS,
            hidden_since=1.0,
            events=tuple(ItemEvent("owner", f"p{n}", None, f"h{n}") for n in range(50)),
        ),
        key=key_of("chat:1"),
        name="chat:1",
    )
    cut = transactions(write)
    assert max(len(one.ops) for one in cut) <= MAX_OPS
    assert [one.revision for one in cut] == list(range(1, len(cut) + 1))
    for one in cut:
        told = places(one)
        assert told[:2] == [("Update", "ledger"), ("ConditionCheck", told[1][1])]
        rows = [rows_key(what.get("Item") or what["Key"]) for op in one.ops for what in op.values()]
        assert len(set(rows)) == len(rows)  # DynamoDB refuses two operations on one row
    records = [sk for one in cut for _, sk in places(one) if "#" in sk]
    assert sum(sk.startswith(("message#", "kept#")) for sk in records) == 10_000
    assert sum(sk.startswith("chunk#") for sk in records) == 1_500


def subject_rows(transaction: Transaction, kind: str) -> set[str]:
    keys = [(what.get("Item") or what["Key"]) for op in transaction.ops for what in op.values()]
    return {
        item["pk"]["S"] for item in keys if item["pk"]["S"].startswith(f"{kind} ") and item["sk"]["S"] == ITEM
    }


def states(transaction: Transaction) -> dict[str, str]:
    """User's state → the expression that updates it."""
    updates = [op["Update"] for op in transaction.ops if "Update" in op]
    return {
        update["Key"]["pk"]["S"]: update["UpdateExpression"]
        for update in updates
        if update["Key"]["sk"]["S"] == "state"
    }


@pytest.mark.parametrize("people", [1, 89, 95, 400])
def test_an_item_of_any_number_of_owners_stays_within_every_transactions_limits(people: int) -> None:
    write = planned(
        ITEM,
        upserts=[(chunk(number, user_id=f"user-{number}"), axis(0)) for number in range(people)],
        messages=[replace(row(number, "kept"), user_id=f"user-{number}") for number in range(people)],
        facts=replace(
            FACTS,
            hidden_since=1.0,
            events=tuple(ItemEvent("owner", f"p{n}", 1.0, f"h{n}", f"h{n + 1}") for n in range(people)),
        ),
        key=key_of("chat:1"),
        name="chat:1",
    )
    cut = transactions(write)
    assert max(len(one.ops) for one in cut) <= MAX_OPS
    for one in cut:
        rows = [rows_key(what.get("Item") or what["Key"]) for op in one.ops for what in op.values()]
        assert len(set(rows)) == len(rows)
    kinds = {kind: set[str]().union(*(subject_rows(one, kind) for one in cut)) for kind in ("user", "owner")}
    assert (len(kinds["user"]), len(kinds["owner"])) == (people + 1, people + 1)  # FACTS have an owner, too


def test_an_item_is_asked_by_its_owners_and_marked_at_them_before_anything_of_theirs_is_written() -> None:
    users = [f"user-{number}" for number in range(200)]
    write = planned(
        ITEM,
        upserts=[(chunk(number, user_id=user), axis(0)) for number, user in enumerate(users)],
        messages=[replace(row(number), user_id=user) for number, user in enumerate(users)],
    )
    cut = transactions(write)
    begun = next(at for at, one in enumerate(cut) if any("#" in sk for _, sk in places(one)))
    ended = max(at for at, one in enumerate(cut) if any("#" in sk for _, sk in places(one)))
    marks = [state for one in cut[: begun + 1] for state, text in states(one).items() if "#applying" in text]
    clears = [
        state for one in cut[ended:] for state, text in states(one).items() if "DELETE #applying" in text
    ]
    assert len(set(marks)) == len(set(clears)) == len(users)
    told = set[str]().union(*(subject_rows(one, "user") for one in cut[: begun + 1]))
    assert len(told) == len(users)
    subjects = [one.ops[0]["Update"]["ExpressionAttributeValues"][":subjects"]["S"] for one in cut]
    known = [ledger_record({"revision": {"N": "1"}, "subjects": {"S": each}}).subjects for each in subjects]
    assert [len(each) for each in known] == sorted(len(each) for each in known)
    assert {name for _, name in known[-1]} == set(users)


def test_facts_and_the_list_of_hidden_items_move_with_the_last_transaction_only() -> None:
    write = planned(
        ITEM,
        messages=[row(number) for number in range(40)],
        facts=replace(FACTS, hidden_since=7.0),
        key=key_of("chat:1"),
    )
    before = LedgerRecord(facts=replace(FACTS, hidden_since=3.0), key=key_of("chat:1"))
    *half, last = transactions(write, ledger=before, max_ops=15)
    since = {hidden_key("acme", ITEM, one)["sk"]["S"]: one for one in (3.0, 7.0)}
    for one in half:
        assert ":facts" not in one.ops[0]["Update"]["ExpressionAttributeValues"]
        assert ":applying" in one.ops[0]["Update"]["ExpressionAttributeValues"]
        assert not since.keys() & {sk for _, sk in places(one)}
    told = {since[sk]: verb for verb, sk in places(last) if sk in since}
    assert told == {7.0: "Put", 3.0: "Delete"}
    assert last.ops[0]["Update"]["ExpressionAttributeValues"][":facts"] == {"S": written_facts(write.facts)}


def test_a_chunk_is_closed_after_its_holders_are_written_and_opened_before_they_go() -> None:
    closing = planned(ITEM, moves={uid(1): ChunkMove("mika", "kept")}, messages=[row(1, "kept")])
    known = Known({uid(1): held_chunk(1)}, {mid(1): message_item("acme", ITEM, row(1))})
    [one] = transactions(closing, known)
    assert [place for place in places(one) if "#" in place[1]] == [
        ("Put", f"holder#{mid(1)}#{uid(1)}"),
        ("Delete", f"chunk#{uid(1)}"),
        ("Put", f"closed#{uid(1)}"),
        ("Delete", f"message#{mid(1)}"),
        ("Put", f"kept#{mid(1)}"),
        ("Put", f"named#n1#{mid(1)}"),
    ]
    opening = planned(ITEM, moves={uid(1): NOBODYS})
    [one] = transactions(opening, Known({uid(1): held_chunk(1, "kept")}))
    assert [place for place in places(one) if "#" in place[1]] == [
        ("Delete", f"closed#{uid(1)}"),
        ("Put", f"chunk#{uid(1)}"),
        ("Delete", f"holder#{mid(1)}#{uid(1)}"),
    ]


def test_nobodys_chunks_touch_no_users_state() -> None:
    write = planned(ITEM, upserts=[(chunk(2, user_id=""), axis(0))], moves={uid(1): NOBODYS})
    [one] = transactions(write, Known({uid(1): held_chunk(1)}))
    states = [
        what for op in one.ops for what in op.values() if what.get("Key", {}).get("sk") == {"S": "state"}
    ]
    assert [what["Key"]["pk"]["S"] for what in states] == ["user 4:acme4:mika"]
    assert states[0]["ExpressionAttributeValues"][":chunks"] == {"N": "-1"}


def test_an_item_that_may_no_longer_expire_says_so() -> None:
    [one] = transactions(planned(ITEM), ledger=LedgerRecord(expires_at=TIME))
    assert "#expires_at" in one.ops[0]["Update"]["UpdateExpression"].partition("REMOVE")[2]
    [one] = transactions(planned(ITEM, facts=ItemFacts()), ledger=LedgerRecord(expires_at=TIME))
    assert one.ops[0]["Update"]["ExpressionAttributeValues"][":expires_at"] == {"S": TIME.isoformat()}


@pytest.mark.parametrize("state", ["live", "kept", "unexplained", "erased"])
def test_a_message_is_written_without_what_says_nothing_and_read_back_the_same(state: Any) -> None:
    plain = row(1, state, "n")
    assert "said_at" not in written(plain)
    full = replace(plain, said_at=0.1, saved_at=2.5, at_tail=True, added="p", hidden_at=0.0, ordinal=3)
    for one in (plain, full, replace(full, user_id="ミ#%", reason="capped")):
        assert message_row(message_item("acme", ITEM, one)) == one


def test_an_earlier_moment_sorts_before_a_later_one() -> None:
    moments = [0.0, 0.000001, 1.5, 10.0, 999_999_999.9, 1_764_000_000.25, 1_764_000_000.250001]
    assert sorted(map(since_sk, reversed(moments))) == list(map(since_sk, moments))


def test_a_row_that_only_a_lease_made_says_nothing_of_the_item() -> None:
    leased = {"pk": {"S": "p"}, "sk": {"S": "ledger"}, "revision": {"N": "1"}, "lease_until": {"N": "5"}}
    assert ledger_record(leased) == LedgerRecord(revision=1)
    assert ledger_record(None) == LedgerRecord()


def test_every_field_of_a_message_has_a_place_in_its_record() -> None:
    assert MessageRow("i", "n", 0, "live", "u") == message_row(
        {"row": {"S": written(MessageRow("i", "n", 0, "live", "u"))}}
    )
