"""Tells how large the product's files and functions are: ``python tests/support/sizes.py``. It judges nothing.

The product is what is in the wheel of that name. Counted are files of more than 300 lines, functions of more than 30, and functions of more than 6 parameters.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
OTHER_WHEELS = {"local", "packaging"}
"""Folders that are in the wheel of the local stack."""
FILE_LINES, FUNCTION_LINES, PARAMETERS = 300, 30, 6
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Sizes(NamedTuple):
    """What is larger than it should be, by name → size; and the lines of all."""

    lines: int
    files: dict[str, int]
    functions: dict[str, int]
    parameters: dict[str, int]


def sizes(folder: Path) -> Sizes:
    """Measure every Python file of a folder."""
    paths = {path.relative_to(folder): path for path in folder.rglob("*.py")}
    sources = {
        name.as_posix(): path.read_text("utf-8")
        for name, path in paths.items()
        if name.parts[0] not in OTHER_WHEELS
    }
    lines = {name: len(source.splitlines()) for name, source in sources.items()}
    functions = [
        (f"{name}:{one.name}", one) for name, source in sources.items() for one in _functions(source)
    ]
    return Sizes(
        sum(lines.values()),
        _over(lines, FILE_LINES),
        _over({name: _length(one) for name, one in functions}, FUNCTION_LINES),
        _over({name: _parameters(one) for name, one in functions}, PARAMETERS),
    )


def _functions(source: str) -> Iterator[Function]:
    return (node for node in ast.walk(ast.parse(source)) if isinstance(node, Function))


def _length(function: Function) -> int:
    """Count a function's lines without its docstring."""
    told = ast.get_docstring(function, clean=False)
    return (function.end_lineno or function.lineno) - function.lineno + 1 - len((told or "").splitlines())


def _parameters(function: Function) -> int:
    given = function.args
    named = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len([name for name in named if name not in {"self", "cls"}])


def _over(measured: dict[str, int], limit: int) -> dict[str, int]:
    return {name: size for name, size in sorted(measured.items(), key=lambda pair: -pair[1]) if size > limit}


def told(found: Sizes) -> str:
    """Say the sizes in a few lines."""
    kinds = [
        (f"files of more than {FILE_LINES} lines", found.files),
        (f"functions of more than {FUNCTION_LINES} lines", found.functions),
        (f"functions of more than {PARAMETERS} parameters", found.parameters),
    ]
    listed = [
        f"{name}: {len(large)}" + "".join(f"\n  {size:5} {where}" for where, size in large.items())
        for name, large in kinds
    ]
    return "\n".join([f"lines: {found.lines}", *listed])


if __name__ == "__main__":
    print(told(sizes(ROOT / "pipeline")))
