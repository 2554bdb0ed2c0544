"""template.yaml keeps its promises, and each rule that says so can fail."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from support.pages import page, rows
from support.sam import Template, mutated, source, spelt, transformed
from support.template_rules import RULES, Rule, of_type

from pipeline.local.conditions import live
from pipeline.local.stack import TEMPLATE
from pipeline.packaging.template import environments, spelt_out
from pipeline.search.memory_search import MIN_CONFIDENCE
from pipeline.settings import Settings

Change = Callable[[dict[str, Any]], object]
"""Changes the template's resources in place."""


def statements(resources: dict[str, Any], function: str) -> list[Any]:
    found: list[Any] = resources[function]["Properties"]["Policies"][0]["Statement"]
    return found


def allow(function: str, action: str, target: Any) -> Change:
    statement = {"Effect": "Allow", "Action": [action], "Resource": target}
    return lambda resources: statements(resources, function).append(statement)


def put(name: str, **properties: Any) -> Change:
    return lambda resources: resources[name]["Properties"].update(properties)


def drop(name: str, *properties: str) -> Change:
    return lambda resources: [resources[name]["Properties"].pop(one) for one in properties]


def form(template: Template) -> dict[str, Any]:
    """Return what CloudFormation's form shows."""
    interface: dict[str, Any] = template["Metadata"]["AWS::CloudFormation::Interface"]
    return interface


def arn(name: str) -> Mapping[str, Any]:
    return {"Fn::GetAtt": [name, "Arn"]}


MUTATIONS: Mapping[str, list[tuple[str, Change]]] = {
    "permissions": [
        ("a new action", allow("StreamFunction", "sqs:DeleteMessage", arn("NoticeQueue"))),
        ("a new resource", allow("IngestFunction", "sqs:SendMessage", arn("StreamFailureQueue"))),
        ("URL callers may invoke directly", lambda r: r["QueryUrlCallers"]["Properties"]["PolicyDocument"]["Statement"][1].pop("Condition")),
        ("every model", allow("IngestFunction", "bedrock:InvokeModel", {"Fn::Sub": "arn:${AWS::Partition}:bedrock:${AWS::Region}::foundation-model/*"})),
        ("the digest reads the whole ledger", lambda r: statements(r, "DigestFunction")[-2]["Fn::If"][1].pop("Condition")),
        ("the digest writes anything to the ledger", lambda r: statements(r, "DigestFunction")[-1]["Fn::If"][1].pop("Condition")),
        ("an action gone", lambda r: statements(r, "IngestFunction").pop()),
        ("a managed policy", lambda r: r["QueryFunction"]["Properties"]["Policies"].append("AmazonSQSFullAccess")),
        ("a SAM policy", lambda r: r["QueryFunction"]["Properties"]["Policies"].append({"SQSPollerPolicy": {"QueueName": "q"}})),
        ("anybody's schedules", lambda r: r["SweepScheduleRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0].pop("Condition")),
        ("an event that brings permissions", put("QueryFunction", Events={"Queue": {"Type": "SQS", "Properties": {"Queue": arn("NoticeQueue")}}})),
    ],
    "query_reads_only": [
        ("it writes an item", allow("QueryFunction", "dynamodb:PutItem", arn("SessionsTable"))),
        ("it reads the queue", allow("QueryFunction", "sqs:ReceiveMessage", arn("NoticeQueue"))),
        ("it dead-letters", allow("QueryFunction", "sqs:SendMessage", arn("DeadLetterQueue"))),
        ("it changes a secret", allow("QueryFunction", "secretsmanager:PutSecretValue", arn("MessageKey"))),
    ],
    "no_stars": [
        ("an action", allow("IngestFunction", "sqs:*", arn("NoticeQueue"))),
        ("a resource", allow("IngestFunction", "dynamodb:GetItem", "*")),
        ("the end of an ARN", allow("StreamFunction", "sqs:SendMessage", {"Fn::Sub": "arn:aws:sqs:${AWS::Region}:${AWS::AccountId}:*"})),
        ("everything but", lambda r: statements(r, "StreamFunction").append({"Effect": "Allow", "NotAction": ["iam:*"], "Resource": "arn:aws:s3:::b"})),
    ],
    "only_lambda_takes_roles": [
        (
            "another account",
            put(
                "QueryFunction",
                AssumeRolePolicyDocument={"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["sts:AssumeRole"], "Principal": {"AWS": "*"}}]},
            ),
        ),
    ],
    "services_act_for_this_account_alone": [
        ("a role", lambda r: r["DigestScheduleRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0].pop("Condition")),
        ("another account's schedules", lambda r: r["SweepScheduleRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0].update(Condition={"StringEquals": {"aws:SourceAccount": "*"}})),
        ("the key", lambda r: r["Key"]["Properties"]["KeyPolicy"]["Statement"][1].pop("Condition")),
        ("any API", drop("QueryApiPermission", "SourceArn")),
    ],
    "visibility_covers_six_runs": [
        ("a longer run", put("IngestFunction", Timeout=61)),
        ("a shorter wait", put("NoticeQueue", VisibilityTimeout=359)),
        ("the default", drop("NoticeQueue", "VisibilityTimeout")),
    ],
    "five_receives_before_a_dead_letter": [
        ("four", lambda r: r["NoticeQueue"]["Properties"]["RedrivePolicy"].update(maxReceiveCount=4)),
        ("no dead-letter queue", drop("NoticeQueue", "RedrivePolicy")),
    ],
    "what_comes_again_outlasts_a_day_of_outage": [
        ("ten receives", lambda r: r["NoticeQueue"]["Properties"]["RedrivePolicy"].update(maxReceiveCount=10)),
    ],
    "loops_that_are_meant_are_allowed": [
        ("the default", drop("IngestFunction", "RecursiveLoop")),
        ("ended by Lambda", put("IngestFunction", RecursiveLoop="Terminate")),
    ],
    "no_other_loop_is_allowed": [("the stream function", put("StreamFunction", RecursiveLoop="Allow"))],
    "dead_letters_outlive_the_queue": [
        ("as long", put("DeadLetterQueue", MessageRetentionPeriod=1036800)),
        ("the default", drop("DeadLetterQueue", "MessageRetentionPeriod")),
        ("a longer queue", put("NoticeQueue", MessageRetentionPeriod=1209600)),
    ],
    "everything_is_encrypted": [
        ("a queue", drop("NoticeQueue", "SqsManagedSseEnabled")),
        ("a dead-letter queue", put("DeadLetterQueue", SqsManagedSseEnabled=False)),
        ("the secret, not by the stack's key", drop("MessageKey", "KmsKeyId")),
        ("logs, not by the stack's key", drop("QueryLogs", "KmsKeyId")),
        ("a table", drop("SessionsTable", "SSESpecification")),
        ("a topic", lambda r: r.update(Topic={"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "t"}})),
    ],
    "logs_end": [
        ("kept for ever", drop("QueryLogs", "RetentionInDays")),
        ("the function's own", drop("IngestFunction", "LoggingConfig")),
        ("no group", lambda r: r.pop("StreamLogs")),
    ],
    "streams_give_up_in_time": [
        ("for ever", put("SessionsMapping", MaximumRetryAttempts=-1)),
        ("the default", drop("MemoryMapping", "MaximumRetryAttempts")),
        ("never too old", put("ConfigMapping", MaximumRecordAgeInSeconds=-1)),
        ("older than the stream", put("ConfigMapping", MaximumRecordAgeInSeconds=86400)),
        ("no bisect", drop("SessionsMapping", "BisectBatchOnFunctionError")),
        ("all or nothing", drop("SessionsMapping", "FunctionResponseTypes")),
        ("no destination", drop("MemoryMapping", "DestinationConfig")),
        ("what is there is skipped", put("MemoryMapping", StartingPosition="LATEST")),
    ],
    "a_poisoned_message_harms_no_neighbour": [
        ("all or nothing", drop("NoticeMapping", "FunctionResponseTypes")),
        ("as many as there are", drop("NoticeMapping", "ScalingConfig")),
    ],
    "tables_stream_both_images": [
        ("new images", put("SessionsTable", StreamSpecification={"StreamViewType": "NEW_IMAGE"})),
        ("no stream", drop("ConfigTable", "StreamSpecification")),
    ],
    "functions_carry_their_bundle": [
        ("the wrong one", put("QueryFunction", CodeUri={"Bucket": "b", "Key": {"Fn::Sub": "${CodePrefix}/stream.zip"}})),
        ("another handler", put("StreamFunction", Handler="pipeline.handlers.other.handler")),
    ],
    "functions_run_as_built": [
        ("another runtime", put("IngestFunction", Runtime="python3.12")),
        ("another architecture", put("IngestFunction", Architectures=["x86_64"])),
    ],
    "functions_can_reach_the_database": [
        ("outside", put("QueryFunction", VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]})),
    ],
    "the_query_function_is_snapshotted": [
        ("no snapshot", drop("QueryFunction", "SnapStart")),
    ],
    "no_door_is_open_to_everybody": [
        ("a URL", put("QueryFunction", FunctionUrlConfig={"AuthType": "NONE"})),
        ("our URL", put("QueryUrl", AuthType="NONE")),
        ("a route", put("QueryApiRoute", AuthorizationType="NONE")),
        ("a route that forgot", drop("QueryApiRoute", "AuthorizerId")),
        ("tokens for anybody", put("QueryApiAuthorizer", JwtConfiguration={"Issuer": "https://issuer"})),
        ("a URL nobody asked for", lambda r: r["QueryUrl"].pop("Condition")),
        ("an API nobody asked for", lambda r: r["QueryApi"].pop("Condition")),
    ],
    "what_cannot_be_made_again_stays": [
        ("the message key", lambda r: r["MessageKey"].pop("DeletionPolicy")),
        ("the key", lambda r: r["Key"].update(DeletionPolicy="Delete")),
        ("a collection whose name a failed create takes", lambda r: r["Collection"].update(DeletionPolicy="Retain")),
        ("a table that is replaced", lambda r: r["VectorTable"].pop("UpdateReplacePolicy")),
    ],
    "schedules_keep_what_they_could_not_start": [
        ("no queue", lambda r: r["DigestSchedule"]["Properties"]["Target"].pop("DeadLetterConfig")),
        ("no permission", lambda r: r["SweepScheduleRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"].pop(1)),
    ],
    "what_a_schedule_starts_keeps_what_failed": [
        ("no destination", lambda r: r.pop("SweepRuns")),
        ("no destination of failures", drop("DigestRuns", "DestinationConfig")),
        ("no permission", lambda r: statements(r, "IngestFunction").remove(next(one for one in statements(r, "IngestFunction") if "OnOpenSearch" in str(one) and "sqs" in str(one)))),
        ("no alarm", lambda r: r.pop("ScheduleFailureAlarm")),
    ],
    "the_http_api_is_throttled": [
        ("no limit", drop("QueryApiStage", "DefaultRouteSettings")),
        ("no log", drop("QueryApiStage", "AccessLogSettings")),
    ],
    "mappings_are_measured_and_watched": [
        ("no metrics", drop("NoticeMapping", "MetricsConfig")),
        ("no alarm", lambda r: r.pop("ConfigMappingSilentAlarm")),
    ],
    "alarms_say_what_no_data_means": [
        ("nothing", drop("QueryFailureAlarm", "TreatMissingData")),
        ("nobody is told", drop("OldestNoticeAlarm", "AlarmActions")),
    ],
    "collection_names_are_short_and_lower_case": [
        ("the stack's name", put("CollectionNetwork", Name={"Fn::Sub": "${AWS::StackName}-network"})),
        ("too long", put("CollectionAccess", Name={"Fn::Sub": "${CollectionName}-data-access-policy"})),
    ],
    "next_generation_collections_have_standby_replicas": [
        ("none", put("CollectionGroup", StandbyReplicas="DISABLED")),
        ("none either", put("Collection", StandbyReplicas="DISABLED")),
    ],
    "another_account_needs_both_permissions_of_the_url": [
        ("one of them", lambda r: r.pop("QueryUrlAccountInvoke")),
        ("direct invocation too", drop("QueryUrlAccountInvoke", "InvokedViaFunctionUrl")),
    ],
}  # fmt: skip
CASES = [(rule, what, change) for rule in RULES for what, change in MUTATIONS.get(rule.__name__, [])]
TEMPLATE_MUTATIONS: list[tuple[str, Callable[[Template], object]]] = [
    (
        "the_query_function_is_snapshotted",
        lambda t: t["Outputs"].update(QueryAliasArn={"Value": {"Ref": "QueryFunction"}}),
    ),
    ("functions_run_as_built", lambda t: t["Parameters"]["Architecture"].update(Default="x86_64")),
    ("everything_is_encrypted", lambda t: t["Globals"]["Function"].pop("KmsKeyArn")),
    ("everything_is_described", lambda t: t["Outputs"]["QueryUrl"].pop("Description")),
    ("everything_is_described", lambda t: t["Parameters"]["Store"].pop("Description")),
    ("everything_is_described", lambda t: t["Resources"]["Collection"]["Properties"].pop("Description")),
    (
        "everything_is_described",
        lambda t: t["Resources"]["SweepScheduleRole"]["Properties"].pop("Description"),
    ),
    (
        "every_parameter_has_a_group_and_a_label",
        lambda t: t["Parameters"].update(New={"Type": "String", "Description": "x", "Default": ""}),
    ),
    ("every_parameter_has_a_group_and_a_label", lambda t: form(t)["ParameterGroups"][1]["Parameters"].pop()),
    (
        "every_parameter_has_a_group_and_a_label",
        lambda t: form(t)["ParameterGroups"][0]["Parameters"].append("Store"),
    ),
    (
        "every_parameter_has_a_group_and_a_label",
        lambda t: form(t)["ParameterGroups"][0]["Parameters"].append("Gone"),
    ),
    ("every_parameter_has_a_group_and_a_label", lambda t: form(t)["ParameterLabels"].pop("Redact")),
    (
        "every_parameter_has_a_group_and_a_label",
        lambda t: form(t)["ParameterLabels"].update(
            Redact={"default": form(t)["ParameterLabels"]["Store"]["default"]}
        ),
    ),
    (
        "every_parameter_has_a_group_and_a_label",
        lambda t: form(t)["ParameterLabels"].update(Redact={"default": ""}),
    ),
    (
        "every_parameter_has_a_group_and_a_label",
        lambda t: form(t)["ParameterLabels"].update(Gone={"default": "Gone"}),
    ),
    (
        "logs_are_kept_as_long_as_cloudwatch_knows",
        lambda t: t["Parameters"]["LogRetentionDays"].pop("AllowedValues"),
    ),
    ("thresholds_can_be_exceeded", lambda t: t["Parameters"]["AlarmFailurePercent"].update(MaxValue=100)),
    ("thresholds_can_be_exceeded", lambda t: t["Parameters"]["AlarmOldestNoticeSeconds"].pop("MaxValue")),
    ("variables_fit_into_four_kilobytes", lambda t: t["Parameters"]["TrustedCallers"].update(MaxLength=4096)),
    (
        "collection_names_are_short_and_lower_case",
        lambda t: t["Parameters"]["CollectionName"].pop("AllowedPattern"),
    ),
    ("functions_can_reach_the_database", lambda t: t["Globals"]["Function"].pop("VpcConfig")),
]


@pytest.fixture(scope="module")
def template() -> Template:
    return source()


@pytest.fixture(scope="module")
def real(template: Template) -> Template:
    [made] = transformed([template])
    assert "refused" not in made, made
    return made


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_template_keeps_the_rule(real: Template, rule: Rule) -> None:
    assert rule(real) == []


def test_every_rule_fails_on_a_mutated_template(template: Template) -> None:
    cases = [
        (rule, what, mutated(template, lambda t, c=change: c(t["Resources"]))) for rule, what, change in CASES
    ]
    named = {rule.__name__: rule for rule in RULES}
    cases += [(named[name], "the whole", mutated(template, change)) for name, change in TEMPLATE_MUTATIONS]
    made = transformed([changed for _, _, changed in cases])
    missed = [
        f"{rule.__name__}: {what}: {result.get('refused', 'not noticed')}"
        for (rule, what, _), result in zip(cases, made, strict=True)
        if "refused" in result or not rule(result)
    ]
    print(f"\nmutated templates caught: {len(cases) - len(missed)} of {len(cases)}")
    assert missed == []
    assert {rule for rule, _, _ in cases} == set(RULES), "give each rule a mutation that breaks it"


def test_every_alarm_has_its_row_in_the_runbook(template: Template) -> None:
    table = rows(page("docs/runbook.md").section("## Alarms"))
    alarms = [row for row in table if row[0].startswith("`") and row[0].endswith("Alarm`")]
    told = {name.strip(" `") for row in alarms for name in row[0].split(",")}
    assert told == {name for name, _ in of_type(template, "AWS::CloudWatch::Alarm")}
    assert all(cell for row in alarms for cell in row)


def test_every_parameter_of_the_digest_reaches_its_function(template: Template) -> None:
    variables = template["Resources"]["DigestFunction"]["Properties"]["Environment"]["Variables"]
    given = {spelt(value) for value in variables.values()}
    assert {name for name in template["Parameters"] if name.startswith("Digest")} <= given
    assert spelt(variables["DIGEST_CATCH_UP_DAYS"]) == "DigestCatchUpDays"


class Asked(dict[str, str]):
    """An environment that notes which variables it was asked for."""

    def __init__(self, given: Mapping[str, str]) -> None:
        super().__init__(given)
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)


NOT_IN_TEMPLATE: Mapping[str, str] = {
    "AUDIT_FILE": "commands only",
    "DATABASE_URL": "commands only; functions have a secret",
    "DATABASE_SSLROOTCERT": "a secret has it, or the program",
    "MAX_NOTICE_AGE_SECONDS": "the queue's retention is made for it",
    "OPENSEARCH_INDEX": "the collection's policies name it",
    "STREAM_FAILURE_QUEUE_URL": "commands only",
}
"""Variables that no parameter gives → why."""


def test_every_variable_is_given_by_the_template_or_says_why_not() -> None:
    asked = Asked({"NEXT_EMBEDDING_MODEL": "another", "DATABASE_HOST": "db"})
    Settings.from_environment(asked)
    given = {
        name for _, values in environments(spelt_out(TEMPLATE.read_text("utf-8")), {}) for name in values
    }
    assert asked.names - given == NOT_IN_TEMPLATE.keys()


def test_prices_of_ones_own_models_reach_those_who_count() -> None:
    chosen = {
        "EmbeddingModel": "my-own",
        "EmbeddingDollarsPerMillionTokens": "0.5",
        "NextEmbeddingModel": "my-next",
        "NextEmbeddingDollarsPerMillionTokens": "0.25",
        "DigestProvider": "openai",
        "DigestModel": "my-chat",
        "DigestDollarsPerMillionInputTokens": "1",
        "DigestDollarsPerMillionOutputTokens": "2",
    }
    template = spelt_out(TEMPLATE.read_text("utf-8"))
    made = {name: Settings.from_environment(values) for name, values in environments(template, chosen)}
    for name in ("ingest", "query"):
        assert made[name].embedding.dollars_per_million_tokens == 0.5
        following = made[name].next_embedding
        assert following
        assert following.dollars_per_million_tokens == 0.25
    assert (made["digest"].digest.input_dollars, made["digest"].digest.output_dollars) == (1, 2)


def test_the_level_of_what_is_told_reaches_the_query_function_alone() -> None:
    template = spelt_out(TEMPLATE.read_text("utf-8"))
    parameter = template["Parameters"]["MinConfidence"]
    assert float(parameter["Default"]) == Settings().min_confidence == MIN_CONFIDENCE
    assert (parameter["MinValue"], parameter["MaxValue"]) == (0, 1)
    told = {
        name: values.get("MIN_CONFIDENCE")
        for name, values in environments(template, {"MinConfidence": "0.31"})
    }
    assert told == {"query": "0.31"} | dict.fromkeys(told.keys() - {"query"})


def test_new_code_is_a_new_version_for_snapstart(template: Template) -> None:
    versions = []
    for prefix in ("one", "two", "one"):
        [made] = transformed([template], CodePrefix=prefix, Runtime="python3.13")
        versions.append([name for name, _ in of_type(made, "AWS::Lambda::Version")])
    assert versions[0] == versions[2] != versions[1]
    assert all(len(names) == 1 for names in versions)


@pytest.mark.parametrize(
    "change",
    [
        lambda given: given.update(Timeout=14),
        lambda given: given["Environment"]["Variables"].update(MIN_CONFIDENCE="0.31"),
    ],
    ids=["timeout", "variable"],
)
def test_a_property_that_changes_in_the_template_is_a_new_version_for_snapstart(
    template: Template, change: Change
) -> None:
    changed = mutated(template, lambda t: change(t["Resources"]["QueryFunction"]["Properties"]))
    made = transformed([template, changed], CodePrefix="one", Runtime="python3.13")
    before, after = ({name for name, _ in of_type(one, "AWS::Lambda::Version")} for one in made)
    assert len(before) == len(after) == 1
    assert before != after


def test_functions_spell_as_people_write_them() -> None:
    assert spelt({"Fn::If": ["A", {"Ref": "B"}, {"Fn::GetAtt": ["C", "Arn"]}]}) == "If(A, B, C.Arn)"
    assert spelt({"Fn::Sub": "x-${Y}"}) == "x-${Y}"


INDEX = "index/${CollectionName}/memories"


def data_access(template: Template) -> dict[str, tuple[list[str], list[str]]]:
    """Return role → permissions and resources, of the collection's own policy."""
    text = template["Resources"]["CollectionAccess"]["Properties"]["Policy"]["Fn::Sub"]
    return {
        principal: (sorted(rule["Permission"]), rule["Resource"])
        for statement in json.loads(text)
        for rule in statement["Rules"]
        for principal in statement["Principal"]
    }


def test_in_the_collection_only_ingest_writes_and_both_roles_reach_one_index() -> None:
    write = ["aoss:CreateIndex", "aoss:DescribeIndex", "aoss:ReadDocument", "aoss:WriteDocument"]
    assert data_access(source()) == {
        "${IngestFunctionRole.Arn}": (write, [INDEX]),
        "${QueryFunctionRole.Arn}": (["aoss:DescribeIndex", "aoss:ReadDocument"], [INDEX]),
    }


@pytest.mark.parametrize("store", ["dynamodb", "opensearch"])
def test_a_store_deploys_nothing_that_another_needs(store: str) -> None:
    template = json.loads(live(TEMPLATE.read_text("utf-8"), {"Store": store}))
    kinds = {one["Type"] for one in template["Resources"].values()}
    assert ("VectorTable" in template["Resources"], "AWS::OpenSearchServerless::Collection" in kinds) == (
        store == "dynamodb",
        store == "opensearch",
    )
    assert ("SweepSchedule" in template["Resources"]) == (store == "opensearch")
    assert "LedgerTable" in template["Resources"]


@pytest.mark.parametrize("generation", ["classic", "nextgen"])
def test_a_collection_is_made_of_the_generation_that_is_asked_for(generation: str) -> None:
    chosen = {"Store": "opensearch", "OpenSearchGeneration": generation}
    made = json.loads(live(TEMPLATE.read_text("utf-8"), chosen))["Resources"]
    collection = made["Collection"]["Properties"]
    assert ("CollectionGroup" in made) is (generation == "nextgen")
    condition, name, _ = collection["CollectionGroupName"]["Fn::If"]
    assert (condition, name) == (
        "MakesNextGen",
        {"Fn::Select": [0, [collection["Name"], {"Ref": "CollectionGroup"}]]},
    )
    group = source()["Resources"]["CollectionGroup"]["Properties"]
    assert (group["Generation"], group["Name"]) == ("NEXTGEN", collection["Name"])
    assert group["StandbyReplicas"] == "ENABLED"
    assert collection["StandbyReplicas"] == {"Fn::If": ["MakesNextGen", "ENABLED", "DISABLED"]}


def test_a_collection_of_ones_own_needs_no_other() -> None:
    chosen = {"Store": "opensearch", "OpenSearchGeneration": "nextgen", "OpenSearchEndpoint": "https://x"}
    made = json.loads(live(TEMPLATE.read_text("utf-8"), chosen))["Resources"]
    assert not {name for name in made if name.startswith("Collection")}
