"""Run inside a bare interpreter (``python -I -S``): imports a bundle with nothing else but what Lambda's runtime has.

Arguments: the unpacked bundle, a folder with the runtime's own packages, the handler modules. Prints one JSON object:
``missing``, top-level names that some module of the bundle imports and nothing provides, and ``broken``, names that are
there and fail to import. It imports nothing of the project but what it probes.
"""

import ast
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path


def main(bundle: str, runtime: str, *handlers: str) -> dict[str, object]:
    """Return what the bundle lacks."""
    sys.path[:0] = [bundle, runtime]
    sys.dont_write_bytecode = True
    names = {
        name for path in Path(bundle, "pipeline").rglob("*.py") for name in imported(path.read_text("utf-8"))
    }
    tops = sorted({name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"pipeline"})
    missing = [top for top in tops if importlib.util.find_spec(top) is None]
    wanted = sorted(name for name in names if name.partition(".")[0] in set(tops) - set(missing))
    broken = [fault for name in [*wanted, *handlers] if (fault := _fault(name))]
    return {"missing": missing, "broken": broken, "imported": sorted(set(tops) - set(missing))}


def imported(source: str) -> Iterator[str]:
    """Yield every module a source imports, wherever it does, but for type checking."""
    todo: list[ast.AST] = [ast.parse(source)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            todo += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
        todo += ast.iter_child_nodes(node)


def _fault(name: str) -> str | None:
    try:
        importlib.import_module(name)
    except Exception as error:  # noqa: BLE001  # whatever an import can raise is the finding
        return f"{name}: {type(error).__name__}: {error}"
    return None


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))  # its answer
