"""Which files a bundle takes from a folder of installed distributions, and the zip made of them."""

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePath

from packaging.requirements import Requirement

from pipeline.packaging.contents import IN_THE_RUNTIME, NEVER_IMPORTED, UNDEPLOYED

Files = Mapping[PurePath, Path]
"""Path inside the bundle → file on disk."""

_UNWANTED_PARTS = frozenset({"__pycache__", "tests", "test", "include", "bin"})
_UNWANTED_ENDINGS = (".pyi", ".h", ".pxd", ".pyx", ".lib", ".exe", ".a")
_EPOCH = (2020, 1, 1, 0, 0, 0)


def installed(folders: Sequence[str] | None = None) -> dict[str, Distribution]:
    """Return the distributions in ``folders`` (default: this interpreter's) by normal name."""
    found = distributions() if folders is None else distributions(path=list(folders))
    return {normal(one.metadata["Name"]): one for one in found}


def collect(
    needs: frozenset[str],
    available: Mapping[str, Distribution],
    *,
    without: frozenset[str] = frozenset(),
    environment: Mapping[str, str] | None = None,
) -> Files:
    """Return the files of a bundle: ``needs``, what those need but for what the runtime has, and the package.

    Args:
        without: distributions to leave out, with what only they need.
        environment: PEP 508 values of the machine it is for, where that is not this one.

    Raises:
        LookupError: a distribution that is needed is not available.
    """
    excluded = IN_THE_RUNTIME | NEVER_IMPORTED | without
    return {**dependency_files(needs, available, excluded, environment), **package_files()}


def dependency_files(
    needs: frozenset[str],
    available: Mapping[str, Distribution],
    without: frozenset[str] = frozenset(),
    environment: Mapping[str, str] | None = None,
) -> Files:
    """Return the files of ``needs`` and of what those need."""
    names = _closure(needs, available, without, dict(environment or {}))
    return {inside: path for name in sorted(names) for inside, path in _files(available[name])}


def closure(
    needs: frozenset[str],
    available: Mapping[str, Distribution],
    environment: Mapping[str, str] | None = None,
    without: frozenset[str] = IN_THE_RUNTIME | NEVER_IMPORTED,
) -> frozenset[str]:
    """Return the names of all that ``needs`` need, but for ``without``: what the runtime has and what nothing imports."""
    return frozenset(_closure(needs, available, without, dict(environment or {})))


def package_files() -> Files:
    """Return the package's own files that functions use."""
    package = Path(__file__).parents[1]
    found = (path for path in sorted(package.rglob("*")) if path.suffix in {".py", ".sql", ".json", ".pem"})
    inside = {path.relative_to(package.parent): path for path in found}
    return {name: path for name, path in inside.items() if name.parts[1] not in UNDEPLOYED}


def zipped(files: Files, target: Path, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write a zip that depends on names and contents only, so that equal code has an equal hash."""
    with zipfile.ZipFile(target, "w", compression) as bundle:
        for inside in sorted(files):
            entry = zipfile.ZipInfo(str(inside), _EPOCH)
            entry.external_attr, entry.compress_type = 0o100644 << 16, compression
            bundle.writestr(entry, files[inside].read_bytes())
    return target


def normal(name: str) -> str:
    """Return a distribution's name as lock files write it."""
    return name.lower().replace("_", "-").replace(".", "-")


def _closure(
    needs: frozenset[str],
    available: Mapping[str, Distribution],
    without: frozenset[str],
    environment: dict[str, str],
) -> set[str]:
    found: dict[str, frozenset[str]] = {}
    todo = [Requirement(need) for need in needs]
    while todo:
        need = todo.pop()
        name, extras = normal(need.name), frozenset(need.extras)
        if name in without or (name in found and extras <= found[name]):
            continue
        if name not in available:
            raise LookupError(f"{name} is needed but not installed: is it in lambda.lock?")
        found[name] = found.get(name, frozenset()) | extras
        todo += _needs(available[name], found[name], environment)
    return set(found)


def _needs(owner: Distribution, extras: frozenset[str], environment: dict[str, str]) -> Iterator[Requirement]:
    for text in owner.requires or ():
        need = Requirement(text)
        given = ({**environment, "extra": extra} for extra in extras | {""})
        if need.marker is None or any(need.marker.evaluate(values) for values in given):
            yield need


def _files(owner: Distribution) -> Iterator[tuple[PurePath, Path]]:
    for file in owner.files or ():
        unwanted = _UNWANTED_PARTS.intersection(file.parts) or file.name.endswith(_UNWANTED_ENDINGS)
        if not unwanted and not file.parts[0].startswith(".."):
            yield PurePath(file), Path(str(file.locate()))
