"""A template as each local AWS takes it.

For LocalStack: without what its conditions leave out, and without SAM's names for aliases. Its engine (4.9 to 4.14) visits every resource before the SAM transform and takes a reference between two resources that
are both left out, or to something that only SAM makes (``Function.Alias``), for a mistake.
"""

import json
from collections.abc import Mapping
from typing import Any

from pipeline.packaging.template import holds, parameter_values, spelt_out

Node = Any
"""JSON, with intrinsic functions spelt out."""


def live(template: str, parameters: Mapping[str, str]) -> str:
    """Return ``template`` (YAML) as JSON, without resources and outputs whose condition is false; aliases by their ARN."""
    read: dict[str, Node] = spelt_out(template)
    given = parameter_values(read, parameters)
    for section in ("Resources", "Outputs"):
        read[section] = {
            name: one
            for name, one in read[section].items()
            if "Condition" not in one
            or holds(read["Conditions"][one["Condition"]], given, read["Conditions"])
        }
    return json.dumps(_spelt_out(read, read["Resources"]))


def for_ministack(template: str, parameters: Mapping[str, str]) -> str:
    """Return ``template`` (YAML) as JSON, as MiniStack takes it.

    It makes no alarms over several metrics, may be given an issuer of tokens without a certificate, and leaves a parameter that is a number a string, which its pollers compare with numbers.
    """
    read = _with_local_issuers(spelt_out(template))
    for one in read["Resources"].values():
        if scaling := one["Properties"].get("ScalingConfig"):
            name = scaling["MaximumConcurrency"]["Ref"]
            given = parameters.get(name, read["Parameters"][name]["Default"])
            scaling["MaximumConcurrency"] = int(given)
    read["Resources"] = {
        name: one
        for name, one in read["Resources"].items()
        if one["Type"] != "AWS::CloudWatch::Alarm" or "Metrics" not in one["Properties"]
    }
    return json.dumps(read)


def _with_local_issuers(read: dict[str, Node]) -> dict[str, Node]:
    """Return a template that takes an issuer of tokens on this machine, which has no certificate."""
    for name, one in read["Parameters"].items():
        if name == "JwtIssuer":
            one["AllowedPattern"] = "|https?://.+"
    return read


def _spelt_out(node: Node, resources: Mapping[str, Node]) -> Node:
    """Return ``node`` with SAM's ``Function.Alias`` as the ARN it stands for."""
    match node:
        case {"Ref": str(name)} if name.endswith(".Alias"):
            function = name.removesuffix(".Alias")
            alias = resources[function]["Properties"]["AutoPublishAlias"]
            return {"Fn::Sub": f"${{{function}.Arn}}:{alias}"}
        case dict():
            return {name: _spelt_out(one, resources) for name, one in node.items()}
        case list():
            return [_spelt_out(one, resources) for one in node]
    return node
