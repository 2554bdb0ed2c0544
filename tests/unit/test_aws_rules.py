"""docs/aws-rules.md holds: what it names is there, and the rules that no other module tests.

Each rule of the template has a mutation that it catches: ``test_template.py::test_every_rule_fails_on_a_mutated_template``; each
other test has its own in ``test_aws_rule_mutations.py``.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.sam import Template, mutated, source, spelt
from support.template_rules import RULES

from pipeline.packaging.build import Built, _too_large
from pipeline.packaging.contents import MAX_UNZIPPED_BYTES, MAX_ZIPPED_BYTES

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip().strip("|").split(" | ")]
    for line in (ROOT / "docs" / "aws-rules.md").read_text("utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| what AWS does")
]
NAMED = [(row[0], name) for row in ROWS for name in re.findall(r"`([^`]+)`", row[-1])]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:60])
def test_a_row_says_what_where_from_how_and_which_test(row: list[str]) -> None:
    what, where_from, how, test = row
    assert what
    assert how
    assert re.fullmatch(r"\[[^\]]+\]\(https://docs\.aws\.amazon\.com/[^)]+\)", where_from)
    assert re.search(r"rule `|::", test)


@pytest.mark.parametrize(("row", "name"), NAMED, ids=[name for _, name in NAMED])
def test_each_row_names_tests_that_exist(row: str, name: str) -> None:
    path, _, test = name.partition("::")
    if test:
        assert re.search(rf"^def {re.escape(test)}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE), row
    else:
        assert name in {rule.__name__ for rule in RULES}, row


def test_every_rule_of_the_template_stands_in_the_table_or_is_the_houses_own() -> None:
    ours = {  # of the project, and not of AWS
        "only_lambda_takes_roles",
        "functions_carry_their_bundle",
        "functions_run_as_built",
        "functions_can_reach_the_database",
        "everything_is_described",
        "every_parameter_has_a_group_and_a_label",
    }
    told = {name for _, name in NAMED}
    assert {rule.__name__ for rule in RULES} - told == ours


@pytest.fixture(scope="module")
def template() -> Template:
    return source()


def readers(template: Template) -> dict[str, int]:
    """Return how many mappings read each stream."""
    resources = template["Resources"].values()
    streams = (
        spelt(one["Properties"]["EventSourceArn"])
        for one in resources
        if one["Type"] == "AWS::Lambda::EventSourceMapping"
    )
    return dict(Counter(name for name in streams if "Stream" in name))


def second_reader(template: Template) -> None:
    template["Resources"]["Another"] = template["Resources"]["SessionsMapping"]


def test_each_stream_has_one_reader(template: Template) -> None:
    assert set(readers(template).values()) == {1}
    assert len(readers(template)) == 3
    assert set(readers(mutated(template, second_reader)).values()) == {1, 2}


def operators(template: Template) -> tuple[set[str], list[str], str]:
    """Return what operators may do in the collection, where, and who they are."""
    text, names = template["Resources"]["CollectionOperators"]["Properties"]["Policy"]["Fn::Sub"]
    joined = text.replace("${Operators}", 'arn:one", "arn:two')
    [statement] = json.loads(joined)
    assert statement["Principal"] == ["arn:one", "arn:two"]
    [rule] = statement["Rules"]
    return set(rule["Permission"]), rule["Resource"], spelt(names["Operators"])


def let_operators_write(template: Template) -> None:
    policy = template["Resources"]["CollectionOperators"]["Properties"]["Policy"]["Fn::Sub"]
    policy[0] = policy[0].replace('"aoss:ReadDocument"', '"aoss:ReadDocument", "aoss:WriteDocument"')


def test_operators_read_the_collection_and_write_nothing(template: Template) -> None:
    permissions, where, who = operators(template)
    assert permissions == {"aoss:DescribeIndex", "aoss:ReadDocument"}
    assert where == ["index/${CollectionName}/memories"]
    assert "OperatorRoleArns" in who
    assert "aoss:WriteDocument" in operators(mutated(template, let_operators_write))[0]


def keys_users(template: Template) -> list[tuple[str, str]]:
    """Return who may use the stack's key by its own policy, and under which condition."""
    statements: list[Any] = template["Resources"]["Key"]["Properties"]["KeyPolicy"]["Statement"]
    return [
        (spelt(next(iter(one["Principal"].values()))), spelt(one.get("Condition", ""))) for one in statements
    ]


def let_logs_use_it_for_anything(template: Template) -> None:
    template["Resources"]["Key"]["Properties"]["KeyPolicy"]["Statement"][1].pop("Condition")


@pytest.mark.parametrize("change", [None, let_logs_use_it_for_anything])
def test_logs_may_use_the_stacks_key_for_the_stacks_own_groups(
    template: Template, change: Callable[[Template], None] | None
) -> None:
    owner, logs = keys_users(mutated(template, change) if change else template)
    assert owner == ("arn:${AWS::Partition}:iam::${AWS::AccountId}:root", "")
    assert logs[0] == "logs.${AWS::Region}.amazonaws.com"
    assert ("log-group:/aws/*/${AWS::StackName}-*" in logs[1]) is (change is None)


@pytest.mark.parametrize(
    ("zipped", "unzipped", "refused"),
    [
        (MAX_ZIPPED_BYTES - 1, MAX_UNZIPPED_BYTES - 1, False),
        (MAX_ZIPPED_BYTES, 1, True),
        (1, MAX_UNZIPPED_BYTES, True),
    ],
)
def test_a_bundle_that_is_too_large_is_refused(zipped: int, unzipped: int, *, refused: bool) -> None:
    assert bool(_too_large([Built("full", Path("full.zip"), zipped, unzipped)])) is refused
    assert (MAX_ZIPPED_BYTES, MAX_UNZIPPED_BYTES) == (50 * 1024 * 1024, 250 * 1024 * 1024)
