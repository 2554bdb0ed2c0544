"""What calls itself pure is held to it: the import contract knows every such module."""

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = {"pipeline": ROOT, "lab": ROOT / "tests"}


def contract() -> set[str]:
    """Return the modules that the contract "pure" forbids AWS, databases and networks."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    [pure] = [one for one in linter["contracts"] if one["id"] == "pure"]
    return set(pure["source_modules"])


def said_to_be_pure() -> set[str]:
    found = set()
    for package, root in PACKAGES.items():
        for path in (root / package).rglob("*.py"):
            if says_pure(path.read_text("utf-8")):
                found.add(".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"))
    return found


def says_pure(source: str) -> bool:
    """Tell whether a module's docstring ends, or says in a sentence of its own, that it is pure."""
    told = ast.get_docstring(ast.parse(source)) or ""
    return any(sentence.strip(" .\n").endswith(("pure", "Pure")) for sentence in told.split("."))


def test_every_module_that_says_pure_is_in_the_contract() -> None:
    covered = contract()
    assert [name for name in sorted(said_to_be_pure()) if not covered.intersection(with_packages(name))] == []


def with_packages(name: str) -> set[str]:
    """Return a module's name and its packages' names: a package stands for all that is in it."""
    parts = name.split(".")
    return {".".join(parts[: length + 1]) for length in range(len(parts))}


def test_a_module_says_pure_in_a_sentence_of_its_own() -> None:
    assert says_pure('"""Makes plans. Pure."""')
    assert says_pure('"""Makes plans.\n\nAll of it is pure.\n"""')
    assert not says_pure('"""Calls DynamoDB; its pure decisions are elsewhere."""')
