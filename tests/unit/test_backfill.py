import gzip
import json
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pipeline.cli import parser
from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.errors import QueueUnavailableError, SettingsError, SourceUnavailableError
from pipeline.ingest.chunking import Chunker
from pipeline.ingest.notices import Notice
from pipeline.ingest.reconcile import Reconciler
from pipeline.operations.backfill.backfill import Backfill, Import
from pipeline.operations.backfill.checkpoint import Checkpoint, Totals, load, save
from pipeline.operations.backfill.embedding_estimate import IndexEstimator, TextEstimator
from pipeline.operations.backfill.parallel import side_by_side
from pipeline.operations.backfill.progress import Pace, duration, money
from pipeline.operations.backfill.run import run_backfill
from pipeline.operations.pacing.limits import Limits
from pipeline.operations.pacing.pacer import Pacer
from pipeline.settings import DEFAULT_ATTRIBUTE_NAMES
from pipeline.source.documents import EntryHasher, ItemKey
from pipeline.source.exports import BucketFolder, Export, LocalFolder
from pipeline.source.layouts import Item, Layouts
from pipeline.source.pages import Page, TableScan
from pipeline.stores.forget_requests import ForgetRequest
from pipeline.stores.memory import InMemoryStore

SPACE = EmbeddingSpace("counting", 8)
LAYOUTS = Layouts(DEFAULT_ATTRIBUTE_NAMES, EntryHasher(b"a key of tests only"))
CHUNKER = Chunker(frozenset({"system", "tool"}), 256, lambda text, _: [text], SPACE)


def session(number: int, text: str | None = None, **more: Any) -> Item:
    messages = json.dumps([{"role": "user", "content": text or f"shelf {number}"}])
    fields: dict[str, Any] = {"tenant_id": {"S": "acme"}, "session_key": {"S": f"chat:{number}"}}
    return {**fields, "messages": {"S": messages}, **more}


def legacy(user: str, name: str, values: Sequence[float], text: str = "likes tea") -> Item:
    return {
        "tenant_id": {"S": f"MEMORY#{user}"},
        "session_key": {"S": name},
        "content": {"S": text},
        "embedding": {"B": struct.pack(f"<{len(values)}f", *values)},
        "timestamp": {"N": "1790000000"},
    }


class FakeTable:
    """A table and its scan: two parts, pages of three."""

    live = True
    name = "sessions"

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = list(items)
        self.breaks_at: int | None = None

    def parts(self) -> Sequence[str]:
        return ["0", "1"]

    def size(self) -> int:
        return len(self.items)

    def pages(self, part: str, after: object) -> Iterator[Page]:
        mine = self.items[int(part) :: 2]
        start = int(str(after or 0))
        for at in range(start, max(len(mine), 1), 3):
            if self.breaks_at is not None and at >= self.breaks_at:
                raise SourceUnavailableError("DynamoDB answered ThrottlingException for table sessions")
            yield Page("sessions", part, mine[at : at + 3], at + 3 if at + 3 < len(mine) else None, 1.0)

    def get(self, key: ItemKey) -> Item | None:
        return next((i for i in self.items if i["session_key"]["S"] == key.range_value), None)


class Ear:
    """A queue that refuses when it is told to."""

    def __init__(self) -> None:
        self.taken: list[Notice] = []
        self.refusals = 0
        self.depths: list[int] = []

    def send(self, notices: Sequence[Notice]) -> frozenset[str]:
        if self.refusals:
            self.refusals -= 1
            return frozenset(notice.address.key.source for notice in notices)
        self.taken += notices
        return frozenset()

    def depth(self) -> int:
        return self.depths.pop(0) if self.depths else 0


class Filling:
    """A backfill over a shelf, into a store in memory."""

    def __init__(self, embedder: Any) -> None:
        self.store = InMemoryStore(SPACE)
        self.embedder = embedder
        self.queue = Ear()
        self.noted: list[Checkpoint] = []
        self.slept: list[float] = []

    def run(self, fake_table: Any, since: Checkpoint | None = None, **changes: Any) -> Checkpoint:
        parts: dict[str, Any] = {
            "estimator": IndexEstimator(self.worker(fake_table)),
            "queue": self.queue,
            "legacy": None,
            "limits": Limits(workers=2, read_units=None, tokens=None),
            **changes,
        }
        filling = Backfill(
            LAYOUTS,
            note=self.noted.append,
            clock=lambda: 5.0,
            monotonic=lambda: 0.0,
            sleep=self.slept.append,
            **parts,
        )
        return filling.run(fake_table, since or Checkpoint(fake_table.name))

    def ingest(self, fake_table: FakeTable) -> None:
        self.worker(fake_table).run({notice.address.key.source: notice for notice in self.queue.taken})
        self.queue.taken = []

    def worker(self, fake_table: Any) -> Reconciler:
        return Reconciler(LAYOUTS, fake_table, CHUNKER, self.embedder, self.store, lambda _: None)


@pytest.fixture
def filling(embedder: Any) -> Filling:
    return Filling(embedder)


def test_everything_is_announced_once_as_a_look(filling: Filling) -> None:
    done = filling.run(FakeTable([session(number) for number in range(10)]))
    assert sorted(n.address.key.range_value for n in filling.queue.taken) == [f"chat:{n}" for n in range(10)]
    assert all(notice.force_read and notice.first_sent_at == 5.0 for notice in filling.queue.taken)
    assert (done.totals.items, done.totals.announced, done.cursors) == (10, 10, {"0": None, "1": None})


def test_an_item_that_the_index_matches_is_not_announced_again(filling: Filling) -> None:
    fake_table = FakeTable([session(number) for number in range(10)])
    filling.run(fake_table)
    filling.ingest(fake_table)
    fake_table.items[3] = session(3, "something else")
    done = filling.run(fake_table)
    assert [notice.address.key.range_value for notice in filling.queue.taken] == ["chat:3"]
    assert 0 < done.totals.tokens < 10


def test_after_a_break_it_goes_on_and_repeats_nothing_that_was_taken(filling: Filling) -> None:
    fake_table = FakeTable([session(number) for number in range(20)])
    fake_table.breaks_at = 6
    with pytest.raises(SourceUnavailableError):
        filling.run(fake_table)
    fake_table.breaks_at = None
    done = filling.run(fake_table, filling.noted[-1])
    assert sorted(n.address.key.range_value for n in filling.queue.taken) == sorted(
        f"chat:{n}" for n in range(20)
    )
    assert done.totals.items == 20


def test_a_page_that_the_queue_does_not_take_is_not_in_the_checkpoint(filling: Filling) -> None:
    filling.queue.refusals = 1_000
    with pytest.raises(QueueUnavailableError):
        filling.run(FakeTable([session(1)]))
    assert filling.noted == []


def test_refused_notices_are_sent_again(filling: Filling) -> None:
    filling.queue.refusals = 2
    filling.run(FakeTable([session(1)]))
    assert len(filling.queue.taken) == 1


def test_it_waits_while_the_queue_is_long(filling: Filling) -> None:
    filling.queue.depths = [5_000, 1_000, 999]
    filling.run(FakeTable([session(1)]))
    assert len(filling.slept) == 2


def test_a_dry_run_counts_and_sends_nothing(filling: Filling) -> None:
    done = filling.run(FakeTable([session(n) for n in range(4)]), queue=None)
    assert (done.totals.announced, filling.queue.taken) == (4, [])
    assert done.totals.tokens > 0


def test_malformed_items_are_counted_and_left_out(filling: Filling) -> None:
    done = filling.run(FakeTable([session(1), session(2, messages={"S": "not JSON"})]))
    assert (done.totals.malformed, done.totals.announced) == (1, 1)


def test_an_exports_content_does_not_decide_which_items_are_announced(filling: Filling) -> None:
    fake_table = FakeTable([session(1), session(2, messages={"S": "not JSON"})])
    filling.run(fake_table, estimator=TextEstimator(LAYOUTS, CHUNKER))
    assert len(filling.queue.taken) == 2


def test_items_that_are_no_memory_are_passed_over(filling: Filling) -> None:
    other: Item = {"pk": {"S": "SYNC#1"}, "sk": {"S": "x"}}
    done = filling.run(FakeTable([other, session(1)]))
    assert (done.totals.items, done.totals.memory) == (2, 1)


def test_a_legacy_vector_of_the_same_space_is_imported_as_it_is(filling: Filling) -> None:
    item = legacy("mika", "memory:long_term", [1.0, 0, 0, 0, 0, 0, 0, 0])
    done = filling.run(FakeTable([item]), legacy=Import(filling.store, "counting"))
    again = filling.run(FakeTable([item]), legacy=Import(filling.store, "counting"))
    held = filling.store.detail("mika", {_source(item): None})[_source(item)]
    assert (done.totals.imported, again.totals.imported, len(held.chunks)) == (1, 1, 1)
    assert (filling.embedder.texts, filling.queue.taken) == ([], [])


def _source(item: Item) -> str:
    names = "tenant_id", item["tenant_id"]["S"], "session_key", item["session_key"]["S"]
    return ItemKey("sessions", *names).source


@pytest.mark.parametrize(
    ("model", "values"),
    [
        ("another", [1.0] * 8),
        ("counting", [1.0] * 7),
        ("counting", [0.0] * 8),
        ("counting", [float("nan")] * 8),
    ],
)
def test_legacy_vectors_of_another_space_or_broken_ones_stay_out(
    filling: Filling, model: str, values: Sequence[float]
) -> None:
    item = legacy("mika", "memory:long_term", values)
    done = filling.run(FakeTable([item]), legacy=Import(filling.store, model))
    assert (done.totals.imported, done.totals.left_out) == (0, 1)


def test_a_legacy_vector_whose_owner_was_forgotten_stays_out(filling: Filling) -> None:
    filling.store.mark(ForgetRequest("r", "mika", datetime(2026, 11, 22, tzinfo=UTC), "mika"))
    item = legacy("mika", "memory:long_term", [1.0] * 8)
    item = {**item, "timestamp": {"N": "1600000000"}}
    done = filling.run(FakeTable([item]), legacy=Import(filling.store, "counting"))
    assert (done.totals.imported, done.totals.left_out) == (0, 1)


def test_a_legacy_vector_of_a_note_that_lives_on_stays_out(filling: Filling) -> None:
    note: Item = {
        "tenant_id": {"S": "mika"},
        "session_key": {"S": "memory:long_term"},
        "content": {"S": "- tea"},
    }
    filling.run(FakeTable([note]))
    filling.ingest(FakeTable([note]))
    done = filling.run(
        FakeTable([legacy("mika", "memory:long_term", [1.0] * 8)]), legacy=Import(filling.store, "counting")
    )
    assert (done.totals.imported, done.totals.left_out) == (0, 1)


def test_a_checkpoint_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "there.json"
    held = (
        Checkpoint("job")
        .after("0", {"k": {"S": "v"}}, Totals(items=3, tokens=9))
        .after("1", None, Totals(items=1))
    )
    save(path, held)
    assert load(path, "job") == held
    assert [file.name for file in tmp_path.iterdir()] == ["there.json"]


def test_a_checkpoint_of_another_job_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "c", Checkpoint("one"))
    with pytest.raises(SettingsError, match="another backfill"):
        load(tmp_path / "c", "two")


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("[]")
    with pytest.raises(SettingsError, match="no checkpoint"):
        load(tmp_path / "c", "two")


def test_a_pacer_lets_one_spending_overdraw_and_the_next_one_wait() -> None:
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    pacer = Pacer(10.0, lambda: now[0], sleep)
    for units in (50, 20, 10):
        pacer.spend(units)
    assert slept == [5.0, 2.0]


def test_side_by_side_keeps_the_order_within_a_part_and_holds_only_a_little() -> None:
    given = {"a": 0, "b": 0}

    def read(part: str) -> Iterator[tuple[str, int]]:
        for number in range(500):
            given[part] += 1
            yield part, number

    found = side_by_side(read, ["a", "b"], 2)
    first = [next(found) for _ in range(10)]
    assert sum(given.values()) <= 10 + 2 * 2 + 2
    rest = [*first, *found]
    assert [number for part, number in rest if part == "a"] == list(range(500))


def test_side_by_side_raises_what_a_worker_raised_and_ends_the_others() -> None:
    before = threading.active_count()

    def read(part: str) -> Iterator[int]:
        if part == "bad":
            raise SourceUnavailableError("away")
        while True:
            yield 1

    with pytest.raises(SourceUnavailableError):
        list(side_by_side(read, ["bad", "good"], 2))
    deadline = threading.Event()
    for _ in range(100):
        if threading.active_count() <= before:
            break
        deadline.wait(0.05)
    assert threading.active_count() <= before


def export(folder: Path, rows: Sequence[dict[str, Any]], **summary: Any) -> LocalFolder:
    arn = "arn:aws:dynamodb:us-east-1:1:table/sessions"
    (folder / "data").mkdir()
    (folder / "manifest-summary.json").write_text(
        json.dumps({"tableArn": arn, "itemCount": len(rows), **summary})
    )
    (folder / "manifest-files.json").write_text(
        json.dumps({"itemCount": len(rows), "dataFileS3Key": "AWSDynamoDB/1-a/data/one.json.gz"}) + "\n"
    )
    with gzip.open(folder / "data" / "one.json.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return LocalFolder(folder)


def test_an_export_gives_its_items_in_pages_and_goes_on_after_any_of_them(tmp_path: Path) -> None:
    found = Export(export(tmp_path, [{"Item": session(number)} for number in range(250)]))
    (part,) = found.parts()
    pages = list(found.pages(part, None))
    assert [len(page.items) for page in pages] == [100, 100, 50]
    assert [page.cursor for page in pages] == [100, 200, None]
    rest = list(found.pages(part, 200))
    assert next(item["session_key"]["S"] for page in rest for item in page.items) == "chat:200"
    assert (found.table, found.size()) == ("sessions", 250)


def test_an_incremental_export_gives_keys_also_of_what_was_deleted(tmp_path: Path) -> None:
    keys = {"tenant_id": {"S": "acme"}, "session_key": {"S": "chat:1"}}
    found = Export(export(tmp_path, [{"Keys": keys}]))
    (page,) = found.pages("data/one.json.gz", None)
    assert page.items == [keys]


@pytest.mark.parametrize("damage", ["cut short", "altered", "unpacked"])
def test_a_damaged_data_file_of_an_export_is_named(tmp_path: Path, damage: str) -> None:
    found = Export(export(tmp_path, [{"Item": session(number)} for number in range(250)]))
    path = tmp_path / "data" / "one.json.gz"
    whole = path.read_bytes()
    path.write_bytes(
        {"cut short": whole[:-20], "altered": whole[:30] + b"\xff" * 40, "unpacked": b'{"Item": {}}'}[damage]
    )
    with pytest.raises(SettingsError, match=r"one\.json\.gz: the data file cannot be read"):
        list(found.pages("data/one.json.gz", None))


def test_an_export_in_another_format_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="DynamoDB JSON"):
        Export(export(tmp_path, [], outputFormat="ION"))


def test_a_folder_that_is_no_export_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailableError, match="manifest-summary"):
        Export(LocalFolder(tmp_path))


@pytest.fixture
def dynamodb(aws: Any) -> Any:  # noqa: ARG001  # an order, no value
    return boto3.client("dynamodb", region_name="us-east-1")


def test_a_scan_goes_on_after_its_cursor(dynamodb: Any) -> None:
    dynamodb.create_table(
        TableName="t",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": n, "AttributeType": "S"} for n in ("tenant_id", "session_key")
        ],
        KeySchema=[
            {"AttributeName": "tenant_id", "KeyType": "HASH"},
            {"AttributeName": "session_key", "KeyType": "RANGE"},
        ],
    )
    for number in range(230):
        dynamodb.put_item(TableName="t", Item=session(number))
    scan = TableScan(dynamodb, "t", 1)
    pages = list(scan.pages("t/0", None))
    assert [len(page.items) for page in pages] == [100, 100, 30]
    assert pages[-1].cursor is None
    assert sum(page.read_units for page in pages) > 0
    rest = [item for page in scan.pages("t/0", pages[0].cursor) for item in page.items]
    assert rest == [item for page in pages[1:] for item in page.items]
    assert scan.size() == 230


def test_the_pace_counts_only_this_run_and_says_what_is_left() -> None:
    now = [0.0]
    clock: Callable[[], float] = lambda: now[0]  # noqa: E731
    pace = Pace(1_000, 100, 0.02, clock)
    now[0] = 10.0
    assert (
        pace.text(Totals(items=300, tokens=1_000_000))
        == "20 items/s, 1,000,000 tokens, $0.0200, 0:00:35 left"
    )


def test_money_and_durations_read_well() -> None:
    assert (money(None), money(0.0), money(12.345), duration(3_725)) == (
        "price unknown",
        "$0.00",
        "$12.35",
        "1:02:05",
    )


@pytest.fixture
def bucket() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", "us-east-1")
        client.create_bucket(Bucket="exports")
        yield client


def uploaded(bucket: Any, files: int, rows_a_file: int) -> str:
    """Put a full export into the bucket, as DynamoDB lays it out; return its address."""
    prefix = "backup/AWSDynamoDB/0123-abc"
    names = [f"{prefix}/data/{number:030d}.json.gz" for number in range(files)]
    arn = "arn:aws:dynamodb:us-east-1:123456789012:table/sessions"
    summary = {"tableArn": arn, "itemCount": files * rows_a_file, "outputFormat": "DYNAMODB_JSON"}
    manifest = [
        {"itemCount": rows_a_file, "md5Checksum": "x" * 24, "etag": "y" * 34, "dataFileS3Key": name}
        for name in names
    ]
    bucket.put_object(Bucket="exports", Key=f"{prefix}/manifest-summary.json", Body=json.dumps(summary))
    lines = "".join(json.dumps(row) + "\n" for row in manifest)
    bucket.put_object(Bucket="exports", Key=f"{prefix}/manifest-files.json", Body=lines)
    for place, name in enumerate(names):
        rows = [{"Item": session(place * rows_a_file + row)} for row in range(rows_a_file)]
        body = gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode())
        bucket.put_object(Bucket="exports", Key=name, Body=body)
    return f"s3://exports/{prefix}/"


def test_an_export_in_s3_gives_every_item_of_every_file(bucket: Any) -> None:
    found = Export(BucketFolder(bucket, uploaded(bucket, 40, 130)))
    assert (found.table, found.size(), len(found.parts())) == ("sessions", 5200, 40)
    items = [item for part in found.parts() for page in found.pages(part, None) for item in page.items]
    assert len({item["session_key"]["S"] for item in items}) == 5200


def test_an_export_in_s3_goes_on_where_it_was(bucket: Any) -> None:
    found = Export(BucketFolder(bucket, uploaded(bucket, 1, 250)))
    [part] = found.parts()
    first = next(iter(found.pages(part, None)))
    rest = [item for page in found.pages(part, first.cursor) for item in page.items]
    assert len(first.items) + len(rest) == 250
    assert not {item["session_key"]["S"] for item in first.items} & {
        item["session_key"]["S"] for item in rest
    }


def test_an_export_in_s3_that_is_not_there_says_what_it_takes(bucket: Any) -> None:
    with pytest.raises(SourceUnavailableError, match="s3:GetObject"):
        Export(BucketFolder(bucket, "s3://exports/none"))


def backfill_of(file: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[Item], Ear]:
    """Run the command on a file; return its outcome, what it saved, and what it announced to."""
    saved: list[Item] = []
    ear = Ear()
    container = SimpleNamespace(
        settings=SimpleNamespace(
            attribute_names=DEFAULT_ATTRIBUTE_NAMES, embedding=SimpleNamespace(model="counting")
        ),
        source_table=SimpleNamespace(put_new=lambda _, item, __: saved.append(item)),
        account=SimpleNamespace(client=lambda _: None),
        backend=SimpleNamespace(is_located=False),
        layouts=LAYOUTS,
        chunker=CHUNKER,
        notice_queue=ear,
        store=None,
    )
    monkeypatch.setattr(
        "pipeline.operations.backfill.run.named_tables", lambda *_, **__: (container, ["sessions"])
    )
    given = ["backfill", "--from", str(file), "--table", "sessions", "--tenant", "acme"]
    options = parser().parse_args([*given, "--checkpoint", str(file.parent / "checkpoint")])
    return run_backfill(options), saved, ear


def test_a_conversation_that_no_item_can_hold_stops_no_backfill_and_its_status_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "chats.json"
    texts = ["shelf one", "secret" * 80_000, "shelf three"]
    said = [{"id": f"c{n}", "messages": [{"role": "user", "content": text}]} for n, text in enumerate(texts)]
    file.write_text(json.dumps(said))
    outcome, saved, ear = backfill_of(file, monkeypatch)
    assert outcome.status == 1
    assert "1 conversations were left out, since no item can hold them:" in outcome.notes
    assert any(f"{file}, conversation 2: " in note for note in outcome.notes)
    assert not any("secret" in note for note in outcome.notes)
    assert [item["session_key"]["S"] for item in saved] == ["c0", "c2"]
    assert len(ear.taken) == 2
    file.write_text(json.dumps([said[0], said[2]]))
    outcome, _, _ = backfill_of(file, monkeypatch)
    assert outcome.status == 0


def test_a_checkpoint_keeps_what_was_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    held = Checkpoint("job").after("part", 1, Totals(items=1, refused=("chats.json, conversation 2: long",)))
    save(path, held)
    assert load(path, "job") == held
    assert load(path, "job").after("part", 2, Totals(refused=("b",))).totals.refused[1:] == ("b",)
