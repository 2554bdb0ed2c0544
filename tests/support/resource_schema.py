"""CloudFormation's own schemas of resources, as cfn-lint carries them, and resources with their functions carried out."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from support.not_run import not_run

from pipeline.local.conditions import live
from pipeline.packaging.template import holds, spelt_out

PYTHON = Path(sys.prefix) / "sam" / "bin" / "python"
ACCOUNT = "123456789012"
_CHECK = """
import json, sys
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER
from jsonschema import Draft7Validator

def wrong(kind, properties):
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    found = [f"{'/'.join(map(str, one.path))}: {one.validator}" for one in Draft7Validator(schema).iter_errors(properties)]
    given = [name.removeprefix("/properties/") for name in schema.get("readOnlyProperties") or ()]
    return found + [f"{name}: readOnly" for name in given if name in properties]

print(json.dumps([wrong(*one) for one in json.load(sys.stdin)]))
"""


def refusals(resources: Sequence[tuple[str, Mapping[str, Any]]]) -> list[list[str]]:
    """Return what the schema says against each resource: where, and which rule; of a type and its properties."""
    if not PYTHON.exists():
        not_run("cfn-lint, which carries CloudFormation's schemas, is not here. Run scripts/setup sam")
    done = subprocess.run(
        [PYTHON, "-c", _CHECK],
        input=json.dumps(resources),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    found: list[list[str]] = json.loads(done.stdout)
    return found


def resolved(template: str, parameters: Mapping[str, str], of: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return name → type and properties of the resources that are made and whose type begins with ``of``.

    Args:
        template: as YAML.
        parameters: name → value, a list's with commas.
    """
    read = spelt_out(template)
    given = {
        name: parameters.get(name, str(one.get("Default", ""))) for name, one in read["Parameters"].items()
    }
    lists = {name for name, one in read["Parameters"].items() if one["Type"] == "CommaDelimitedList"}
    values = {name: value.split(",") if name in lists else value for name, value in given.items()}
    reader = _Reader(values, read["Conditions"])
    made = json.loads(live(template, parameters))["Resources"]
    return {
        name: (one["Type"], reader.value(one["Properties"]))
        for name, one in made.items()
        if one["Type"].startswith(of)
    }


class _Reader:
    """Carries out a template's functions; what another resource would say is an ARN made up here.

    Args:
        values: of the parameters.
        conditions: of the template.
    """

    def __init__(self, values: Mapping[str, Any], conditions: Mapping[str, Any]) -> None:
        self._values, self._conditions = values, conditions

    def value(self, node: Any) -> Any:  # noqa: PLR0911  # one a function
        """Return ``node`` as CloudFormation would see it."""
        match node:
            case {"Ref": name}:
                return self._values.get(name, name)
            case {"Fn::GetAtt": [name, attribute]}:
                return f"arn:aws:made-up::{ACCOUNT}:{name}/{attribute}"
            case {"Fn::If": [name, yes, no]}:
                return self.value(
                    yes if holds(self._conditions[name], self._values, self._conditions) else no
                )
            case {"Fn::Join": [between, words]}:
                return str(between).join(self.value(words))
            case {"Fn::Select": [place, words]}:
                return self.value(words)[place]
            case {"Fn::Sub": [text, more]}:
                return self._substituted(text, {name: self.value(one) for name, one in more.items()})
            case {"Fn::Sub": text}:
                return self._substituted(text, {})
            case dict():
                said = {name: self.value(one) for name, one in node.items()}
                return {name: one for name, one in said.items() if one != "AWS::NoValue"}
            case list():
                return [self.value(one) for one in node]
        return node

    def _substituted(self, text: str, more: Mapping[str, str]) -> str:
        def said(found: re.Match[str]) -> str:
            name, _, attribute = found[1].partition(".")
            if attribute:
                return str(self.value({"Fn::GetAtt": [name, attribute]}))
            return str(more[name] if name in more else self.value({"Ref": name}))

        return re.sub(r"\$\{([^}]+)\}", said, text)
