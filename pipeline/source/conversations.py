"""Finds the messages in what an app saved as a conversation: a list, an object around one, a tree, pairs. Pure."""

from collections.abc import Mapping

from pipeline.source import shapes
from pipeline.source.messages import decoded, fields_of

_MESSAGE_AT = frozenset({*shapes.ROLES_FIRST, "content", "parts", "text"})
"""Fields of a message: what has one of them is no question with its answer."""


def messages_in(value: object) -> list[object] | None:
    """Return the messages that ``value`` holds, whether bare or wrapped; ``None`` if it holds no list of them.

    A record of a question and its answer is two messages.
    """
    found = _list_in(value)
    return None if found is None else [message for each in found for message in _halves(each)]


def _halves(value: object) -> list[object]:
    value = decoded(value)
    if not isinstance(value, Mapping):
        return [value]
    fields = fields_of(value)
    if not _MESSAGE_AT.isdisjoint(fields):
        return [value]
    pair = next(
        (pair for pair in shapes.PAIRS_AT if all(isinstance(fields.get(half), str) for half in pair)), None
    )
    if pair is None:
        return [value]
    times = {
        name: held for name, held in fields.items() if name in shapes.TIME_AT or name in shapes.METADATA_AT
    }
    roles = ("user", "assistant")
    return [{**times, "role": role, "content": fields[half]} for role, half in zip(roles, pair, strict=True)]


def _list_in(value: object) -> list[object] | None:
    if isinstance(value, list):
        return value
    if not isinstance(value, Mapping):
        return None
    fields = fields_of(value)
    tree = fields.get("mapping")
    if isinstance(tree, Mapping):
        return _branch(tree, fields.get("currentnode"))
    return next((found for name in shapes.LISTS_AT if (found := _listed(fields.get(name))) is not None), None)


def _listed(held: object) -> list[object] | None:
    """Return a list as it is, and the values of an object that holds messages by their ids."""
    if isinstance(held, list):
        return held
    if not isinstance(held, Mapping) or not held:
        return None
    if "messages" in held:
        return _list_in(held)
    return list(held.values()) if all(isinstance(each, Mapping) for each in held.values()) else None


def _branch(tree: Mapping[str, object], leaf: object) -> list[object]:
    """Return the messages of a ChatGPT conversation from its root to ``leaf``; all of them if no leaf is named."""
    nodes = {name: fields_of(node) for name, node in tree.items() if isinstance(node, Mapping)}
    if not isinstance(leaf, str) or leaf not in nodes:
        return [node.get("message") for node in nodes.values()]
    path: list[object] = []
    left = dict(nodes)
    at: object = leaf
    while isinstance(at, str) and at in left:
        node = left.pop(at)
        path.append(node.get("message"))
        at = node.get("parent")
    return path[::-1]
