"""What each local AWS cannot show: the one table of it. Everything else in tests/e2e runs on all of them.

What none of them shows has no test here but one in tests/faults, against a simulator of event source mappings: a batch
that is bisected, a record that grows too old, several shards and batches of a shard at once, records of a TTL removal.
"""

import os
import urllib.request
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

MINISTACK, LOCALSTACK = "ministack", "localstack"


@dataclass(frozen=True)
class Gap:
    """Tests that an emulator cannot run.

    Args:
        tests: the end of a test's id without parameters, or a file.
        reason: what the emulator does otherwise than AWS.
    """

    emulator: str
    tests: str
    reason: str


_NO_STREAM_RETRIES = (
    "checkpoints the whole batch whatever a stream function reports, so nothing is tried again"
)
_OWN_PROCESSES = "the tests are about starting and stopping the MiniStack of a run, not about the pipeline"
_MINUTES = (
    "tells the minute of a change, AWS the second: what is kept within the minute of a read stays hidden"
)
_NO_HTTP_API = "the free edition has no apigatewayv2"
_HTTP_API = (
    "test_a_token_reads_its_own_users_memory",
    "test_without_a_good_token_nobody_gets_in",
    "test_forgetting_through_an_entrance_goes_all_the_way",
)

GAPS = (
    Gap(MINISTACK, "test_event_sources.py::test_dead_letters_go_back_by_the_queues_own_move_task", "has no StartMessageMoveTask"),
    Gap(MINISTACK, "test_event_sources.py::test_a_reported_record_comes_again_and_its_neighbours_are_not_lost", _NO_STREAM_RETRIES),
    Gap(MINISTACK, "test_event_sources.py::test_saves_during_an_outage_of_the_queue_become_memory_after_it", _NO_STREAM_RETRIES),
    Gap(MINISTACK, "test_event_sources.py::test_a_batch_that_lambda_gave_up_on_is_replayed_from_its_own_message", _NO_STREAM_RETRIES),
    Gap(LOCALSTACK, "test_permissions.py", "the free edition does not enforce IAM"),
    Gap(LOCALSTACK, "test_local_stack.py", _OWN_PROCESSES),
    Gap(LOCALSTACK, "test_demo_door.py", "the tests are about the demo, which starts a MiniStack of its own"),
    Gap(LOCALSTACK, "test_demo_on_opensearch.py", "the tests are about the demo, which starts a MiniStack of its own"),
    Gap(LOCALSTACK, "test_lambda_environment.py", "the tests start bundles and a MiniStack of their own"),
    Gap(LOCALSTACK, "test_other_stores.py", "not tried there; in containers the stand-in for OpenSearch is out of reach"),
    Gap(LOCALSTACK, "test_digest_by_a_model.py", "not tried there; in containers the chat API of the tests is out of reach"),
    Gap(LOCALSTACK, "test_incident.py::test_a_dashboard_is_deployed", "makes no dashboards by CloudFormation"),
    Gap(
        LOCALSTACK,
        "test_incident.py::test_status_and_metrics_tell_the_story_and_the_ledger_equals_the_providers_count",
        "has no percentiles in its metrics, and the story is told by them",
    ),
    Gap(
        LOCALSTACK,
        "test_deploy.py::test_it_upgrades_and_rolls_back",
        "makes no change set that keeps a parameter's earlier value",
    ),
    Gap(LOCALSTACK, "test_main_job.py::test_a_cleared_session_stays_memory", _MINUTES),
    Gap(LOCALSTACK, "test_audit_and_forget.py::test_repair_hides_a_vanished_message_until_its_record_tells_why", _MINUTES),
    Gap(
        LOCALSTACK,
        "test_dead_letters.py::test_a_deleted_secret_is_nowhere_after_every_old_change_was_replayed_and_every_item_audited",
        _MINUTES,
    ),
    Gap(
        LOCALSTACK,
        "test_own_data.py::test_a_session_saved_fifty_times_with_new_times_is_embedded_once_and_forgets",
        _MINUTES,
    ),
    Gap(LOCALSTACK, "test_export.py::test_memory_moves_to_an_empty_deployment", _MINUTES),
    *(Gap(LOCALSTACK, f"test_http_entrances.py::{test}", _NO_HTTP_API) for test in _HTTP_API),
    Gap(
        LOCALSTACK,
        "test_dead_letters.py::test_changes_that_the_stream_no_longer_holds_are_named_and_their_message_stays",
        "DynamoDB Local trims nothing, and calls a sequence number before its first invalid",
    ),
    Gap(
        LOCALSTACK,
        "test_dead_letters.py::test_changes_of_a_stream_that_is_gone_are_named_and_their_message_stays",
        "DynamoDB Local calls the ARN of a stream that is gone invalid, where AWS says it is not found",
    ),
)  # fmt: skip


@cache
def emulator() -> str:
    """Return which one this run talks to."""
    named = os.environ.get("AWS_ENDPOINT_URL")
    if named is None:
        return MINISTACK
    for name in (LOCALSTACK, MINISTACK):
        try:
            with urllib.request.urlopen(f"{named}/_{name}/health", timeout=5):  # noqa: S310  # a local AWS
                return name
        except OSError:
            continue
    return named


def has_http_apis() -> bool:
    """Tell whether the template's JWT entrance can be deployed."""
    return emulator() != LOCALSTACK


def rereads_streams() -> bool:
    """Tell whether a mapping that is enabled again reads its stream from the beginning; AWS goes on where it was."""
    return emulator() == LOCALSTACK  # it makes a new poller, which starts at the mapping's StartingPosition


def over_loopback(url: str, endpoint_url: str) -> tuple[str, dict[str, str]]:
    """Return how to reach a function's URL without a name server: the address, and the headers that name it."""
    host = urlsplit(url).hostname or ""
    if emulator() == LOCALSTACK:
        return endpoint_url, {"host": host}
    return f"{endpoint_url}/_aws/lambda-url/{host.partition('.')[0]}", {}


def gap(test: str) -> str | None:
    """Return why this run's emulator cannot run the test of that id."""
    plain = test.partition("[")[0]
    for one in GAPS:
        whole = one.tests.endswith(".py") and f"/{one.tests}::" in plain
        if one.emulator == emulator() and (whole or plain.endswith(f"/{one.tests}")):
            return (
                f"{one.emulator} {one.reason}" if one.reason[0].islower() else f"{one.emulator}: {one.reason}"
            )
    return None
