"""template.yaml as SAM transforms it, through the translator that the local AWS carries."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.local.stack import TEMPLATE

Template = dict[str, Any]
PYTHON = Path(sys.prefix) / "ministack" / "bin" / "python"
_READ = """
import json, sys
from samtranslator.yaml_helper import yaml_parse
print(json.dumps(yaml_parse(sys.stdin.read())))
"""
_TRANSFORM = """
import json, sys
from samtranslator.translator.transform import transform

class NoPolicies:
    def load(self):
        return {}

def transformed(template, parameters):
    try:
        return transform(template, parameters, NoPolicies())
    except Exception as error:
        return {"refused": str(error)}

print(json.dumps([transformed(*one) for one in json.load(sys.stdin)]))
"""


def source() -> Template:
    """Return template.yaml with intrinsic functions spelt out."""
    read: Template = _run(_READ, TEMPLATE.read_text("utf-8"))
    return read


def transformed(templates: Sequence[Template], **parameters: str) -> list[Template]:
    """Return each template as CloudFormation would get it from SAM."""
    done: list[Template] = _run(_TRANSFORM, json.dumps([[one, parameters] for one in templates]))
    return done


def mutated(template: Template, change: Callable[[Template], object]) -> Template:
    """Return a copy of ``template`` after ``change``."""
    changed = copy.deepcopy(template)
    change(changed)
    assert changed != template, "the mutation changed nothing: the template has moved away from under it"
    return changed


def spelt(value: Any) -> str:
    """Return a resolved value or an intrinsic function as one short line."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return value if isinstance(value, str) else json.dumps(value)
    [(function, given)] = value.items()
    if function in {"Ref", "Fn::Sub"}:
        return spelt(given)
    if function == "Fn::GetAtt":
        return ".".join(given)
    words = given if isinstance(given, list) else [given]
    return f"{function.removeprefix('Fn::')}({', '.join(map(spelt, words))})"


def _run(program: str, given: str) -> Any:
    done = subprocess.run(
        [PYTHON, "-c", program],
        input=given,
        capture_output=True,
        text=True,
        check=True,
        env={"AWS_DEFAULT_REGION": "us-east-1", "PATH": "/usr/bin:/bin"},
        timeout=120,
    )
    return json.loads(done.stdout)
