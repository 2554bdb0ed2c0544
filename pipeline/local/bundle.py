"""The function bundle, put together from what is installed: the package and what it declares to need."""

import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path, PurePath

from packaging.requirements import Requirement

PROJECT = "vector-memory"
IN_THE_RUNTIME = frozenset({"boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six"})
"""Lambda's Python runtimes carry boto3; so does the local AWS."""

_UNDEPLOYED = frozenset({"local", "lab"})
_UNWANTED_PARTS = frozenset({"__pycache__", "tests", "test", "include"})
_UNWANTED_ENDINGS = (".pyi", ".h", ".pxd", ".pyx", ".lib", ".exe")


def build(target: Path, extras: frozenset[str] = frozenset(), without: frozenset[str] = frozenset()) -> Path:
    """Write the bundle to ``target``.

    Args:
        extras: those of the project's that it needs as well.
        without: distributions to leave out, with what only they need.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as bundle:
        for name in sorted(_closure(PROJECT, extras, IN_THE_RUNTIME | without) - {PROJECT}):
            for path, inside in _files(distribution(name)):
                bundle.write(path, inside)
        package = Path(__file__).parents[1]
        for path in sorted(package.rglob("*")):
            inside = path.relative_to(package.parent)
            if path.suffix in {".py", ".sql"} and inside.parts[1] not in _UNDEPLOYED:
                bundle.write(path, inside)
    return target


def _closure(name: str, extras: frozenset[str], without: frozenset[str]) -> set[str]:
    found: dict[str, frozenset[str]] = {}
    todo = [(name, extras)]
    while todo:
        current, wanted = todo.pop()
        if current in without or (current in found and wanted <= found[current]):
            continue
        found[current] = found.get(current, frozenset()) | wanted
        todo += [(_normal(need.name), frozenset(need.extras)) for need in _needs(current, found[current])]
    return set(found)


def _needs(name: str, extras: frozenset[str]) -> Iterator[Requirement]:
    for text in distribution(name).requires or ():
        need = Requirement(text)
        if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in extras | {""}):
            yield need


def _files(owner: Distribution) -> Iterator[tuple[Path, PurePath]]:
    for file in owner.files or ():
        unwanted = _UNWANTED_PARTS.intersection(file.parts) or file.name.endswith(_UNWANTED_ENDINGS)
        if not unwanted and not file.parts[0].startswith(".."):
            yield Path(str(file.locate())), file


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
