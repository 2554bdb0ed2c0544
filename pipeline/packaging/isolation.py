"""Does a bundle stand on its own? Imported by a bare interpreter that sees it, and what Lambda's runtime has, only."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import Distribution
from pathlib import Path

from pipeline.packaging.collect import Files, dependency_files
from pipeline.packaging.contents import OUTSIDE, Bundle

PROBE = Path(__file__).with_name("probe.py")


def unpacked(files: Files, folder: Path) -> Path:
    """Lay ``files`` out in ``folder`` as Lambda unpacks them."""
    for inside, path in files.items():
        target = folder / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return folder


def runtime(available: Mapping[str, Distribution], folder: Path) -> Path:
    """Lay out what Lambda's runtime adds to the bundle: boto3, and what it needs."""
    return unpacked(dependency_files(frozenset({"boto3"}), available), folder)


def check(bundle: Bundle, unpacked_bundle: Path, runtime_folder: Path, python: Sequence[str]) -> list[str]:
    """Return what is wrong with a bundle; nothing is best.

    Args:
        python: an interpreter of the bundle's version and platform.
    """
    handlers = [f"pipeline.handlers.{name}" for name in bundle.handlers]
    command = [*python, "-I", "-S", str(PROBE), str(unpacked_bundle), str(runtime_folder), *handlers]
    environment = {"PATH": os.defpath, "LAMBDA_TASK_ROOT": str(unpacked_bundle), "AWS_REGION": "us-east-1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)
    if done.returncode:
        return [f"{bundle.name}: the probe ended with {done.returncode}: {done.stderr[-500:]}"]
    return _problems(bundle, json.loads(done.stdout.splitlines()[-1]))


def _problems(bundle: Bundle, answer: Mapping[str, list[str]]) -> list[str]:
    lacks = {**OUTSIDE, **bundle.lacks}
    undeclared = [
        f"{bundle.name}: {name} is imported but not in the bundle: add it to pyproject.toml and to `needs` of BUNDLES, "
        "or to `lacks` with the reason (pipeline/packaging/contents.py)"
        for name in answer["missing"]
        if name not in lacks
    ]
    needless = [
        f"{bundle.name}: {name} is said to be lacking, but is there: take it out of `lacks`"
        for name in answer["imported"]
        if name in lacks
    ]
    return undeclared + needless + [f"{bundle.name}: {fault}" for fault in answer["broken"]]
