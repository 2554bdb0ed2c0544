"""What must hold of the transformed template. Each rule returns what breaks it; nothing is best."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from support.sam import Template, spelt

from pipeline.errors import StoreUnavailableError
from pipeline.ingest.forget_messages import ForgetMessage
from pipeline.ingest.retry_policy import Wait, retry_decision
from pipeline.packaging.contents import BUNDLES
from pipeline.stores.forget_requests import ForgetRequest

Rule = Callable[[Template], list[str]]
Resource = Mapping[str, Any]

PERMISSIONS = Path(__file__).with_name("permissions.yaml")
ANY_RESOURCE = {
    "dynamodb:ListStreams": "the action knows no resources",
    "aoss:APIAccessAll": "a collection from outside is known by its endpoint only; its data-access policy decides",
}
"""Actions that may name every resource, with the reason."""
OF_ITS_ACCOUNT = {
    "lambda.amazonaws.com": "a function has a role of its own account only, and AWS documents no condition for its taking it",
}
"""Services that act for the account of what they act on anyhow, with the reason."""
READ_ONLY = (
    "secretsmanager:Get",
    "dynamodb:Get",
    "dynamodb:BatchGet",
    "dynamodb:Query",
    "dynamodb:SearchVectors",
    "aoss:APIAccessAll",
    "bedrock:InvokeModel",
    "kms:Decrypt",
    "kms:GenerateDataKey",
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
"""A forget request is sent as a notice, and tokens are counted; nothing else leaves the query function."""
SIX = 6
OUTAGE_HOURS = 26
_ANY_REQUEST = ForgetRequest("1", "acme", datetime(2026, 11, 1, tzinfo=UTC), "mika", None)


def permissions(template: Template) -> list[str]:
    wanted = {
        row for role, rows in yaml.safe_load(PERMISSIONS.read_text()).items() for row in _expected(role, rows)
    }
    found = {*granted(template), *trusted(template)}
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


def services_act_for_this_account_alone(template: Template) -> list[str]:
    """A service does what any of its customers asks (a confused deputy), unless a condition says for whom."""
    return [
        f"{name}: {service} must be bound to this account by a condition, or stand with its reason in OF_ITS_ACCOUNT"
        for name, service, bounds in services(template)
        if service not in OF_ITS_ACCOUNT and "AWS::AccountId" not in bounds
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


def what_comes_again_outlasts_a_day_of_outage(template: Template) -> list[str]:
    delay = template["Parameters"]["MaxRetryDelaySeconds"]["Default"]
    return [
        f"{name}: maxReceiveCount must let a message wait for {OUTAGE_HOURS} hours (pipeline/ingest/retry_policy.py)"
        for name, queue, _ in polled_queues(template)
        if _waited(queue.get("RedrivePolicy", {}).get("maxReceiveCount", 0), delay) < OUTAGE_HOURS * 3600
    ]


def _waited(receives: int, max_delay_seconds: int) -> float:
    """Return the shortest time between a message's first receive and its dead-letter queue, all receives but one retried."""
    error, notice = StoreUnavailableError("away"), ForgetMessage(_ANY_REQUEST)
    decisions = (
        retry_decision(
            error,
            notice,
            now=0,
            jitter=0,
            max_delay_seconds=max_delay_seconds,
            max_age_seconds=1e9,
            received=count,
        )
        for count in range(2, receives)
    )
    return sum(decision.seconds for decision in decisions if isinstance(decision, Wait))


def loops_that_are_meant_are_allowed(template: Template) -> list[str]:
    """Lambda ends a chain of about 16 invocations; who sends to the queue it is fed from makes such chains."""
    may_send = {(role, target) for role, action, target in granted(template) if action == "sqs:SendMessage"}
    return [
        f"{name}: sends to {queue}, which feeds it: RecursiveLoop must be Allow"
        for queue, _, name in polled_queues(template)
        if (f"{name}Role", f"{queue}.Arn") in may_send
        and resource(template, name).get("RecursiveLoop") != "Allow"
    ]


def no_other_loop_is_allowed(template: Template) -> list[str]:
    fed = {name for _, _, name in polled_queues(template)}
    return [
        f"{name}: RecursiveLoop is for functions that are fed from a queue they send to"
        for name, function in of_type(template, "AWS::Lambda::Function")
        if "RecursiveLoop" in function and name not in fed
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
    """By AWS's key, or by the stack's own where there is one; what has no key of AWS's is encrypted anyhow."""
    own, ours_or_aws = "If(OwnKey, Key.Arn, AWS::NoValue)", "If(OwnKey, AWS::NoValue, true)"

    def bare(kind: str, wanted: Mapping[str, str]) -> list[str]:
        return [
            f"{name}: {path} must be {value}"
            for name, given in of_type(template, kind)
            for path, value in wanted.items()
            if spelt(_at(given, path)) != value
        ]

    return [
        *bare("AWS::SQS::Queue", {"SqsManagedSseEnabled": ours_or_aws, "KmsMasterKeyId": own}),
        *bare(
            "AWS::DynamoDB::Table",
            {"SSESpecification.SSEEnabled": "true", "SSESpecification.KMSMasterKeyId": own},
        ),
        *bare("AWS::SNS::Topic", {"KmsMasterKeyId": own}),
        *bare("AWS::SecretsManager::Secret", {"KmsKeyId": own}),
        *bare("AWS::Logs::LogGroup", {"KmsKeyId": own}),
        *bare("AWS::Lambda::Function", {"KmsKeyArn": own}),
    ]


def _at(given: Any, path: str) -> Any:
    for name in path.split("."):
        given = given.get(name, "") if isinstance(given, Mapping) else ""
    return given


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
    output = spelt(template["Outputs"]["QueryAliasArn"]["Value"])
    return [
        problem
        for problem, holds in {
            "QueryFunction: SnapStart must apply to published versions": "PublishedVersions" in snap,
            "QueryFunction: there must be an alias": "QueryFunction" in aliases,
            "QueryAliasArn must be the alias: $LATEST has no snapshot": output.startswith(
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
        f"{name}: an entrance exists only when it is asked for"
        for name, resource in template["Resources"].items()
        if resource["Type"] in DOORS and "Condition" not in resource
    ]
    return urls + granted_to_all + routes + authorizers + unasked


def what_cannot_be_made_again_stays(template: Template) -> list[str]:
    """Retained with the stack gone; what has a name of its own not after a failed first create, which would take the name."""
    wanted = {
        "AWS::SecretsManager::Secret": "Retain",
        "AWS::KMS::Key": "Retain",
        "AWS::OpenSearchServerless::Collection": "RetainExceptOnCreate",
        "AWS::OpenSearchServerless::CollectionGroup": "RetainExceptOnCreate",
    }
    own_tables = {"LedgerTable": "RetainExceptOnCreate", "VectorTable": "RetainExceptOnCreate"}
    return [
        f"{name}: DeletionPolicy must be {policy}, UpdateReplacePolicy Retain"
        for name, given in template["Resources"].items()
        if (policy := own_tables.get(name, wanted.get(given["Type"])))
        and (given.get("DeletionPolicy"), given.get("UpdateReplacePolicy")) != (policy, "Retain")
    ]


def schedules_keep_what_they_could_not_start(template: Template) -> list[str]:
    may_send = {
        (role, target.partition(" ")[0])
        for role, action, target in granted(template)
        if action == "sqs:SendMessage"
    }
    return [
        f"{name}: needs a DeadLetterConfig, and its role sqs:SendMessage to it"
        for name, given in of_type(template, "AWS::Scheduler::Schedule")
        if (
            spelt(given["Target"]["RoleArn"]).removesuffix(".Arn"),
            spelt(_at(given, "Target.DeadLetterConfig.Arn")),
        )
        not in may_send
    ]


def what_a_schedule_starts_keeps_what_failed(template: Template) -> list[str]:
    """Lambda takes a scheduled run, answers at once, tries it three times, and drops it unless it has a destination."""
    started = {
        spelt(given["Target"]["Arn"]).removesuffix(".Arn")
        for _, given in of_type(template, "AWS::Scheduler::Schedule")
    }
    kept = {
        spelt(given["FunctionName"]): spelt(_at(given, "DestinationConfig.OnFailure.Destination"))
        for _, given in of_type(template, "AWS::Lambda::EventInvokeConfig")
    }
    may_send = {
        (role, target.partition(" ")[0])
        for role, action, target in granted(template)
        if action == "sqs:SendMessage"
    }
    watched = {
        spelt(dimension["Value"]).replace(".QueueName", ".Arn")
        for _, alarm in of_type(template, "AWS::CloudWatch::Alarm")
        for dimension in alarm.get("Dimensions", [])
    }
    return [
        f"{name}: needs an EventInvokeConfig with OnFailure to a queue that it may send to and that an alarm watches"
        for name in sorted(started)
        if (f"{name}Role", kept.get(name)) not in may_send or kept[name] not in watched
    ]


def the_http_api_is_throttled(template: Template) -> list[str]:
    return [
        f"{name}: needs DefaultRouteSettings with ThrottlingRateLimit and ThrottlingBurstLimit, and an access log"
        for name, given in of_type(template, "AWS::ApiGatewayV2::Stage")
        if not {"ThrottlingRateLimit", "ThrottlingBurstLimit"} <= given.get("DefaultRouteSettings", {}).keys()
        or not given.get("AccessLogSettings")
    ]


def mappings_are_measured_and_watched(template: Template) -> list[str]:
    watched = {
        spelt(dimension["Value"])
        for _, alarm in of_type(template, "AWS::CloudWatch::Alarm")
        for one in alarm.get("Metrics", [])
        for dimension in _at(one, "MetricStat.Metric.Dimensions") or []
        if dimension["Name"] == "EventSourceMappingUUID"
    }
    return [
        f"{name}: needs MetricsConfig EventCount, and an alarm that rings when nothing is polled"
        for name, given in of_type(template, "AWS::Lambda::EventSourceMapping")
        if given.get("MetricsConfig") != {"Metrics": ["EventCount"]} or name not in watched
    ]


def alarms_say_what_no_data_means(template: Template) -> list[str]:
    return [
        f"{name}: needs AlarmDescription, AlarmActions and TreatMissingData"
        for name, alarm in of_type(template, "AWS::CloudWatch::Alarm")
        if not {"AlarmDescription", "AlarmActions", "TreatMissingData"} <= alarm.keys()
    ]


def thresholds_can_be_exceeded(template: Template) -> list[str]:
    """An alarm rings above its threshold: none may be given that its metric never exceeds."""
    highest = {
        "FailureRatio": 100,
        "IngestLag": 1000 * resource(template, "NoticeQueue")["MessageRetentionPeriod"],
        "ApproximateAgeOfOldestMessage": resource(template, "NoticeQueue")["MessageRetentionPeriod"],
        "IteratorAge": 1000 * resource(template, "SessionsMapping")["MaximumRecordAgeInSeconds"],
    }
    return [
        f"{name}: {parameter} needs a MaxValue below {highest[alarm['MetricName']]}, the most that the metric comes to"
        for name, alarm in of_type(template, "AWS::CloudWatch::Alarm")
        if alarm.get("MetricName") in highest
        for parameter in [spelt(alarm["Threshold"])]
        if alarm["ComparisonOperator"] != "GreaterThanThreshold"
        or not template["Parameters"][parameter].get("MaxValue", math.inf) < highest[alarm["MetricName"]]
    ]


DESCRIBED = frozenset(
    {
        "AWS::ApiGatewayV2::Api",
        "AWS::IAM::ManagedPolicy",
        "AWS::KMS::Key",
        "AWS::Lambda::Function",
        "AWS::OpenSearchServerless::AccessPolicy",
        "AWS::OpenSearchServerless::Collection",
        "AWS::OpenSearchServerless::CollectionGroup",
        "AWS::OpenSearchServerless::SecurityPolicy",
        "AWS::Scheduler::Schedule",
        "AWS::SecretsManager::Secret",
    }
)
"""Kinds of resources of the template that take a description; roles as well, where SAM does not make them."""
LABEL_CHARACTERS = 40


def everything_is_described(template: Template) -> list[str]:
    sections = [(name, given) for part in ("Parameters", "Outputs") for name, given in template[part].items()]
    resources = [(name, given) for kind in DESCRIBED for name, given in of_type(template, kind)]
    made_by_sam = {f"{name}Role" for name, _ in of_type(template, "AWS::Lambda::Function")}
    roles = [one for one in of_type(template, "AWS::IAM::Role") if one[0] not in made_by_sam]
    return [
        f"{name}: needs a Description"
        for name, given in sections + resources + roles
        if not given.get("Description")
    ]


def every_parameter_has_a_group_and_a_label(template: Template) -> list[str]:
    """CloudFormation's form shows labels in their groups; what has none comes last, by its bare name."""
    form = template["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = Counter(name for group in form["ParameterGroups"] for name in group["Parameters"])
    labels = {name: given["default"] for name, given in form["ParameterLabels"].items()}
    shared = {label for label, count in Counter(labels.values()).items() if count > 1}
    return [
        f"{name}: must stand in one parameter group"
        for name in grouped.keys() | template["Parameters"].keys()
        if name not in template["Parameters"] or grouped[name] != 1
    ] + [
        f"{name}: needs a label of its own, of {LABEL_CHARACTERS} characters at most (ParameterLabels)"
        for name in labels.keys() | template["Parameters"].keys()
        if name not in template["Parameters"]
        or not 0 < len(labels.get(name, "")) <= LABEL_CHARACTERS
        or labels[name] in shared
    ]


def collection_names_are_short_and_lower_case(template: Template) -> list[str]:
    """AOSS takes names of 3 to 32 characters, of a-z, 0-9 and hyphens, that begin with a letter."""
    declared = template["Parameters"]["CollectionName"]
    longest = re.fullmatch(r"\[a-z\]\[a-z0-9-\]\{2,(\d+)\}", declared.get("AllowedPattern", ""))
    if not longest:
        return ["CollectionName: AllowedPattern must be [a-z][a-z0-9-]{2,n}"]
    kinds = ("SecurityPolicy", "AccessPolicy", "CollectionGroup", "Collection")
    return [
        f"{name}: its name must be CollectionName and a few letters, of 32 at most"
        for kind in kinds
        for name, given in of_type(template, f"AWS::OpenSearchServerless::{kind}")
        if not (text := spelt(given["Name"]).replace("${CollectionName}", "CollectionName")).startswith(
            "CollectionName"
        )
        or 1 + int(longest[1]) + len(text) - len("CollectionName") > 32
        or not re.fullmatch("[a-z-]*", text.removeprefix("CollectionName"))
    ]


def next_generation_collections_have_standby_replicas(template: Template) -> list[str]:
    wanted = {"CollectionGroup": "ENABLED", "Collection": "If(MakesNextGen, ENABLED, DISABLED)"}
    return [
        f"{name}: StandbyReplicas must be {value}: NextGen takes nothing else"
        for name, value in wanted.items()
        if spelt(resource(template, name).get("StandbyReplicas", "")) != value
    ]


def logs_are_kept_as_long_as_cloudwatch_knows(template: Template) -> list[str]:
    days = template["Parameters"]["LogRetentionDays"].get("AllowedValues")
    return [] if days == LOG_RETENTION_DAYS else ["LogRetentionDays: AllowedValues must be CloudWatch's"]


def another_account_needs_both_permissions_of_the_url(template: Template) -> list[str]:
    given = {
        (permission["Action"], permission.get("FunctionUrlAuthType"), permission.get("InvokedViaFunctionUrl"))
        for _, permission in of_type(template, "AWS::Lambda::Permission")
        if spelt(permission["Principal"]) == "UrlCallerAccount"
    }
    wanted = {("lambda:InvokeFunctionUrl", "AWS_IAM", None), ("lambda:InvokeFunction", None, True)}
    return [] if given == wanted else [f"UrlCallerAccount: must be given {sorted(map(str, wanted))}"]


def variables_fit_into_four_kilobytes(template: Template) -> list[str]:
    """Lambda takes 4 KB of variables a function, names included; ARNs are counted at their longest."""
    return [
        f"{name}: its variables may have {size} bytes, and Lambda takes 4,096"
        for name, function in of_type(template, "AWS::Lambda::Function")
        if (size := _most_bytes(function.get("Environment", {}).get("Variables", {}), template)) > 4_096
    ]


def _most_bytes(variables: Resource, template: Template) -> int:
    parameters = template["Parameters"]
    usual = 80

    def longest(value: Any) -> int:
        declared = parameters.get(value.get("Ref", "")) if isinstance(value, Mapping) else None
        if isinstance(value, str):
            return len(value)
        allowed = [len(str(one)) for one in (declared or {}).get("AllowedValues", [])]
        number = (
            len(str((declared or {}).get("MaxValue", ""))) if (declared or {}).get("Type") == "Number" else 0
        )
        return max(allowed, default=0) or number or int((declared or {}).get("MaxLength", usual))

    return sum(len(name) + longest(value) for name, value in variables.items())


LOG_RETENTION_DAYS = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]  # fmt: skip
DOORS = frozenset(
    {"AWS::Lambda::Url", "AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Route", "AWS::Lambda::Permission"}
)

RULES: tuple[Rule, ...] = (
    permissions,
    query_reads_only,
    no_stars,
    only_lambda_takes_roles,
    services_act_for_this_account_alone,
    visibility_covers_six_runs,
    five_receives_before_a_dead_letter,
    what_comes_again_outlasts_a_day_of_outage,
    loops_that_are_meant_are_allowed,
    no_other_loop_is_allowed,
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
    what_cannot_be_made_again_stays,
    schedules_keep_what_they_could_not_start,
    what_a_schedule_starts_keeps_what_failed,
    the_http_api_is_throttled,
    mappings_are_measured_and_watched,
    alarms_say_what_no_data_means,
    thresholds_can_be_exceeded,
    everything_is_described,
    every_parameter_has_a_group_and_a_label,
    collection_names_are_short_and_lower_case,
    next_generation_collections_have_standby_replicas,
    logs_are_kept_as_long_as_cloudwatch_knows,
    another_account_needs_both_permissions_of_the_url,
    variables_fit_into_four_kilobytes,
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


def trusted(template: Template) -> Iterator[tuple[str, str, str]]:
    """Yield (role, action, who) for everybody who may take a role, with the condition."""
    for name, role in of_type(template, "AWS::IAM::Role"):
        for statement in _list(role["AssumeRolePolicyDocument"]["Statement"]):
            for who in _principals(statement):
                yield from (
                    (name, spelt(action), who + _bounds(statement)) for action in _list(statement["Action"])
                )


def services(template: Template) -> Iterator[tuple[str, str, str]]:
    """Yield (resource, service, condition) for every service that a role, a key or a function trusts."""
    documents = {"AWS::IAM::Role": "AssumeRolePolicyDocument", "AWS::KMS::Key": "KeyPolicy"}
    for kind, policy in documents.items():
        for name, given in of_type(template, kind):
            for statement in _list(given[policy]["Statement"]):
                for service in _list(statement["Principal"].get("Service", [])):
                    yield name, spelt(service), _bounds(statement)
    for name, given in of_type(template, "AWS::Lambda::Permission"):
        if spelt(given["Principal"]).endswith(".amazonaws.com"):
            yield (
                name,
                spelt(given["Principal"]),
                spelt(given.get("SourceArn", given.get("SourceAccount", ""))),
            )


def _principals(statement: Resource) -> Iterator[str]:
    for many in statement["Principal"].values():
        yield from map(spelt, _list(many))


def _bounds(statement: Resource) -> str:
    return f" where {spelt(statement['Condition'])}" if "Condition" in statement else ""


def _statements(name: str, document: Resource) -> Iterator[tuple[str, str, str]]:
    for statement in _list(document["Statement"]):
        if "Fn::If" in statement:
            condition, inner, _ = statement["Fn::If"]
            rows = _statements(name, {"Statement": inner})
            yield from ((role, action, f"{target} if {condition}") for role, action, target in rows)
            continue
        actions = _list(statement.get("Action", "* but some"))
        for target in _list(statement.get("Resource", "* but some")):
            yield from ((name, spelt(action), spelt(target) + _bounds(statement)) for action in actions)


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
