"""The TypeScript client: what its types must be by the OpenAPI document, and the Node that runs it."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import playwright
from support.not_run import not_run
from support.pages import ROOT

CLIENT = ROOT / "client" / "typescript" / "vector_memory.ts"
NODE = Path(playwright.__file__).parent / "driver" / "node"
"""Playwright's own; it runs TypeScript as it is, and checks no types."""
BEGIN, END = "// Types: begin", "// Types: end"
_REQUESTS = ("SearchRequest", "ContextRequest", "RelatedRequest")
_ANSWERS = (
    "Why", "Memory", "RelatedSession", "SearchAnswer", "ContextAnswer", "RelatedAnswer", "NotesAnswer", "ForgetAnswer",
    "StatusAnswer", "HealthAnswer",
)  # fmt: skip
_PLAIN = {
    "string": "string",
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "null": "null",
    "object": "Record<string, unknown>",
}


@cache
def _starts() -> bool:
    return not subprocess.run([NODE, "--version"], capture_output=True, check=False).returncode


def need_node() -> None:
    """End the test if Node cannot be started here: it is linked against a library that a small machine lacks."""
    if not _starts():
        not_run("Playwright's Node needs a library. Install it: apt-get install libatomic1")


def described() -> str:
    """Return the interfaces that the OpenAPI document describes."""
    schemas = json.loads((ROOT / "pipeline" / "handlers" / "openapi.json").read_text())["components"][
        "schemas"
    ]
    return "\n".join(_interface(name, schemas[name]) for name in (*_REQUESTS, *_ANSWERS))


def written() -> str:
    """Return the interfaces that the client has."""
    return CLIENT.read_text("utf-8").partition(f"{BEGIN}\n")[2].partition(f"{END}\n")[0].strip("\n")


def _interface(name: str, schema: Mapping[str, Any]) -> str:
    lines = "".join(f"  {line}\n" for line in _fields(name in _REQUESTS, schema))
    return f"/** {schema['description'].replace('`', '')} */\nexport interface {name} {{\n{lines}}}"


def _fields(asked: bool, schema: Mapping[str, Any]) -> Iterator[str]:  # a request, or an answer
    for name, one in schema["properties"].items():
        optional = "" if name in schema.get("required", ()) else "?"
        types = [type_ for type_ in _types(one) if not (asked and optional and type_ == "null")]
        yield f"{name}{optional}: {' | '.join(types)};"


def _types(schema: Mapping[str, Any]) -> list[str]:
    match schema:
        case {"anyOf": several}:
            return [type_ for one in several for type_ in _types(one)]
        case {"$ref": name}:
            found = name.rpartition("/")[2]
        case {"enum": values}:
            return [json.dumps(value) for value in values]
        case {"const": value}:
            found = json.dumps(value)
        case {"type": "array", "items": items}:
            inner = _types(items)
            found = f"{inner[0]}[]" if len(inner) == 1 else f"({' | '.join(inner)})[]"
        case _:
            found = _PLAIN[schema["type"]]
    return [found]
