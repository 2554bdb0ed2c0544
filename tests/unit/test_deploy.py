"""What scripts/deploy decides before it asks CloudFormation for anything."""

from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from pipeline.errors import SettingsError
from pipeline.packaging import deploy
from pipeline.readiness import unpriced

BEFORE = {"Parameters": [{"ParameterKey": "Scale", "ParameterValue": "small"}, {"ParameterKey": "Gone", "ParameterValue": "x"}]}  # fmt: skip


def test_parameters_are_words_with_an_equals_sign() -> None:
    assert deploy.parsed(["A=1", "B=x=y", "C="]) == {"A": "1", "B": "x=y", "C": ""}
    with pytest.raises(SettingsError, match="these are not: oops"):
        deploy.parsed(["A=1", "oops"])


def test_a_parameter_not_given_keeps_its_value_if_the_template_still_has_it() -> None:
    made = deploy.parameters({"A": "1"}, frozenset({"A", "Scale", "New"}), BEFORE)
    assert made == [
        {"ParameterKey": "A", "ParameterValue": "1"},
        {"ParameterKey": "Scale", "UsePreviousValue": True},
    ]


def test_a_parameter_that_the_template_lacks_is_refused() -> None:
    with pytest.raises(SettingsError, match="no parameter Nope"):
        deploy.parameters({"Nope": "1"}, frozenset({"A"}), None)


def change(action: str, kind: str = "AWS::SQS::Queue", replacement: str = "False") -> dict[str, Any]:
    return {"Action": action, "ResourceType": kind, "LogicalResourceId": "Thing", "Replacement": replacement}


@pytest.mark.parametrize(
    ("made", "refused"),
    [
        (change("Add"), False),
        (change("Modify"), False),
        (change("Modify", replacement="True"), True),
        (change("Remove"), True),
        (change("Remove", "AWS::DynamoDB::Table"), True),
        (change("Modify", "AWS::SecretsManager::Secret", "True"), True),
        (change("Remove", "AWS::CloudWatch::Alarm"), False),
        (change("Modify", "AWS::Lambda::Function", "True"), False),
    ],
)
def test_a_resource_with_data_is_not_lost_by_accident(made: dict[str, Any], refused: bool) -> None:
    problem = deploy.refusal([made], yes=True, replace=False)
    assert (problem is not None) is refused
    assert deploy.refusal([made], yes=True, replace=True) is None


def test_nothing_is_done_unless_asked_to() -> None:
    assert "--yes" in str(deploy.refusal([change("Add")], yes=False, replace=True))


def test_bundles_that_were_not_built_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"stream\.zip.*scripts/package"):
        deploy._uploaded(None, "b", tmp_path, {})


def test_a_changed_parameter_gives_the_code_another_address_so_that_a_version_is_published() -> None:
    before = deploy.address("code", {"MinConfidence": "0.46", "CodePrefix": "one", "CodeBucket": "b"})
    assert deploy.address("code", {"CodePrefix": "two"}) == before, "0.46 is what it is if nobody says"
    assert deploy.address("code", {"MinConfidence": "0.3"}) != before
    assert deploy.address("other", {}) != before


def test_the_template_goes_through_s3_since_a_request_takes_51_200_bytes() -> None:
    client = mock.Mock()
    client.meta.endpoint_url = "https://s3.eu-west-1.amazonaws.com"
    url = deploy.template_url(client, "bucket")
    sent = client.put_object.call_args.kwargs
    assert url == f"https://s3.eu-west-1.amazonaws.com/bucket/{sent['Key']}"
    assert sent["Body"] == deploy.TEMPLATE.read_bytes()
    assert len(sent["Body"]) <= 1_000_000  # what CloudFormation takes from there
    cloudformation = mock.MagicMock()
    cloudformation.validate_template.return_value = {"Parameters": []}
    deploy._prepared(cloudformation, "stack", None, {}, url)
    for asked in (cloudformation.validate_template, cloudformation.create_change_set):
        told = asked.call_args.kwargs
        assert (told.get("TemplateURL"), "TemplateBody" in told) == (url, False)


GOOD = {"IngestDatabaseSecretArn": "arn:i", "QueryDatabaseSecretArn": "arn:q", "OpenAiSecretArn": "arn:o"}
DIGEST = {"DigestProvider": "openai"}


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"TrustedCallers": '{"arn:aws:iam::1:role/agent": {"acme": "*"},}'}, "TRUSTED_CALLERS.*of query"),
        ({"AttributeNames": '{"tenant": "t"}'}, "ATTRIBUTE_NAMES.*of stream, ingest, query"),
        ({"EmbeddingDimensions": "1537"}, "EMBEDDING_DIMENSIONS must be 1536 at most for text-embedding-3-small"),
        ({"EmbeddingModel": "amazon.titan-embed-text-v2:0", "EmbeddingDimensions": "1024"}, "EMBEDDING_PROVIDER must be bedrock"),
        (
            {"EmbeddingProvider": "bedrock", "EmbeddingModel": "amazon.titan-embed-text-v2:0", "EmbeddingDimensions": "1536"},
            "must be 256, 512, 1024",
        ),
        ({"NextEmbeddingModel": "text-embedding-ada-002", "NextEmbeddingDimensions": "512"}, "NEXT_EMBEDDING_DIMENSIONS must be 1536"),
        ({"OpenAiSecretArn": ""}, "OPENAI_SECRET_ARN is not set.*of ingest"),
        ({"QueryDatabaseSecretArn": ""}, "DATABASE_SECRET_ARN is not set.*of query"),
        ({"MinConfidence": "46"}, "MIN_CONFIDENCE must be a number from 0 to 1.*of query"),
        ({"OpenAiBaseUrl": "http://embeddings.example"}, "OPENAI_BASE_URL must start with https"),
        ({"DigestTimeZone": "Asia/Tokio"}, r"TIME_ZONE must be .*\(of stream, ingest\)"),
        ({"Redact": "secret"}, r"REDACT must be .*\(of stream, ingest\)"),
        ({**DIGEST, "DigestTimeZone": "Asia/Tokio"}, r"TIME_ZONE must be .*\(of stream, ingest, digest\)"),
        ({**DIGEST, "EmbeddingProvider": "bedrock", "OpenAiSecretArn": ""}, r"OPENAI_SECRET_ARN is not set \(of digest\)"),
    ],
)  # fmt: skip
def test_wrong_settings_are_named_before_anything_is_deployed(wrong: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=f"nothing was deployed.*{named}"):
        deploy.check_settings({**GOOD, **wrong})


API = {"JwtIssuer": "https://issuer.example", "JwtAudience": "memory"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({**API, "JwtTenantClaim": ""}, "JwtTenantClaim, or every token is answered 403"),
        ({**API, "JwtAudience": ""}, "JwtAudience, or tokens made for other services"),
        ({"CreateTables": "false"}, "at least one existing table"),
        ({"QueryDatabaseSecretArn": ""}, "needs IngestDatabaseSecretArn and QueryDatabaseSecretArn"),
        ({"DatabaseAuthentication": "iam"}, "needs DatabaseHost and DatabaseResourceId"),
        (
            {"CreateTables": "false", "SessionsStreamArn": "arn", **DIGEST},
            "MemoryStreamArn or ConfigStreamArn",
        ),
    ],
)
def test_parameters_that_do_not_go_together_are_refused_before_anything_is_uploaded(
    wrong: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingsError, match=f"nothing was deployed.*{said}"):
        deploy.check_rules({"CreateTables": "true", **GOOD, **wrong})


@pytest.mark.parametrize("right", [{}, API, {"JwtTenantClaim": ""}, DIGEST])
def test_parameters_that_go_together_pass(right: dict[str, str]) -> None:
    deploy.check_rules({"CreateTables": "true", **GOOD, **right})


OWN = {"EmbeddingModel": "bge-m3", "EmbeddingDimensions": "1024"}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, []),
        (DIGEST, []),
        (OWN, ["EMBEDDING_DOLLARS_PER_MILLION_TOKENS"]),
        ({**OWN, "EmbeddingDollarsPerMillionTokens": "0"}, []),
        ({"NextEmbeddingModel": "bge-m3"}, ["NEXT_EMBEDDING_DOLLARS_PER_MILLION_TOKENS"]),
        ({"NextEmbeddingModel": "bge-m3", "NextEmbeddingDollarsPerMillionTokens": "0.01"}, []),
        (
            {**DIGEST, "DigestModel": "my-own"},
            ["DIGEST_DOLLARS_PER_MILLION_INPUT_TOKENS", "DIGEST_DOLLARS_PER_MILLION_OUTPUT_TOKENS"],
        ),
        (
            {
                **DIGEST,
                "DigestModel": "my-own",
                "DigestDollarsPerMillionInputTokens": "1",
                "DigestDollarsPerMillionOutputTokens": "2.5",
            },
            [],
        ),
    ],
    ids=[
        "listed",
        "listed chat",
        "own",
        "own, for nothing",
        "own next",
        "own next, priced",
        "own chat",
        "own chat, priced",
    ],
)
def test_a_deployment_says_which_spending_no_alarm_would_see(given: dict[str, str], named: list[str]) -> None:
    said = deploy.said_of_settings({**GOOD, **given}, unpriced)
    assert [line.partition(" ")[0] for line in said] == named
    assert all("spend alarm never rings" in line for line in said)


@pytest.mark.parametrize(
    "right",
    [
        {},
        {"TrustedCallers": '{"arn:aws:iam::123456789012:role/agent": {"acme": "*"}}'},
        {"Store": "dynamodb", "IngestDatabaseSecretArn": "", "QueryDatabaseSecretArn": ""},
        {
            "EmbeddingModel": "bge-m3",
            "EmbeddingDimensions": "1024",
            "OpenAiBaseUrl": "https://mine.example/v1",
        },
        DIGEST,
        {
            "DigestProvider": "extractive",
            "EmbeddingProvider": "bedrock",
            "EmbeddingModel": "amazon.titan-embed-text-v2:0",
            "EmbeddingDimensions": "1024",
            "OpenAiSecretArn": "",
        },
        {"Redact": "off", "DigestTimeZone": "UTC"},
    ],
)
def test_right_settings_pass(right: dict[str, str]) -> None:
    deploy.check_settings({**GOOD, **right})
