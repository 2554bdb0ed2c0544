"""What a template is without what its conditions leave out."""

import json
from typing import Any

import pytest
from support.sam import source

from pipeline.local.conditions import for_ministack, live
from pipeline.local.stack import PARAMETERS, TEMPLATE
from pipeline.packaging.template import holds, spelt_out


def deployed(**parameters: str) -> Any:
    return json.loads(live(TEMPLATE.read_text("utf-8"), {**PARAMETERS, **parameters}))


def test_only_what_a_false_condition_names_is_left_out() -> None:
    whole, made = source(), deployed()
    gone = {
        name: one["Condition"] for name, one in whole["Resources"].items() if name not in made["Resources"]
    }
    assert {"OpensUrl", "OpensApi", "Digests"} <= set(gone.values())
    assert {name: whole["Resources"][name] for name in made["Resources"]} == made["Resources"]
    assert "SessionsTable" in made["Resources"]
    assert "DigestFunctionName" not in made["Outputs"]


def test_another_parameter_keeps_other_things() -> None:
    assert "SessionsTable" not in deployed(CreateTables="false")["Resources"]
    assert "QueryApi" in deployed(JwtIssuer="https://issuer.example", JwtAudience="memory")["Resources"]


def test_an_alias_that_only_sam_makes_is_named_by_its_arn() -> None:
    made = deployed(TrustedCallers='{"a": {}}')
    statements = made["Resources"]["QueryUrlCallers"]["Properties"]["PolicyDocument"]["Statement"]
    assert [one["Resource"] for one in statements] == [{"Fn::Sub": "${QueryFunction.Arn}:live"}] * 2
    assert made["Outputs"]["QueryAliasArn"]["Value"] == {"Fn::Sub": "${QueryFunction.Arn}:live"}
    assert ".Alias" not in json.dumps(made)


def test_everything_else_of_the_template_stays_as_it_is() -> None:
    whole, made = source(), deployed()
    assert {name for name in whole if whole[name] != made.get(name)} == {"Resources", "Outputs"}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"Fn::Equals": [{"Ref": "A"}, "x"]}, True),
        ({"Fn::Not": [{"Fn::Equals": [{"Ref": "A"}, "x"]}]}, False),
        ({"Fn::And": [{"Condition": "Yes"}, {"Fn::Equals": ["a", "b"]}]}, False),
        ({"Fn::Or": [{"Condition": "Yes"}, {"Fn::Equals": ["a", "b"]}]}, True),
        ({"Fn::Equals": [{"Fn::Join": ["", {"Ref": "List"}]}, "pq"]}, True),
    ],
)
def test_conditions_mean_what_cloudformation_says(condition: Any, expected: bool) -> None:
    yes = {"Fn::Equals": ["1", "1"]}
    assert holds(condition, {"A": "x", "List": ["p", "q"]}, {"Yes": yes}) is expected


def test_a_function_that_is_not_known_is_an_error_and_not_a_guess() -> None:
    with pytest.raises(ValueError, match="Fn::FindInMap"):
        holds({"Fn::Equals": [{"Fn::FindInMap": ["A", "B", "C"]}, "x"]}, {}, {})


@pytest.mark.parametrize(
    ("given", "held"),
    [
        ({"DigestProvider": "off"}, True),
        ({"DigestProvider": "openai"}, False),
        ({"DigestProvider": "extractive"}, False),
        ({"DigestProvider": "extractive", "MemoryStreamArn": "arn"}, True),
        ({"DigestProvider": "extractive", "ConfigStreamArn": "arn"}, True),
        ({"DigestProvider": "extractive", "CreateTables": "true"}, True),
    ],
)
def test_summaries_are_not_deployed_without_a_table_of_notes(given: dict[str, str], held: bool) -> None:
    template = spelt_out(TEMPLATE.read_text("utf-8"))
    rule = template["Rules"]["SummariesHaveNotes"]
    values = {name: str(one.get("Default", "")) for name, one in template["Parameters"].items()} | given
    asked = holds(rule["RuleCondition"], values, {})
    assert (not asked or holds(rule["Assertions"][0]["Assert"], values, {})) is held


def test_ministack_gets_numbers_as_numbers_and_no_alarm_over_several_metrics() -> None:
    made = json.loads(for_ministack(TEMPLATE.read_text("utf-8"), {"IngestConcurrency": "2"}))["Resources"]
    assert made["NoticeMapping"]["Properties"]["ScalingConfig"] == {"MaximumConcurrency": 2}
    assert "NoticeMappingSilentAlarm" not in made
    assert "QueryFailureAlarm" in made
