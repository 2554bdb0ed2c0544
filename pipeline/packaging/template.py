"""Reads template.yaml, and what each function's variables come to with given parameters."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

Node = Any
"""JSON, with intrinsic functions spelt out."""


def spelt_out(template: str) -> dict[str, Node]:
    """Return a template in YAML with ``!Ref`` and its like as CloudFormation's JSON has them."""
    read: dict[str, Node] = yaml.load(template, Loader=_Loader)  # noqa: S506  # a safe loader, and tags
    return read


def environments(template: dict[str, Node], given: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each function's name (``stream``, ``query``, ...) and its variables.

    What only a deployment knows (an ARN, a URL) stands as ``https://deployed``, which every setting takes.
    """
    shared = template["Globals"]["Function"]["Environment"]["Variables"]
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            own = resource["Properties"].get("Environment", {}).get("Variables", {})
            values = {
                name: _value(node, template["Parameters"], given) for name, node in {**shared, **own}.items()
            }
            yield resource["Properties"]["Handler"].split(".")[-2], values


def _value(node: Node, parameters: Mapping[str, Node], given: Mapping[str, str]) -> str:
    if not isinstance(node, Mapping):
        return str(node)
    name = str(node.get("Ref", ""))
    if name in parameters:
        return given.get(name, str(parameters[name].get("Default", "")))
    return "https://deployed"


class _Loader(yaml.SafeLoader):
    """Spells ``!Ref`` and its like out."""


def _function(loader: _Loader, name: str, node: yaml.Node) -> Node:
    given: Node
    if isinstance(node, yaml.ScalarNode):
        given = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        given = loader.construct_sequence(node, deep=True)
    else:
        given = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]  # what is left is a mapping
    if name == "GetAtt":
        given = given.split(".", 1) if isinstance(given, str) else given
    return {name if name in {"Ref", "Condition"} else f"Fn::{name}": given}


_Loader.add_multi_constructor("!", _function)
