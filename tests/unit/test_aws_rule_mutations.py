"""Every test that docs/aws-rules.md names fails when what meets its rule is broken.

The rules of the template have mutations of their own: ``test_template.py::test_every_rule_fails_on_a_mutated_template``.
"""

import re
from dataclasses import replace

import pytest
from support.aws_rule_mutations import MUTATIONS, NOT_MUTATED
from support.broken_product import ROOT, Copy, Outcome, caught
from support.not_run import not_run
from unit.test_template import CASES, TEMPLATE_MUTATIONS

PAGE = (ROOT / "docs" / "aws-rules.md").read_text("utf-8")
ROWS = re.findall(r"^\| (?!what AWS does).*$", PAGE, re.MULTILINE)
RULES = set(re.findall(r"rule `(\w+)`", "".join(ROWS)))
NAMED = set(re.findall(r"`(tests/[^`]+::[^`]+)`", PAGE.partition("|---|")[2]))
MUTATED = {given.test.partition("[")[0] for given in MUTATIONS.values()}


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("product"))


@pytest.mark.parametrize("what", MUTATIONS)
def test_a_named_test_fails_when_its_rule_is_broken(product: Copy, what: str) -> None:
    given = MUTATIONS[what]
    with product.broken(given):
        outcomes = product.outcomes([given.test])
    if lacking := [one.message for one in outcomes if one.kind == "skipped"]:
        not_run(lacking[0])
    assert caught(given, outcomes) is None


def test_the_named_tests_pass_while_nothing_is_broken(product: Copy) -> None:
    outcomes = product.outcomes(sorted({given.test for given in MUTATIONS.values()}))
    assert len(outcomes) >= len(MUTATED)
    assert {one.kind for one in outcomes} - {"skipped"} == {
        "passed"
    }  # what a machine lacks fails where CI=true


def test_every_named_test_has_its_mutation_or_a_reason() -> None:
    assert NOT_MUTATED.keys() == NAMED - MUTATED
    assert MUTATED <= NAMED, "docs/aws-rules.md does not name these"
    assert all(NOT_MUTATED.values())


def test_the_page_counts_right() -> None:
    broken = [rule.__name__ for rule, *_ in CASES] + [name for name, _ in TEMPLATE_MUTATIONS]
    of_the_template = sum(name in RULES for name in broken)
    assert (
        f"{len(ROWS)} rules of AWS, for which {len(RULES)} rules of the template stand with {of_the_template} mutations, "
        f"and {len(NAMED)} tests with {len(MUTATIONS)} mutations."
    ) in " ".join(PAGE.split())


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        (Outcome("passed", ""), "it passes"),
        (Outcome("error", "fixture 'x' not found"), "could not be run"),
        (Outcome("failure", "Failed: NOT RUN: cfn-lint is not here"), "another reason"),
        (Outcome("failure", "AttributeError: gone"), "another reason"),
        (Outcome("failure", "assert 1 == 2"), None),
    ],
)
def test_only_an_assertion_that_fails_counts(outcome: Outcome, why: str | None) -> None:
    said = caught(next(iter(MUTATIONS.values())), [outcome])
    assert said == why if why is None else why in str(said)


def test_a_mutation_of_missing_source_is_an_error(product: Copy) -> None:
    gone = replace(next(iter(MUTATIONS.values())), old="what nobody wrote")
    with pytest.raises(AssertionError, match="moved away"), product.broken(gone):
        pass
