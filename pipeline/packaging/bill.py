"""What a bundle is made of: a software bill of materials (CycloneDX 1.6), and the licences of everybody whose work is in it."""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from pipeline.packaging.collect import normal

BILL, NOTICES = "bom.cdx.json", "THIRD-PARTY-NOTICES.txt"
"""Their names in each bundle."""
_NAMESPACE = uuid.UUID("0c1c1d0e-6f4e-4b53-9a0b-5d2f3f7f9c11")
_LICENCE_FILES = ("license", "licence", "copying", "notice", "authors")
_SPECIFICATION = "1.6"


def write(
    name: str, distributions: Iterable[Distribution], hashes: Mapping[str, list[str]], folder: Path
) -> None:
    """Write bill and notices of the bundle ``name`` into ``folder``."""
    parts = sorted(distributions, key=lambda one: normal(one.metadata["Name"]))
    (folder / BILL).write_text(json.dumps(bill(name, parts, hashes), indent=1, sort_keys=True), "utf-8")
    (folder / NOTICES).write_text(notices(parts), "utf-8")


def bill(name: str, parts: Iterable[Distribution], hashes: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return the bill; equal parts make an equal one, so that an equal bundle has an equal hash.

    Args:
        hashes: package → SHA-256 of its published files, as the lock has them.
    """
    components = [_component(one, hashes) for one in parts]
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{_SPECIFICATION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": _SPECIFICATION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, json.dumps([name, components]))}",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": f"vector-memory-{name}", "bom-ref": name}},
        "components": components,
    }


def _component(one: Distribution, hashes: Mapping[str, list[str]]) -> dict[str, Any]:
    package = normal(one.metadata["Name"])
    url = f"pkg:pypi/{package}@{one.version}"
    found: dict[str, Any] = {
        "type": "library",
        "name": package,
        "version": one.version,
        "purl": url,
        "bom-ref": url,
        "properties": [{"name": "lock:sha256", "value": value} for value in hashes.get(package, [])],
    }
    if licence := _licence(one):
        found["licenses"] = [licence]
    return found


def _licence(one: Distribution) -> dict[str, Any] | None:
    """Return what the package's metadata say: an SPDX expression, else the name of a licence."""
    if "License-Expression" in one.metadata:
        return {"expression": one.metadata["License-Expression"]}
    classifiers = [
        text.rpartition(" :: ")[2]
        for text in one.metadata.get_all("Classifier") or []
        if text.startswith("License ::")
    ]
    given = (one.metadata["License"] if "License" in one.metadata else "").strip().splitlines()  # noqa: SIM401  # it has no get
    name = classifiers[0] if classifiers else given[0] if given else None
    return {"license": {"name": name}} if name else None


def notices(parts: Iterable[Distribution]) -> str:
    """Return the licence texts that the packages carry, each under its name."""
    return "\n".join(_notice(one) for one in parts)


def _notice(one: Distribution) -> str:
    texts = [Path(str(file.locate())).read_text("utf-8", "replace").strip() for file in _licence_files(one)]
    said = _licence(one) or {}
    named = said.get("expression") or said.get("license", {}).get("name") or "see the package"
    body = "\n\n".join(texts) or "The package carries no licence text of its own."
    title = f"{one.metadata['Name']} {one.version}: {named}"
    return f"{title}\n{'=' * len(title)}\n{body}\n"


def _licence_files(one: Distribution) -> Iterator[Any]:
    for file in sorted(one.files or (), key=str):
        inside = any(part.endswith(".dist-info") for part in file.parts)
        if inside and file.name.lower().startswith(_LICENCE_FILES):
            yield file


def lock_hashes(lock: str) -> dict[str, list[str]]:
    """Return package → SHA-256 values of a lock file."""
    found: dict[str, list[str]] = {}
    for entry in lock.replace("\\\n", " ").splitlines():
        written, *hashes = entry.split(" --hash=sha256:")
        if hashes and not written.lstrip().startswith("#"):
            found[normal(Requirement(written.strip()).name)] = [one.strip() for one in hashes]
    return found
