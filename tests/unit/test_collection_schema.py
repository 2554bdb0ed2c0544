"""The collection and its policies, with their functions carried out, against CloudFormation's own schemas."""

import json
import re
from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest
from support.resource_schema import refusals, resolved

from pipeline.local.stack import TEMPLATE
from pipeline.packaging.template import spelt_out

KIND = "AWS::OpenSearchServerless::"
ROLES = ("arn:aws:iam::123456789012:role/operator", "arn:aws:iam::123456789012:role/on-call/night")
SHORTEST, LONGEST = "abc", "a" + "b-9" * 6 + "cd"
GENERATIONS = ("classic", "nextgen")
PARAMETERS = spelt_out(TEMPLATE.read_text("utf-8"))["Parameters"]

Resources = dict[str, tuple[str, dict[str, Any]]]


def collection(**parameters: str) -> Resources:
    return resolved(TEMPLATE.read_text("utf-8"), {"Store": "opensearch", **parameters}, KIND)


def allowed(parameter: str, value: str) -> bool:
    return re.fullmatch(PARAMETERS[parameter]["AllowedPattern"], value) is not None


def changed(name: str, **properties: Any) -> tuple[str, Mapping[str, Any]]:
    kind, given = collection(OpenSearchGeneration="nextgen", OperatorRoleArns=",".join(ROLES))[name]
    return kind, {**given, **properties}


def every_name() -> list[Resources]:
    """Return all that the template makes: of the shortest and the longest name, of each generation, with each key."""
    chosen = product((SHORTEST, LONGEST), GENERATIONS, ("aws", "own"))
    return [
        collection(
            CollectionName=name,
            OpenSearchGeneration=generation,
            EncryptionKey=key,
            OperatorRoleArns=",".join(ROLES),
        )
        for name, generation, key in chosen
    ]


def test_every_name_that_the_template_takes_is_one_that_the_service_takes() -> None:
    policies = {"Access", "Encryption", "Network", "Operators"}
    made = every_name()
    assert {frozenset(one) for one in made} == {
        frozenset({"Collection", *(f"Collection{one}" for one in (*policies, *more))})
        for more in ((), ("Group",))
    }
    resources = [resource for one in made for resource in one.values()]
    assert len(resources) == 4 * 5 + 4 * 6
    assert refusals(resources) == [[]] * len(resources)


WRONG = [
    ("CollectionNetwork", {"Name": LONGEST + "x-encryption"}, "Name: maxLength"),
    ("CollectionGroup", {"Name": "Abc"}, "Name: pattern"),
    ("CollectionGroup", {"StandbyReplicas": "NONE"}, "StandbyReplicas: enum"),
    ("CollectionGroup", {"Generation": "NEXT"}, "Generation: enum"),
    ("Collection", {"StandbyReplicas": True}, "StandbyReplicas: type"),
    ("Collection", {"Generation": "NEXTGEN"}, ": additionalProperties"),
    ("Collection", {"Arn": "arn:aws:aoss:x"}, "Arn: readOnly"),
    ("CollectionOperators", {"Policy": {"Rules": []}}, "Policy: type"),
    ("CollectionOperators", {"Type": "index"}, "Type: enum"),
]
"""Resource, what is wrong with it, what the schema says."""


def test_the_schemas_would_tell() -> None:
    said = refusals([changed(name, **properties) for name, properties, _ in WRONG])
    for (name, _, rule), against in zip(WRONG, said, strict=True):
        assert rule in against, name


def test_no_name_is_taken_that_is_too_short_too_long_or_spelt_otherwise() -> None:
    assert all(allowed("CollectionName", name) for name in (SHORTEST, LONGEST))
    for name in (SHORTEST[:-1], LONGEST + "x", "Abc", "9abc", "a_bc", "-abc", "a.bc", ""):
        assert not allowed("CollectionName", name), name
    assert len(f"{LONGEST}-encryption") == 32


@pytest.mark.parametrize("generation", GENERATIONS)
def test_standby_replicas_are_what_the_generation_knows(generation: str) -> None:
    made = collection(OpenSearchGeneration=generation)
    said = {name: given["StandbyReplicas"] for name, (_, given) in made.items() if "StandbyReplicas" in given}
    both = {"Collection": "ENABLED", "CollectionGroup": "ENABLED"}
    assert said == ({"Collection": "DISABLED"} if generation == "classic" else both)
    group = made["Collection"][1].get("CollectionGroupName")
    assert group == ("vector-memory" if generation == "nextgen" else None)


@pytest.mark.parametrize("count", [1, 2])
def test_operators_read_the_index_and_do_nothing_else(count: int) -> None:
    _, given = collection(OperatorRoleArns=",".join(ROLES[:count]), CollectionName="mine")[
        "CollectionOperators"
    ]
    assert json.loads(given["Policy"]) == [
        {
            "Rules": [
                {
                    "ResourceType": "index",
                    "Resource": ["index/mine/memories"],
                    "Permission": ["aoss:DescribeIndex", "aoss:ReadDocument"],
                }
            ],
            "Principal": list(ROLES[:count]),
        }
    ]


def test_without_operators_nobody_is_let_in_but_the_functions() -> None:
    made = collection()
    assert "CollectionOperators" not in made
    policy = json.loads(made["CollectionAccess"][1]["Policy"])
    assert [one["Principal"] for one in policy] == [
        ["arn:aws:made-up::123456789012:IngestFunctionRole/Arn"],
        ["arn:aws:made-up::123456789012:QueryFunctionRole/Arn"],
    ]


def test_only_what_names_a_role_may_be_an_operator() -> None:
    for role in ("", *ROLES, "arn:aws-us-gov:iam::123456789012:role/a+b=c,d@e".replace(",", ".")):
        assert allowed("OperatorRoleArns", role), role
    for wrong in (
        "operator",
        "*",
        "arn:aws:iam::123456789012:role/*",
        "arn:aws:iam::123456789012:root",
        "arn:aws:iam::123456789012:user/mika",
        'arn:aws:iam::123456789012:role/x", "arn:aws:iam::123456789012:role/y',
    ):
        assert not allowed("OperatorRoleArns", wrong), wrong
