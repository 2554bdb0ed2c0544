"""What meets each rule of AWS, broken, and the test of docs/aws-rules.md that must fail then."""

from collections.abc import Mapping

from support.broken_product import ASSERTED, Mutation

LOOPS = "tests/faults/test_loops.py::"
RULES = "tests/unit/test_aws_rules.py::"
ALARMS = "tests/unit/test_alarms.py::"
COLLECTION = "tests/unit/test_collection_schema.py::"
DEPLOY = "tests/unit/test_deploy.py::"
ENVIRONMENT = "tests/unit/test_function_environment.py::"
PACKAGING = "tests/unit/test_packaging.py::"
PROCESS = "tests/unit/test_lambda_process.py::"
SNAPSHOT = "tests/unit/test_snapshot.py::"
SPLITTING = "tests/unit/test_splitting.py::"
TEMPLATE_TESTS = "tests/unit/test_template.py::"
POLICY, TEMPLATE = "pipeline/ingest/retry_policy.py", "template.yaml"
BOOTSTRAP, HOOKS = "pipeline/bootstrap.py", "pipeline/handlers/snapshot.py"
SPLITTER, EXECUTOR = "pipeline/ingest/splitting.py", "localstack/function_environment.py"
BUILD, CONTENTS = "pipeline/packaging/build.py", "pipeline/packaging/contents.py"
DEPLOYING, RUNNING = "pipeline/packaging/deploy.py", "pipeline/local/lambda_process.py"
MEASURES = "pipeline/ingest/measures.py"
SWEEP, INGEST = "pipeline/stores/opensearch/sweep.py", "pipeline/handlers/ingest.py"

_OUTAGE = LOOPS + "test_after_an_outage_of_26_hours_nothing_is_dead_and_every_forget_request_is_carried_out"
_GUARD = LOOPS + "test_if_lambda_ended_the_loops_the_same_outage_would_dead_letter_everything"
_KILLED = (
    LOOPS + "test_if_every_invocation_is_killed_after_its_retries_messages_grow_by_one_a_round_and_no_more"
)
_DEAD_BEFORE = LOOPS + "test_an_outage_in_which_every_first_invocation_dies_dead_letters_nothing"
_COPIED = LOOPS + "test_no_message_is_copied_twice_however_often_it_is_received"
_VARIABLES = ENVIRONMENT + "test_nothing_of_this_machine_and_nothing_undocumented_is_in_it"
_BLOCKS = SPLITTING + "test_the_splitter_is_given_every_character_once_in_blocks_of_bounded_length[prose]"
_PASTE = "tests/unit/test_batch_of_ten.py::test_a_paste_is_split_once_and_its_neighbours_are_indexed"
_SECRETS = "tests/unit/test_slow_text.py::test_secrets_are_looked_for_in_linear_time"
_STREAM_BUNDLE = PACKAGING + "test_each_bundle_imports_on_its_own[stream]"
_TOO_LARGE = RULES + "test_a_bundle_that_is_too_large_is_refused"
_UPLOADED = DEPLOY + "test_the_template_goes_through_s3_since_a_request_takes_51_200_bytes"
_NEW_VERSION = TEMPLATE_TESTS + "test_new_code_is_a_new_version_for_snapstart"
_CHANGED = TEMPLATE_TESTS + "test_a_property_that_changes_in_the_template_is_a_new_version_for_snapstart"
_RESTORED = SNAPSHOT + "test_a_restored_function_uses_no_object_of_the_snapshot"
_RENEWED = "    _Process.container = Container(container().settings)\n"
_ANEW = SNAPSHOT + "test_a_restored_function_makes_everything_anew_that_may_hold_a_connection"
_HOOKED = SNAPSHOT + "test_the_hooks_are_registered_where_the_runtime_has_them"
_SETTINGS = SNAPSHOT + "test_a_version_whose_settings_are_wrong_is_not_published_and_says_which"
_SECRET_FORM = SNAPSHOT + "test_a_version_whose_secret_has_another_form_is_not_published"
_NEW_ROLE = SNAPSHOT + "test_a_role_that_was_just_made_has_half_a_minute_to_be_known"
_NAMES = COLLECTION + "test_every_name_that_the_template_takes_is_one_that_the_service_takes"
_LENGTHS = COLLECTION + "test_no_name_is_taken_that_is_too_short_too_long_or_spelt_otherwise"
_STANDBY = COLLECTION + "test_standby_replicas_are_what_the_generation_knows"
_ROLES = COLLECTION + "test_only_what_names_a_role_may_be_an_operator"
_WRITERS = TEMPLATE_TESTS + "test_in_the_collection_only_ingest_writes_and_both_roles_reach_one_index"
_OPERATORS = RULES + "test_operators_read_the_collection_and_write_nothing"
_LOGS = RULES + "test_logs_may_use_the_stacks_key_for_the_stacks_own_groups"
_OWN = ALARMS + "test_an_alarm_of_our_metrics_rings_at_its_incident"
_AWSS = ALARMS + "test_an_alarm_of_awss_metrics_rings_at_its_incident"
_RENAMED = ALARMS + "test_an_alarm_whose_metric_is_named_otherwise_would_be_noticed"
_PERCENT = ALARMS + "test_a_failure_of_everything_rings_whatever_percent_may_be_given"
_FAILED_SWEEP = (
    "tests/unit/test_ingest_handler.py::test_a_sweep_that_fails_fails_the_invocation_so_that_lambda_keeps_it"
)
_CONTINUED = "tests/unit/test_sweep.py::test_a_run_that_fails_is_continued_where_it_failed"
_OUT_OF_TIME = "tests/unit/test_sweep.py::test_a_run_out_of_time_is_continued_and_looks_at_nothing_twice"
_SILENT = ALARMS + "test_an_alarm_is_silent_where_nothing_is_reported"

_READS = '"Permission": ["aoss:DescribeIndex", "aoss:ReadDocument"]}],\n'
_WRITES = _READS.replace('"]', '", "aoss:WriteDocument"]')
_SAID = "Threshold: !Ref AlarmFailedQuestions\n      ComparisonOperator: GreaterThanThreshold\n      TreatMissingData: "
_SILENCE = "IF(FILL(waiting, 0) > 0 AND FILL(polled, 0) == 0, 1, 0)"

MUTATIONS: Mapping[str, Mutation] = {
    "Lambda ends the loops of ingest": Mutation(_OUTAGE, TEMPLATE, "      RecursiveLoop: Allow\n", ""),
    "a line of copies is short": Mutation(_OUTAGE, POLICY, "MAX_ATTEMPTS = 10_000", "MAX_ATTEMPTS = 50"),
    "nothing is copied, so that no loop needs to be allowed": Mutation(_GUARD, POLICY, "if received > 1:", "if received > 0:"),
    "the queue of the tests knows no guard": Mutation(_GUARD, "tests/support/lambda_queue.py", "GUARD_ROUNDS = 16", "GUARD_ROUNDS = 10**9"),
    "a message is copied at every receive": Mutation(_KILLED, POLICY, "if received > 1:", "if received > 99:"),
    "no notice is ever too old": Mutation(_KILLED, POLICY, "return not waits and ", "return False and not waits and "),
    "a message is copied at its second receive too": Mutation(_COPIED, POLICY, "if received > 1:", "if received > 2:"),
    "waits in place do not grow": Mutation(_DEAD_BEFORE, POLICY, "WAIT_GROWTH = 4.0", "WAIT_GROWTH = 1.0"),
    "few receives": Mutation(_DEAD_BEFORE, TEMPLATE, "maxReceiveCount: 16}", "maxReceiveCount: 5}"),
    "waits are longer than SQS hides a message": Mutation(_DEAD_BEFORE, POLICY, "MAX_WAIT_DELAYS = 72", "MAX_WAIT_DELAYS = 200", says="pipeline.errors.VectorMemoryError: AssertionError"),
    "two mappings read one stream": Mutation(
        RULES + "test_each_stream_has_one_reader", TEMPLATE,
        "!If [GivenMemory, !Ref MemoryStreamArn, !GetAtt MemoryTable.StreamArn]\n      StartingPosition",
        "!If [GivenSessions, !Ref SessionsStreamArn, !GetAtt SessionsTable.StreamArn]\n      StartingPosition",
    ),
    "LocalStack's functions have a home": Mutation(_VARIABLES, EXECUTOR, "return told | FIXED", 'return told | {"HOME": "/root"} | FIXED'),
    "LocalStack's functions have this machine's variables": Mutation(_VARIABLES, EXECUTOR, "return told | FIXED", 'return __import__("os").environ | told | FIXED'),
    "LocalStack's functions have its sandbox's variables": Mutation(_VARIABLES, EXECUTOR, "and not name.startswith(FOR_ITS_SANDBOX)", ""),
    "functions have this machine's variables": Mutation(
        PROCESS + "test_no_variable_of_this_machine_reaches_a_function", RUNNING,
        "env=self._environment", 'env={**__import__("os").environ, **self._environment}',
    ),
    "functions have all the memory there is": Mutation(
        PROCESS + "test_a_function_that_takes_more_memory_than_it_has_fails", RUNNING,
        "(memory_megabytes * _MEBIBYTE,) * 2", "(resource.RLIM_INFINITY,) * 2",
    ),
    "a text is split as a whole": Mutation(_BLOCKS, SPLITTER, "while len(text) - start > longest:", "while False:"),
    "a character between blocks is lost": Mutation(_BLOCKS, SPLITTER, "        start = end\n", "        start = end + 1\n"),
    "an expression takes the square of a text": Mutation(
        _SECRETS + "[seeds without a secret]", "pipeline/source/secret_rules.py",
        r"(?:(?!otpauth://)[^\s\"'<>])*?secret", r"[^\s\"'<>]*?secret",
    ),
    "what was split is forgotten": Mutation(_PASTE, SPLITTER, "KEPT_BLOCKS = 256", "KEPT_BLOCKS = 0"),
    "a bundle lacks what it imports": Mutation(_STREAM_BUNDLE, CONTENTS, '_CORE = frozenset({"aws-lambda-powertools[tracer]", "tenacity"})', '_CORE = frozenset({"aws-lambda-powertools[tracer]"})'),
    "a function asks for its home": Mutation(
        _STREAM_BUNDLE, "pipeline/handlers/stream.py",
        'logger = Logger(service="stream")', 'logger = Logger(service="stream", location=__import__("os").environ["HOME"])',
    ),
    "a bundle may have 50 MB exactly": Mutation(_TOO_LARGE, BUILD, "zipped_bytes >= MAX_ZIPPED_BYTES", "zipped_bytes > MAX_ZIPPED_BYTES"),
    "nobody measures what is unzipped": Mutation(_TOO_LARGE, BUILD, "or one.unzipped_bytes >= MAX_UNZIPPED_BYTES", ""),
    "megabytes are of a million": Mutation(_TOO_LARGE, CONTENTS, "MAX_ZIPPED_BYTES = 50 * 1024 * 1024", "MAX_ZIPPED_BYTES = 50 * 1000 * 1000"),
    "the template is sent in the request": Mutation(_UPLOADED, DEPLOYING, "        TemplateURL=url,\n", '        TemplateBody=TEMPLATE.read_text("utf-8"),\n'),
    "the template is checked in the request": Mutation(_UPLOADED, DEPLOYING, "validate_template(TemplateURL=url)", 'validate_template(TemplateBody=TEMPLATE.read_text("utf-8"))'),
    "the template is cut": Mutation(_UPLOADED, DEPLOYING, "Key=key, Body=body)", "Key=key, Body=body[:51_200])"),
    "a changed parameter leaves the code where it is": Mutation(
        DEPLOY + "test_a_changed_parameter_gives_the_code_another_address_so_that_a_version_is_published", DEPLOYING,
        'return f"{code}-{digest[:8]}"', "return code",
    ),
    "no alias": Mutation(_NEW_VERSION, TEMPLATE, "      AutoPublishAlias: live\n", ""),
    "a changed property is not published": Mutation(_CHANGED, TEMPLATE, "      AutoPublishAliasAllProperties: true   # a changed property must be published too; a parameter that changes alone is not: docs/aws-rules.md\n", ""),
    "a restored function keeps its store": Mutation(_RESTORED, BOOTSTRAP, _RENEWED, "    _Process.container = container()\n"),
    "a restored function keeps its connection": Mutation(_ANEW, BOOTSTRAP, _RENEWED, "    _Process.container = Container(container().settings, backend=container().backend)\n"),
    "a restored function keeps its credentials": Mutation(_ANEW, BOOTSTRAP, _RENEWED, "    _Process.container = Container(container().settings, container().account)\n"),
    "nothing is made anew": Mutation(_HOOKED, HOOKS, "    register_after_restore(bootstrap.renew)\n", ""),
    "nothing is checked before a version is published": Mutation(_HOOKED, HOOKS, "register_before_snapshot(check_deployment)", "register_before_snapshot(warm)"),
    "wrong settings are published": Mutation(_SETTINGS, HOOKS, 'problems("query", bootstrap.environment())', 'problems("stream", bootstrap.environment())', says=f"{ASSERTED}|pipeline.errors"),
    "secrets of another form are published": Mutation(_SECRET_FORM, HOOKS, "            return _check_secrets(container)\n", "            return None\n"),
    "a secret is read once": Mutation(_NEW_ROLE, HOOKS, "SECRET_PAUSES_SECONDS = (2.0, 4.0, 8.0, 16.0)", "SECRET_PAUSES_SECONDS = ()", says="pipeline.errors.SecretUnavailableError"),
    "a secret is tried for two seconds": Mutation(_NEW_ROLE, HOOKS, "SECRET_PAUSES_SECONDS = (2.0, 4.0, 8.0, 16.0)", "SECRET_PAUSES_SECONDS = (0.5,) * 4"),
    "a policy's name is too long": Mutation(_NAMES, TEMPLATE, 'Name: !Sub "${CollectionName}-encryption"', 'Name: !Sub "${CollectionName}-encryption-policy"'),
    "a name of 31 characters is taken": Mutation(_LENGTHS, TEMPLATE, '"[a-z][a-z0-9-]{2,20}"', '"[a-z][a-z0-9-]{2,30}"'),
    "a Classic collection has standby replicas": Mutation(_STANDBY, TEMPLATE, "!If [MakesNextGen, ENABLED, DISABLED]", "!If [MakesNextGen, ENABLED, ENABLED]"),
    "a NextGen collection has none": Mutation(_STANDBY, TEMPLATE, "Generation: NEXTGEN, StandbyReplicas: ENABLED}", "Generation: NEXTGEN, StandbyReplicas: DISABLED}"),
    "all roles are operators": Mutation(_ROLES, TEMPLATE, "role/[A-Za-z0-9_+=.@/-]+", "role/[A-Za-z0-9_+=.@/*-]+"),
    "users are operators": Mutation(_ROLES, TEMPLATE, ":role/[A-Za-z0-9_+=.@/-]+", ":(role|user)/[A-Za-z0-9_+=.@/-]+"),
    "the query function writes the collection": Mutation(_WRITERS, TEMPLATE, f'{_READS}          "Principal": ["${{QueryFunctionRole.Arn}}"]', f'{_WRITES}          "Principal": ["${{QueryFunctionRole.Arn}}"]'),
    "operators write the collection": Mutation(_OPERATORS, TEMPLATE, f'{_READS}            "Principal": ["${{Operators}}"]', f'{_WRITES}            "Principal": ["${{Operators}}"]'),
    "logs use the key for any group": Mutation(_LOGS, TEMPLATE, "log-group:/aws/*/${AWS::StackName}-*", "log-group:*"),
    "an alarm watches what nobody reports": Mutation(_AWSS, TEMPLATE, "MetricName: IteratorAge\n", "MetricName: Age\n"),
    "nothing that is polled is compared with nothing": Mutation(_AWSS, TEMPLATE, _SILENCE, _SILENCE.replace("FILL(polled, 0)", "polled")),
    "failed questions are not counted": Mutation(_OWN, MEASURES, "[int(status >= FAILED_STATUS)]", "[0]"),
    "refusals of ingest have another name": Mutation(_OWN, MEASURES, '"Refused": sum(', '"Rejected": sum('),
    "an alarm watches another function": Mutation(_OWN, TEMPLATE, "MetricName: QueryFailures\n      Dimensions: [{Name: service, Value: query}]", "MetricName: QueryFailures\n      Dimensions: [{Name: service, Value: ingest}]"),
    "an alarm rings whatever its metric's name": Mutation(_RENAMED, TEMPLATE, "FILL(ingested, 0) + FILL(asked, 0)", "FILL(ingested, 1) + FILL(asked, 1)"),
    "an alarm may wait for more than everything": Mutation(_PERCENT, TEMPLATE, "MinValue: 0, MaxValue: 99,", "MinValue: 0, MaxValue: 100,"),
    "a sweep that failed says that it is done": Mutation(
        _FAILED_SWEEP, INGEST, '    if event.get("sweep") is True:\n        return _sweep(context)\n',
        '    if event.get("sweep") is True:\n        try:\n            return _sweep(context)\n        except VectorMemoryError:\n            return {}\n',
    ),
    "a sweep begins anew after a failure": Mutation(_CONTINUED, SWEEP, "if known and known.after:", "if False:"),
    "a sweep does not look at the clock": Mutation(_OUT_OF_TIME, SWEEP, "PAGE_SECONDS = 20.0", "PAGE_SECONDS = 0.0"),
    "no data is an incident": Mutation(_SILENT, TEMPLATE, f"{_SAID}notBreaching", f"{_SAID}breaching"),
    "no writes are an incident": Mutation(_SILENT, TEMPLATE, _SILENCE, _SILENCE.replace("FILL(waiting, 0) > 0", "FILL(waiting, 1) > 0")),
}  # fmt: skip
"""What is broken → how."""

NOT_MUTATED: Mapping[str, str] = {
    "tests/e2e/test_lambda_environment.py::test_a_save_becomes_searchable_through_the_bundles_alone": (
        "it starts a local AWS and a Postgres, and lays all bundles out; a function that asks for a variable that Lambda"
        " does not have is broken for test_each_bundle_imports_on_its_own"
    ),
}
"""Tests that the table names and no mutation stands for → why."""
