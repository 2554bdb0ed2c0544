"""The rules of the message ledger in the small world; and each of them, broken on purpose, is caught there."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from faults import small_world

from pipeline.ingest import message_ledger, ownership, plan
from pipeline.ingest.notices import Notice
from pipeline.ingest.ownership import Cover, Ownership
from pipeline.ingest.reconcile import Reconciler

RUNS = 300
MOST_RUNS = 4_000
Patch = pytest.MonkeyPatch


@pytest.mark.parametrize("losses", [0.0, 0.3])
def test_the_small_world_ends_as_it_must(losses: float) -> None:
    wrong = {seed: small_world.run(seed, losses=losses) for seed in range(RUNS)}
    assert {seed: found for seed, found in wrong.items() if found} == {}


def what_nobody_explains_is_shown(patch: Patch) -> None:
    real = message_ledger._visible
    patch.setattr(
        message_ledger, "_visible", lambda row, facts: row.state == "unexplained" or real(row, facts)
    )


def what_was_seen_does_not_count(patch: Patch) -> None:
    patch.setattr(message_ledger, "_covers", lambda transition, row: transition.position > row.resolved)


def the_oldest_transition_decides(patch: Patch) -> None:
    real = message_ledger.Evidence.of_text
    patch.setattr(message_ledger.Evidence, "of_text", lambda self, name: tuple(reversed(real(self, name))))


def erased_rows_do_not_stay(patch: Patch) -> None:
    real = message_ledger._judged

    def judged(row: Any, evidence: Any, *, there: bool) -> Any:
        made = real(row, evidence, there=there)
        return None if made and made.state == "erased" and not there else made

    patch.setattr(message_ledger, "_judged", judged)


def nobody_asks_when_it_was_saved(patch: Patch) -> None:
    patch.setattr(message_ledger, "_dated", lambda copies, *_: list(copies))


def the_owner_of_now_was_always_the_owner(patch: Patch) -> None:
    patch.setattr(ownership, "owners_at", lambda _, current, __: frozenset({current}))


def no_request_covers_anything(patch: Patch) -> None:
    patch.setattr(Ownership, "cover", lambda *_: Cover(None, None))


def what_is_kept_shows_whatever_became_of_its_item(patch: Patch) -> None:
    patch.setattr(message_ledger, "_kept_shows", lambda *_: True)


def copies_are_counted_from_what_is_there(patch: Patch) -> None:
    real = message_ledger._targets

    def targets(transition: Any, present: int, away: Any, decided: Any) -> Any:
        if transition.gone and not transition.everything:
            return [row for row in away if message_ledger._covers(transition, row)][:0]
        return real(transition, present, away, decided)

    patch.setattr(message_ledger, "_targets", targets)


def a_late_transition_changes_nothing(patch: Patch) -> None:
    from pipeline.ingest import reconcile  # noqa: PLC0415  # only here

    patch.setattr(reconcile, "would_change", lambda *_: False)


def a_kept_message_goes_to_whoever_owns_the_item(patch: Patch) -> None:
    def owner(_: Any, row: Any, evidence: Any) -> str:
        document = evidence.reading.document
        return document.user_id if document else row.user_id

    patch.setattr(message_ledger, "_owner", owner)


def a_change_of_owner_that_no_record_told_is_forgotten(patch: Patch) -> None:
    patch.setattr(message_ledger, "with_change_seen", lambda events, *_: tuple(events))


def nothing_stands_in_for_what_is_withheld(patch: Patch) -> None:
    patch.setattr(plan._Parts, "shown", lambda *_: [])


def what_is_left_of_a_dead_chunk_is_dropped(patch: Patch) -> None:
    patch.setattr(plan._Parts, "left", lambda *_: [])


def a_notice_loses_its_transitions_before_they_are_stored(patch: Patch) -> None:
    patch.setattr(
        Reconciler,
        "_snapshot",
        _without_transitions(Reconciler._snapshot),
    )


def _without_transitions(real: Callable[..., Any]) -> Callable[..., Any]:
    def snapshot(self: Any, notice: Notice, *rest: Any) -> Any:
        made = real(self, notice, *rest)
        return made and dataclasses.replace(made, notice=notice.without_transitions())

    return snapshot


MUTATIONS: Mapping[str, Callable[[Patch], None]] = {
    mutation.__name__: mutation
    for mutation in (
        what_nobody_explains_is_shown,
        what_was_seen_does_not_count,
        the_oldest_transition_decides,
        erased_rows_do_not_stay,
        nobody_asks_when_it_was_saved,
        the_owner_of_now_was_always_the_owner,
        no_request_covers_anything,
        what_is_kept_shows_whatever_became_of_its_item,
        copies_are_counted_from_what_is_there,
        a_late_transition_changes_nothing,
        a_kept_message_goes_to_whoever_owns_the_item,
        a_change_of_owner_that_no_record_told_is_forgotten,
        nothing_stands_in_for_what_is_withheld,
        what_is_left_of_a_dead_chunk_is_dropped,
        a_notice_loses_its_transitions_before_they_are_stored,
    )
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_rule_is_caught_in_the_small_world(monkeypatch: Patch, name: str) -> None:
    MUTATIONS[name](monkeypatch)
    for seed in range(MOST_RUNS):
        found = small_world.run(seed, losses=(0.0, 0.3)[seed % 2])
        if found:
            print(f"{name}: caught by seed {seed}: {found[0]}")
            return
    pytest.fail(f"{name} was not caught by any seed")
