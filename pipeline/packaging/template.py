"""Reads template.yaml, and what its rules, its conditions and each function's variables come to with given parameters. Pure."""

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


def broken_rules(template: Mapping[str, Node], given: Mapping[str, str]) -> list[str]:
    """Return what the template's rules say of parameters that do not go together; nothing is best.

    CloudFormation asserts the same, but only once the bundles are uploaded.
    """
    values = parameter_values(template, given)
    return [
        assertion["AssertDescription"]
        for rule in template.get("Rules", {}).values()
        if "RuleCondition" not in rule or holds(rule["RuleCondition"], values, {})
        for assertion in rule["Assertions"]
        if not holds(assertion["Assert"], values, {})
    ]


def parameter_values(template: Mapping[str, Node], given: Mapping[str, str]) -> dict[str, Node]:
    """Return every parameter's value, its default where none is given; lists as lists."""
    return {name: _parameter(one, given.get(name)) for name, one in template["Parameters"].items()}


def holds(node: Node, given: Mapping[str, Node], conditions: Mapping[str, Node]) -> bool:
    """Evaluate a condition."""
    [(function, words)] = node.items()
    match function:
        case "Condition":
            return holds(conditions[words], given, conditions)
        case "Fn::Not":
            return not holds(words[0], given, conditions)
        case "Fn::And":
            return all(holds(one, given, conditions) for one in words)
        case "Fn::Or":
            return any(holds(one, given, conditions) for one in words)
        case "Fn::Equals":
            return bool(_operand(words[0], given) == _operand(words[1], given))
    raise ValueError(f"a condition uses {function}, which is not known here")


def _operand(node: Node, given: Mapping[str, Node]) -> Node:
    match node:
        case {"Ref": name}:
            return given[name]
        case {"Fn::Join": [between, words]}:
            return str(between).join(_operand(words, given))
        case dict():
            raise ValueError(f"a condition uses {next(iter(node))}, which is not known here")
    return str(node)


def _parameter(declared: Mapping[str, Node], value: str | None) -> Node:
    text = str(declared.get("Default", "")) if value is None else value
    return text.split(",") if declared["Type"] == "CommaDelimitedList" else text


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
