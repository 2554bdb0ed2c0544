"""How many mutations go into one transaction, and what they mean together. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pipeline.stores.ledger.mutations import Mutation, Op, add

MAX_BYTES = 2_500_000
"""A transaction may have 4 MB; binary grows by a third on its way."""
_OVERHEAD_BYTES = 300


def batches(mutations: Sequence[Mutation], room: int) -> Iterator[list[Mutation]]:
    """Cut the mutations where a transaction would take no more; at least one, which may be empty.

    Args:
        room: operations that a transaction takes besides, those of its users' states included.
    """
    batch: list[Mutation] = []
    ops = size = 0
    users: frozenset[str] = frozenset()
    for mutation in mutations:
        cost, bytes_ = len(mutation.ops), sum(map(_size, mutation.ops))
        together = users | mutation.states
        if batch and (ops + cost + len(together) > room or size + bytes_ > MAX_BYTES):
            yield batch
            batch, ops, size, together = [], 0, 0, mutation.states
        batch.append(mutation)
        ops, size, users = ops + cost, size + bytes_, together
    yield batch


def _size(op: Op) -> int:
    """Return about how many bytes an operation takes on its way."""
    item = next(iter(op.values())).get("Item", {})
    return _OVERHEAD_BYTES + sum(_value_size(value) for value in item.values())


def _value_size(value: Mapping[str, Any]) -> int:
    [content] = value.values()
    if isinstance(content, str):
        return 2 * len(content.encode("utf-8", "surrogatepass"))
    return 2 * len(content) if isinstance(content, bytes) else 10


def total_of(mutations: Iterable[Mutation]) -> Mutation:
    """Return what several mutations mean together, without their operations."""
    sums, owners = Counter[str](), Counter[str]()
    touched: dict[str, str] = {}
    users: dict[str, tuple[int, int]] = {}
    all_ = list(mutations)
    for one in all_:
        add(sums, one.sums)
        add(owners, one.owners)
        touched |= one.touched
        for user, (total, count) in one.users.items():
            known = users.get(user, (0, 0))
            users[user] = (known[0] + total, known[1] + count)
    return Mutation(
        sums=sums,
        owners=owners,
        touched=touched,
        users=users,
        adopters=frozenset().union(*(one.adopters for one in all_)),
        subjects=frozenset().union(*(one.subjects for one in all_)),
        marks=frozenset().union(*(one.marks for one in all_)),
        clears=frozenset().union(*(one.clears for one in all_)),
    )
