"""What lies in DynamoDB and in OpenSearch after a request to forget: whatever is left there is found, and not certified."""

import json
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from support.local_aws import Tables
from support.small_pipeline import SmallPipeline

from pipeline.local.aws import LocalAws
from pipeline.local.opensearch_server import OpenSearchServer
from pipeline.operations.certificate.erasure import Remains, Search
from pipeline.source.documents import ItemKey
from pipeline.stores.dynamodb.inventory import DynamoDbInventory
from pipeline.stores.dynamodb.vectors import owner_of_partition, partition, row_key
from pipeline.stores.forget_requests import ForgetRequest
from pipeline.stores.inventory import Inventory, LyingRow
from pipeline.stores.opensearch.inventory import OpenSearchInventory

pytestmark = pytest.mark.integration
STORES = ("dynamodb", "opensearch-classic", "opensearch-nextgen")
OLD, NEW = 1_700_000_000, 1_900_000_000


def nobody_mends(*_: object) -> None:
    pytest.fail("a certificate looks; it mends nothing")


@dataclass
class World:
    """A pipeline on a store, and what puts a row there past it.

    Args:
        plant: writes a row of (tenant, user, source, id, text) as the store keeps rows.
    """

    pipeline: SmallPipeline
    inventory: Inventory
    plant: Callable[[str, str, str, str, str], None]
    tables: Tables

    def say(self, key: str, user: str, *texts: str, tenant: str = "acme") -> str:
        messages = json.dumps([{"role": "user", "content": text} for text in texts])
        named = {"tenant_id": tenant, "session_key": key, "user_id": user, "messages": messages}
        self.pipeline.put("sessions", {name: {"S": value} for name, value in named.items()})
        return ItemKey("sessions", "tenant_id", tenant, "session_key", key).source

    def lying(self, tenant: str = "acme") -> list[LyingRow]:
        return sorted(self.inventory.lying(tenant), key=lambda row: (row.source or "", row.id))

    def remains(self, request: ForgetRequest) -> Remains:
        done = self.pipeline.store.forgotten(request.tenant_id, request.id)
        assert done
        parts = self.pipeline.layouts, self.pipeline.reconciler, self.inventory
        schemas = {"sessions": (("tenant_id", "session_key"), ("S", "S"))}
        return Search(self.pipeline, *parts, schemas, {}).run(done)


@pytest.fixture(scope="module")
def servers() -> Any:
    with OpenSearchServer("classic", 0.02) as classic, OpenSearchServer("nextgen", 0.02) as nextgen:
        yield {"opensearch-classic": classic, "opensearch-nextgen": nextgen}


@pytest.fixture(params=STORES)
def world(request: pytest.FixtureRequest, local_aws: LocalAws) -> World:
    tables = Tables(local_aws.client("dynamodb"))
    if request.param == "dynamodb":
        store: Any = tables.store()
        inventory: Inventory = DynamoDbInventory(tables.calls(), tables.vectors, tables.books(), nobody_mends)
        return World(SmallPipeline(store=store), inventory, in_dynamodb(tables), tables)
    server = request.getfixturevalue("servers")[request.param]
    store = tables.opensearch(server, tables.ledger)
    collection = store._collection
    inventory = OpenSearchInventory(collection, tables.books(), nobody_mends)

    def plant(tenant: str, user: str, source: str, id_: str, text: str) -> None:
        template: Sequence[Mapping[str, Any]] = [
            {
                "tenant_id": tenant,
                "user_id": user,
                "source": source,
                "chunk_id": id_,
                "version": "v",
                "content": text,
            }
        ]
        collection.add(template)

    return World(SmallPipeline(store=store), inventory, plant, tables)


def in_dynamodb(tables: Tables) -> Callable[[str, str, str, str, str], None]:
    def plant(tenant: str, user: str, source: str, id_: str, text: str) -> None:
        tables.client.put_item(
            TableName=tables.vectors,
            Item={
                **row_key(tenant, user, id_),
                "content": {"S": text},
                "memory_of": {"S": json.dumps([tenant, user])},
                "source": {"S": source},
                "version": {"S": "v"},
                "members": {"S": ""},
                "metadata": {"S": "{}"},
                "status": {"S": "live"},
                "terms": {"S": ""},
                "timestamp": {"N": str(OLD)},
                "embedding": {"B": struct.pack("<16f", *[1.0] * 16)},
            },
        )

    return plant


def test_every_row_under_a_tenant_is_told_whether_or_not_the_ledger_lists_it(world: World) -> None:
    chat = world.say("chat:1", "mika", "the cat is called Momo")
    world.say("chat:1", "ken", "the dog is called Pochi", tenant="zenith")
    eventually(lambda: len(world.lying()) == 1)
    [row] = world.lying()
    assert (row.place, row.source) == ("index", chat)
    assert "Momo" in row.content
    world.plant("acme", "mika", chat, "unlisted", "nobody lists this")
    world.plant("acme", "mika", "an item that nobody knows", "stray", "nor this")
    world.plant("zenith", "ken", chat, "astray", "another tenant's")
    eventually(lambda: len(world.lying()) == 3)
    assert {one.id for one in world.lying()} - {row.id} == {"unlisted", "stray"}
    eventually(lambda: {one.id for one in world.lying("zenith")} >= {"astray"})


@pytest.fixture
def forgotten(world: World) -> ForgetRequest:
    """Somebody who was forgotten, beside somebody who was not."""
    world.say("chat:1", "mika", "the cat is called Momo", "we ship on Friday")
    world.say("chat:2", "ken", "rent is due on the first")
    return world.pipeline.forget("acme", user="mika")


def test_nothing_is_left_after_a_request_was_carried_out(world: World, forgotten: ForgetRequest) -> None:
    eventually(lambda: world.remains(forgotten).clean)
    found = world.remains(forgotten)
    assert found.clean, found.notes
    assert found.looked_at["message ledger"] == 2
    eventually(lambda: len(world.lying()) == 1)
    assert "rent" in world.lying()[0].content


@pytest.mark.parametrize(
    ("user", "source", "left"),
    [
        ("mika", ItemKey("sessions", "tenant_id", "acme", "session_key", "chat:1").source, 1),
        ("", ItemKey("sessions", "tenant_id", "acme", "session_key", "chat:1").source, 1),
        ("mika", ItemKey("sessions", "tenant_id", "acme", "session_key", "chat:99").source, 1),
    ],
    ids=["a row of the item", "a withheld row", "a row of an item that nobody knows"],
)
def test_a_row_that_is_left_is_found(
    world: World, forgotten: ForgetRequest, user: str, source: str, left: int
) -> None:
    eventually(lambda: world.remains(forgotten).clean)
    world.plant("acme", user, source, "11111111-1111-1111-1111-111111111111", "the cat is called Momo")
    eventually(lambda: world.remains(forgotten).found["index"] == left)


def test_rows_of_others_are_no_remains(world: World, forgotten: ForgetRequest) -> None:
    eventually(lambda: world.remains(forgotten).clean)
    others = ItemKey("sessions", "tenant_id", "acme", "session_key", "chat:2").source
    world.plant(
        "acme", "ken", others, "22222222-2222-2222-2222-222222222222", "stale, and the audit's business"
    )
    world.plant(
        "zenith", "mika", "elsewhere", "33333333-3333-3333-3333-333333333333", "another tenant's Mika"
    )
    eventually(lambda: len(world.lying()) == 2)
    assert world.remains(forgotten).clean


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until the index shows what was written; it does so within its refresh."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("owner", "user", "said", "left"),
    [
        ("acme", "acme", OLD, 1),
        ("acme", "mika", OLD, 1),
        ("acme", "mika", NEW, 0),
        ("acme", "ken", OLD, 0),
        ("zenith", "mika", OLD, 0),
    ],
)
def test_a_row_that_the_chat_app_wrote_itself_into_dynamodb_is_found_if_it_is_theirs_and_older(
    local_aws: LocalAws, owner: str, user: str, said: int, left: int
) -> None:
    tables = Tables(local_aws.client("dynamodb"))
    inventory = DynamoDbInventory(tables.calls(), tables.vectors, tables.books(), nobody_mends)
    world = World(SmallPipeline(store=tables.store()), inventory, in_dynamodb(tables), tables)
    asked = user if (owner, user) == ("acme", "acme") else "mika"
    world.say("chat:1", asked, "the cat is called Momo")
    request = world.pipeline.forget("acme", user=asked)
    assert world.remains(request).clean
    own = {
        "tenant_id": {"S": partition(owner, user)},
        "session_key": {"S": "memory:long_term"},
        "content": {"S": "likes cats"},
        "timestamp": {"N": str(said)},
        "embedding": {"B": struct.pack("<16f", *[1.0] * 16)},
    }
    tables.client.put_item(TableName=tables.vectors, Item=own)
    assert world.remains(request).found["index"] == left
    assert [row.source for row in world.lying(owner) if row.id == "memory:long_term"] == [None]
    assert all(row.content != "likes cats" for row in world.inventory.everything())


@pytest.mark.parametrize(
    ("tenant", "user"),
    [("acme", "mika"), ("mika", "mika"), ("a#b", "a#b"), ("a%23b", "c"), ("acme", "a#b%25")],
)
def test_a_partition_says_whose_it_is(tenant: str, user: str) -> None:
    assert owner_of_partition(partition(tenant, user)) == (tenant, user)


@pytest.mark.parametrize("name", ["WORDS#acme#mika", "acme", "", partition("t" * 1500, "u" * 1500)])
def test_a_name_that_does_not_say_whose_it_is_is_nobodys(name: str) -> None:
    assert owner_of_partition(name) is None
