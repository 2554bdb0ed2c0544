"""What must hold of the transformed template. Each rule returns what breaks it; nothing is best."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from support.sam import Template, spelt

from pipeline.packaging.contents import BUNDLES

Rule = Callable[[Template], list[str]]
Resource = Mapping[str, Any]

PERMISSIONS = Path(__file__).with_name("permissions.yaml")
ANY_RESOURCE = {
    "dynamodb:ListStreams": "the action knows no resources",
    "aoss:APIAccessAll": "a collection from outside is known by its endpoint only; its data-access policy decides",
}
"""Actions that may name every resource, with the reason."""
READ_ONLY = (
    "secretsmanager:Get",
    "dynamodb:Get",
    "dynamodb:BatchGet",
    "dynamodb:Query",
    "dynamodb:SearchVectors",
    "aoss:APIAccessAll",
    "bedrock:InvokeModel",
)
"""Beginnings of actions that change nothing; aoss's own access policy says what the role may do there."""
QUERY_MAY_ALSO = {
    ("sqs:SendMessage", "NoticeQueue.Arn"),
    (
        "dynamodb:UpdateItem",
        "LedgerTable.Arn where ForAllValues:StringLike(dynamodb:LeadingKeys(usage *)) if HasLedgerTable",
    ),
    (  # logs in to Postgres as a member of memory_query, which only reads
        "rds-db:connect",
        "arn:${AWS::Partition}:rds-db:${AWS::Region}:${AWS::AccountId}:dbuser:${DatabaseResourceId}/${QueryDatabaseUser} if UsesIam",
    ),
}
"""A wish to forget is sent as a notice, and tokens are counted; nothing else leaves the query function."""
SIX = 6


def permissions(template: Template) -> list[str]:
    wanted = {
        row for role, rows in yaml.safe_load(PERMISSIONS.read_text()).items() for row in _expected(role, rows)
    }
    found = set(granted(template))
    hint = f"if that is meant, write it in {'/'.join(PERMISSIONS.parts[-3:])}"
    return [f"{' '.join(row)} is granted and not expected: {hint}" for row in sorted(found - wanted)] + [
        f"{' '.join(row)} is expected and not granted: {hint}" for row in sorted(wanted - found)
    ]


def query_reads_only(template: Template) -> list[str]:
    return [
        f"the query function may {action} {resource}: it must write nothing but a notice of forgetting"
        for role, action, resource in granted(template)
        if role == "QueryFunctionRole" and action != "managed"
        if not action.startswith(READ_ONLY) and (action, resource) not in QUERY_MAY_ALSO
    ]


def no_stars(template: Template) -> list[str]:
    return [
        f"{role}: {action} on {resource}: name them, or give the reason in ANY_RESOURCE (tests/support/template_rules.py)"
        for role, action, resource in granted(template)
        if "*" in action or ("*" in resource.partition(" where ")[0] and action not in ANY_RESOURCE)
    ]


def only_lambda_takes_roles(template: Template) -> list[str]:
    allowed = {"lambda.amazonaws.com", "scheduler.amazonaws.com"}
    return [
        f"{name} can be assumed by {statement['Principal']}"
        for name, role in of_type(template, "AWS::IAM::Role")
        for statement in role["AssumeRolePolicyDocument"]["Statement"]
        if set(_list(statement["Principal"].get("Service", "*"))) - allowed
    ]


def visibility_covers_six_runs(template: Template) -> list[str]:
    return [
        f"{queue_name}: VisibilityTimeout must be at least six times the timeout of {function_name}"
        for queue_name, queue, function_name in polled_queues(template)
        if queue.get("VisibilityTimeout", 30) < SIX * resource(template, function_name).get("Timeout", 3)
    ]


def five_receives_before_a_dead_letter(template: Template) -> list[str]:
    return [
        f"{name}: maxReceiveCount must be at least 5"
        for name, queue, _ in polled_queues(template)
        if queue.get("RedrivePolicy", {}).get("maxReceiveCount", 0) < 5
    ]


def dead_letters_outlive_the_queue(template: Template) -> list[str]:
    problems = []
    for name, queue, _ in polled_queues(template):
        target = spelt(queue.get("RedrivePolicy", {}).get("deadLetterTargetArn", "")).removesuffix(".Arn")
        dead = template["Resources"].get(target, {}).get("Properties", {})
        if dead.get("MessageRetentionPeriod", 0) <= queue.get("MessageRetentionPeriod", 345600):
            problems.append(f"{name}: its dead-letter queue must keep messages longer than it does")
    return problems


def everything_is_encrypted(template: Template) -> list[str]:
    def bare(kind: str, encrypted: Callable[[Resource], object]) -> list[str]:
        return [f"{name} is not encrypted" for name, given in of_type(template, kind) if not encrypted(given)]

    return (
        bare(
            "AWS::SQS::Queue", lambda queue: queue.get("SqsManagedSseEnabled") or queue.get("KmsMasterKeyId")
        )
        + bare("AWS::DynamoDB::Table", lambda table: table.get("SSESpecification", {}).get("SSEEnabled"))
        + bare("AWS::SNS::Topic", lambda topic: topic.get("KmsMasterKeyId"))
    )


def logs_end(template: Template) -> list[str]:
    groups = {
        name for name, group in of_type(template, "AWS::Logs::LogGroup") if group.get("RetentionInDays")
    }
    return [
        f"{name} must log to a group of this template with RetentionInDays (LoggingConfig: LogGroup)"
        for name, function in of_type(template, "AWS::Lambda::Function")
        if spelt(function.get("LoggingConfig", {}).get("LogGroup", "")) not in groups
    ]


def streams_give_up_in_time(template: Template) -> list[str]:
    limits: Mapping[str, Callable[[Any], bool]] = {
        "MaximumRetryAttempts": lambda given: isinstance(given, int) and 0 < given <= 100,
        "MaximumRecordAgeInSeconds": lambda given: isinstance(given, int) and 3600 <= given < 86400,
        "BisectBatchOnFunctionError": lambda given: given is True,
        "FunctionResponseTypes": lambda given: given == ["ReportBatchItemFailures"],
        "StartingPosition": lambda given: given == "TRIM_HORIZON",
        "DestinationConfig": lambda given: bool(given and spelt(given["OnFailure"]["Destination"])),
    }
    return [
        f"{name}: {limit} is {mapping.get(limit)!r}"
        for name, mapping in of_type(template, "AWS::Lambda::EventSourceMapping")
        if "Stream" in spelt(mapping["EventSourceArn"])
        for limit, holds in limits.items()
        if not holds(mapping.get(limit))
    ]


def a_poisoned_message_harms_no_neighbour(template: Template) -> list[str]:
    return [
        f"{name}: needs ReportBatchItemFailures and ScalingConfig.MaximumConcurrency"
        for name, mapping in of_type(template, "AWS::Lambda::EventSourceMapping")
        if "Queue" in spelt(mapping["EventSourceArn"])
        if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]
        or not mapping.get("ScalingConfig", {}).get("MaximumConcurrency")
    ]


def tables_stream_both_images(template: Template) -> list[str]:
    return [
        f"{name}: StreamViewType must be NEW_AND_OLD_IMAGES, or what was removed cannot be told"
        for name, table in of_type(template, "AWS::DynamoDB::Table")
        if name in {"SessionsTable", "MemoryTable", "ConfigTable"}
        if table.get("StreamSpecification", {}).get("StreamViewType") != "NEW_AND_OLD_IMAGES"
    ]


def functions_carry_their_bundle(template: Template) -> list[str]:
    bundles = {f"pipeline.handlers.{name}.handler": one.name for one in BUNDLES for name in one.handlers}
    return [
        f"{name}: its code must be {bundles.get(function['Handler'])}.zip (BUNDLES, pipeline/packaging/contents.py)"
        for name, function in of_type(template, "AWS::Lambda::Function")
        if spelt(function["Code"].get("S3Key")) != f"${{CodePrefix}}/{bundles.get(function['Handler'])}.zip"
    ]


def functions_run_as_built(template: Template) -> list[str]:
    defaults = {name: given.get("Default") for name, given in template["Parameters"].items()}
    built = {"Runtime": "python3.13", "Architectures": "arm64"}
    return [
        f"{name}: {attribute} must be {value} by default, as scripts/package builds"
        for name, function in of_type(template, "AWS::Lambda::Function")
        for attribute, value in built.items()
        if defaults.get(spelt(_list(function.get(attribute, ""))[0])) != value
    ]


def functions_can_reach_the_database(template: Template) -> list[str]:
    wanted = "If(InVpc, "
    return [
        f"{name}: must take VpcConfig from the parameters"
        for name, function in of_type(template, "AWS::Lambda::Function")
        if not spelt(function.get("VpcConfig", "")).startswith(wanted)
    ]


def the_query_function_is_snapshotted(template: Template) -> list[str]:
    snap = spelt(resource(template, "QueryFunction").get("SnapStart", ""))
    aliases = [spelt(alias["FunctionName"]) for _, alias in of_type(template, "AWS::Lambda::Alias")]
    output = spelt(template["Outputs"]["QueryFunctionName"]["Value"])
    return [
        problem
        for problem, holds in {
            "QueryFunction: SnapStart must apply to published versions": "PublishedVersions" in snap,
            "QueryFunction: there must be an alias": "QueryFunction" in aliases,
            "QueryFunctionName must be the alias: $LATEST has no snapshot": output.startswith(
                "QueryFunctionAlias"
            ),
        }.items()
        if not holds
    ]


def no_door_is_open_to_everybody(template: Template) -> list[str]:
    urls = [
        f"{name}: AuthType must be AWS_IAM"
        for name, url in of_type(template, "AWS::Lambda::Url")
        if url.get("AuthType") != "AWS_IAM"
    ]
    granted_to_all = [
        f"{name}: everybody may invoke"
        for name, permission in of_type(template, "AWS::Lambda::Permission")
        if permission.get("Principal") == "*"
    ]
    routes = [
        f"{name}: a route must ask for a token"
        for name, route in of_type(template, "AWS::ApiGatewayV2::Route")
        if route.get("AuthorizationType") != "JWT" or not route.get("AuthorizerId")
    ]
    authorizers = [
        f"{name}: tokens must name an issuer and an audience"
        for name, authorizer in of_type(template, "AWS::ApiGatewayV2::Authorizer")
        if not all(authorizer.get("JwtConfiguration", {}).get(part) for part in ("Issuer", "Audience"))
    ]
    unasked = [
        f"{name}: a door exists only when it is asked for"
        for name, resource in template["Resources"].items()
        if resource["Type"] in DOORS and "Condition" not in resource
    ]
    return urls + granted_to_all + routes + authorizers + unasked


DOORS = frozenset(
    {"AWS::Lambda::Url", "AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Route", "AWS::Lambda::Permission"}
)

RULES: tuple[Rule, ...] = (
    permissions,
    query_reads_only,
    no_stars,
    only_lambda_takes_roles,
    visibility_covers_six_runs,
    five_receives_before_a_dead_letter,
    dead_letters_outlive_the_queue,
    everything_is_encrypted,
    logs_end,
    streams_give_up_in_time,
    a_poisoned_message_harms_no_neighbour,
    tables_stream_both_images,
    functions_carry_their_bundle,
    functions_run_as_built,
    functions_can_reach_the_database,
    the_query_function_is_snapshotted,
    no_door_is_open_to_everybody,
)


def granted(template: Template) -> Iterator[tuple[str, str, str]]:
    """Yield (role, action, resource) for everything that is allowed."""
    for name, role in of_type(template, "AWS::IAM::Role"):
        for policy in role.get("ManagedPolicyArns", []):
            yield name, "managed", spelt(policy).rpartition("/")[2]
        for document in role.get("Policies", []):
            yield from _statements(name, document["PolicyDocument"])
    for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
        for name, policy in of_type(template, kind):
            yield from _statements(name, policy["PolicyDocument"])


def _statements(name: str, document: Resource) -> Iterator[tuple[str, str, str]]:
    for statement in _list(document["Statement"]):
        if "Fn::If" in statement:
            condition, inner, _ = statement["Fn::If"]
            rows = _statements(name, {"Statement": inner})
            yield from ((role, action, f"{target} if {condition}") for role, action, target in rows)
            continue
        bounds = f" where {spelt(statement['Condition'])}" if "Condition" in statement else ""
        actions = _list(statement.get("Action", "* but some"))
        for target in _list(statement.get("Resource", "* but some")):
            yield from ((name, spelt(action), spelt(target) + bounds) for action in actions)


def _expected(role: str, rows: Mapping[str, list[str]]) -> Iterator[tuple[str, str, str]]:
    for action, targets in rows.items():
        yield from ((role, action, target) for target in targets)


def polled_queues(template: Template) -> Iterator[tuple[str, Resource, str]]:
    """Yield each queue that a function is fed from: its name, its properties, the function's name."""
    for _, mapping in of_type(template, "AWS::Lambda::EventSourceMapping"):
        name, _, attribute = spelt(mapping["EventSourceArn"]).partition(".")
        if attribute == "Arn" and template["Resources"][name]["Type"] == "AWS::SQS::Queue":
            yield name, resource(template, name), spelt(mapping["FunctionName"])


def of_type(template: Template, kind: str) -> Iterator[tuple[str, Resource]]:
    """Yield name and properties of every resource of a type."""
    for name, given in template["Resources"].items():
        if given["Type"] == kind:
            yield name, given.get("Properties", {})


def resource(template: Template, name: str) -> Resource:
    """Return a resource's properties."""
    properties: Resource = template["Resources"][name]["Properties"]
    return properties


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
