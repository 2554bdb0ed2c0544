from collections.abc import Callable
from typing import Any

import pytest

from pipeline.source.stream_records import read_stream_record

STREAM = "2026-11-01T09:00:00.000"
Event = Callable[[str], dict[str, Any]]


def test_an_insert_shows_the_new_image_only(event: Event) -> None:
    record = event("dynamodb-stream")["Records"][0]
    change = read_stream_record(record)
    assert change.table == "sessions"
    assert change.key == {"tenant_id": {"S": "acme"}, "session_key": {"S": "slack:42"}}
    assert (change.removed, change.expired) == (False, False)
    assert change.old is None
    assert change.new == record["dynamodb"]["NewImage"]
    assert change.saved_at == 1795341600.0


def test_the_position_is_the_streams_label_and_forty_digits(event: Event) -> None:
    change = read_stream_record(event("dynamodb-stream")["Records"][0])
    assert change.position == f"{STREAM}/0000000000000000111100000000000000000001"
    assert len(change.position) == len(STREAM) + 1 + 40


def test_a_modification_shows_both_images(event: Event) -> None:
    change = read_stream_record(event("dynamodb-stream")["Records"][1])
    assert change.old
    assert change.new
    assert change.old["updated_at"] != change.new["updated_at"]


@pytest.mark.parametrize(("index", "expired"), [(2, False), (3, True)])
def test_a_removal_by_ttl_is_told_from_a_users(event: Event, index: int, *, expired: bool) -> None:
    change = read_stream_record(event("dynamodb-stream")["Records"][index])
    assert change.removed
    assert change.expired is expired


@pytest.mark.parametrize(
    "identity",
    [None, {}, {"type": "Service"}, {"type": "User", "principalId": "dynamodb.amazonaws.com"}, {"type": "Service", "principalId": "mika"}],
)  # fmt: skip
def test_only_dynamodb_itself_expires_items(event: Event, identity: object) -> None:
    record = event("dynamodb-stream")["Records"][3] | {"userIdentity": identity}
    assert not read_stream_record(record).expired


def test_the_identity_may_come_in_either_spelling(event: Event) -> None:
    identity = {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}
    assert read_stream_record(event("dynamodb-stream")["Records"][2] | {"userIdentity": identity}).expired


def test_a_stream_of_keys_only_shows_no_images(event: Event) -> None:
    record = event("dynamodb-stream")["Records"][1]
    for name in ("OldImage", "NewImage", "ApproximateCreationDateTime"):
        del record["dynamodb"][name]
    change = read_stream_record(record)
    assert (change.old, change.new, change.saved_at) == (None, None, None)


def test_an_event_that_is_no_stream_record_is_refused() -> None:
    with pytest.raises(KeyError):
        read_stream_record({"body": "a queue message"})
