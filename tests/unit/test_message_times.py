from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from pipeline.errors import SettingsError
from pipeline.settings import DEFAULT_ATTRIBUTE_NAMES, Settings
from pipeline.source.documents import Document, EntryHasher
from pipeline.source.layouts import Layouts
from pipeline.source.times import read_time, zone_named

TOKYO = zone_named("Asia/Tokyo")
WHEN = datetime(2026, 11, 22, 10, tzinfo=UTC)
E = 1_795_341_600

SPELLINGS = [
    "2026-11-22T10:00:00Z", "2026-11-22t10:00:00z", "2026-11-22T10:00:00.000Z", "2026-11-22T10:00Z", "2026-11-22T19:00:00+09:00",
    "2026-11-22T19:00:00+0900", "2026-11-22T19:00:00+09", "2026-11-22 19:00:00 +0900", "2026-11-22 10:00:00.000 +0000 UTC",
    "2026-11-22 10:00:00 UTC", "2026-11-22T05:00:00-05:00", "2026-11-22T19:00+09:00[Asia/Tokyo]", "20261122T100000Z", "20261122T190000+0900",
    "2026-11-22T19:00:00", "2026-11-22 19:00", "2026/11/22 19:00:00", "2026年11月22日 19時00分", "2026年11月22日 19:00", "20261122190000",
    "Sun, 22 Nov 2026 10:00:00 GMT", "Sun, 22 Nov 2026 19:00:00 +0900", "22 Nov 2026 10:00:00 +0000", "Sunday, 22-Nov-26 10:00:00 GMT",
    "Sun Nov 22 19:00:00 2026", "Sun Nov 22 2026 19:00:00 GMT+0900 (Japan Standard Time)", "/Date(1795341600000)/",
    E, E * 10**3, E * 10**6, E * 10**9, float(E), Decimal(E), Decimal(f"{E}.000"), str(E), str(E * 10**3), str(E * 10**6),
    str(E * 10**9), f"{E}.000000", f"{E * 1000}.0", 20261122190000,
    {"$date": "2026-11-22T10:00:00Z"}, {"$date": {"$numberLong": str(E * 1000)}}, {"$date": E * 1000}, {"seconds": E, "nanos": 0},
    {"_seconds": E, "_nanoseconds": 0}, {"epochSecond": E, "nano": 0}, {"__type": "Date", "iso": "2026-11-22T10:00:00Z"},
    "Nov 22, 2026, 7:00 PM", "November 22, 2026 at 7:00:00 PM", "7:00 pm on 22 November, 2026", "22 Nov 2026 19:00",
    [2026, 11, 22, 19, 0], [2026, 11, 22, 19, 0, 0, 0],
    "2026-11-22, 7:00:00 p.m.", "2026/11/22 7:00 PM", "2026年11月22日 午後7:00", "2026年11月22日(日) 午後7時00分", "2026/11/22(日) 19:00",
]  # fmt: skip
ZONED = [
    "Sun, 22 Nov 2026 05:00:00 -0500", "Sun, 22 Nov 2026 05:00:00 -0500 (EST)", "Sun, 22 Nov 2026 05:00:00 EST", "22 Nov 2026 03:00:00 PDT",
    "Sun, 22 Nov 2026 10:00:00 Z", "SUN, 22 NOV 2026 10:00:00 GMT", "Nov 22, 2026, 10:00:00 AM UTC", "Nov 22, 2026, 7:00 PM GMT+9",
    "November 22, 2026 at 7:00 PM (JST)", "Nov 22, 2026 2:00 AM -08:00", "Sun Nov 22 02:00:00 PST 2026", "Sun Nov 22 11:00:00 CET 2026",
    "Sunday, 22-Nov-26 10:00:00 GMT", "Sun Nov 22 2026 02:00:00 GMT-0800 (Pacific Standard Time)", "2026-11-22 05:00:00 EST",
    "2026-11-22 07:00 PM JST", "2026-11-22T15:45:00+0545", "Sun, 22 Nov 2026 10:00:00 -0000",
]  # fmt: skip


@pytest.mark.parametrize("stamp", SPELLINGS, ids=repr)
def test_every_spelling_of_an_instant_is_that_instant(stamp: object) -> None:
    assert read_time(stamp, TOKYO) == WHEN


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "Pacific/Honolulu"])
@pytest.mark.parametrize("stamp", ZONED)
def test_a_zone_that_a_time_names_counts_whatever_the_settings_say(stamp: str, zone: str) -> None:
    assert read_time(stamp, zone_named(zone)) == WHEN


@pytest.mark.parametrize(
    "stamp", ["22 Nov 2026 10:00:00 XYZ", "Sun Nov 22 10:00:00 IST 2026", "Nov 22, 2026, 7:00 PM (BRT)"]
)
def test_a_time_whose_zone_is_not_known_is_none(stamp: str) -> None:
    assert read_time(stamp, TOKYO) is None


@pytest.mark.parametrize(
    "zero",
    [
        "0001-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "1970-01-01 09:00:00 JST",
        "/Date(0)/",
        0,
        -1,
        -E,
        -E * 1000,
    ],
)
def test_a_time_before_the_first_chat_is_none(zero: object) -> None:
    messages = [
        {"role": "user", "content": "hi", "timestamp": zero, "createdAt": E},
        {"role": "user", "content": "ho", "timestamp": zero},
    ]
    assert [entry.time for entry in document(layouts_in("Asia/Tokyo"), messages).entries] == [WHEN, None]


def document(layouts: Layouts, messages: list[Mapping[str, Any]], **attributes: Any) -> Document:
    item = {"tenant_id": {"S": "acme"}, "session_key": {"S": "1"}, **attributes}
    item["messages"] = {"L": [{"M": {name: typed(value) for name, value in one.items()}} for one in messages]}
    found = layouts.parse("t", item)
    assert found
    return found


def typed(value: object) -> dict[str, Any]:
    if isinstance(value, dict):
        return {"M": {name: typed(each) for name, each in value.items()}}
    if isinstance(value, list):
        return {"L": [typed(each) for each in value]}
    return {"S": value} if isinstance(value, str) else {"N": str(value)}


def layouts_in(zone: str) -> Layouts:
    return Layouts(DEFAULT_ATTRIBUTE_NAMES, EntryHasher(b"k"), zone_named(zone))


@pytest.mark.parametrize("stamp", SPELLINGS, ids=repr)
def test_a_message_is_the_same_entry_however_its_time_is_spelled(stamp: object) -> None:
    one, other = (
        document(layouts_in("Asia/Tokyo"), [{"role": "user", "content": "hi", "timestamp": each}]).entries
        for each in (SPELLINGS[0], stamp)
    )
    assert one == other
    assert one[0].time
    assert one[0].time.date().isoformat() == "2026-11-22"


@pytest.mark.parametrize(
    "name",
    [
        "timestamp", "createdAt", "created_at", "CreatedAt", "created", "create_time", "ts", "date", "datetime", "time", "sent_at",
        "sentDateTime", "createdDateTime", "date_unixtime", "postedAt", "updatedAt", "inserted_at",
    ],
)  # fmt: skip
def test_a_messages_time_is_found_under_each_of_its_names(name: str) -> None:
    [entry] = document(layouts_in("UTC"), [{"role": "user", "content": "hi", name: E}]).entries
    assert entry.time == WHEN


def test_a_date_is_shown_in_the_zone_of_the_settings() -> None:
    late = [{"role": "user", "content": "hi", "timestamp": "2026-11-22T20:00:00Z"}]
    dates = [
        entry.time.date().isoformat()
        for zone in ("Asia/Tokyo", "America/New_York")
        for entry in document(layouts_in(zone), late).entries
        if entry.time
    ]
    assert dates == ["2026-11-23", "2026-11-22"]


def test_a_message_without_a_time_has_its_sessions() -> None:
    messages = [{"role": "user", "content": "hi"}]
    created = document(layouts_in("UTC"), messages, createdAt={"N": str(E)})
    updated = document(layouts_in("UTC"), messages, updated_at={"S": "2026-11-22T10:00:00Z"})
    neither = document(layouts_in("UTC"), messages)
    assert [one.said_at(one.entries[0]) for one in (created, updated, neither)] == [WHEN, WHEN, None]


@pytest.mark.parametrize("attribute", [{}, {"created_at": {"S": "2026-12-24T00:00:00Z"}}])
def test_a_daily_note_is_of_the_date_of_its_key(attribute: Any) -> None:
    item = {
        "pk": {"S": "MEMORY#mika"},
        "sk": {"S": "DAILY#2026-11-22"},
        "content": {"S": "- soba"},
        **attribute,
    }
    note = layouts_in("Asia/Tokyo").parse("t", item)
    assert note
    said = note.said_at(note.entries[0])
    assert said
    zones = ("UTC", "Asia/Tokyo", "America/Los_Angeles", "Pacific/Honolulu")
    assert {said.astimezone(zone_named(zone)).date().isoformat() for zone in zones} == {"2026-11-22"}


def test_a_key_with_an_impossible_date_has_none() -> None:
    item = {"pk": {"S": "MEMORY#mika"}, "sk": {"S": "DAILY#2026-02-31"}, "content": {"S": "- soba"}}
    note = layouts_in("UTC").parse("t", item)
    assert note
    assert note.date is None


def test_the_time_zone_is_a_setting_and_the_digests_by_default() -> None:
    assert Settings.from_environment({}).time_zone == "Asia/Tokyo"
    assert Settings.from_environment({"DIGEST_TIME_ZONE": "Europe/Rome"}).time_zone == "Europe/Rome"
    assert (
        Settings.from_environment({"DIGEST_TIME_ZONE": "Europe/Rome", "TIME_ZONE": "UTC"}).time_zone == "UTC"
    )
    with pytest.raises(SettingsError, match="TIME_ZONE"):
        zone_named("Moon/Copernicus")
