"""What lies in a real Postgres after a request to forget: rows of either space, of no item, and words without a row."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql
from support.two_spaces import Two

from pipeline.operations.certificate.erasure import Remains, Search
from pipeline.stores.forget_requests import ForgetRequest
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.inventory import Inventory
from pipeline.stores.pgvector.sparse_terms import WORD_DIMENSIONS

pytestmark = pytest.mark.integration
REQUEST = ForgetRequest("w", "acme", datetime(2099, 1, 1, tzinfo=UTC), "acme")
SOURCE = '["sessions", "acme", "chat:1"]'
PLANT = """
INSERT INTO {schema}.memories (tenant_id, user_id, content, embedding, source, members, line_lengths, fingerprint)
VALUES ('acme', %(user)s, 'the cat is called Momo', array_fill(1, ARRAY[16])::vector, %(source)s, '{{}}', '{{}}', 'x')
"""


@pytest.fixture
def forgotten(database: Callable[..., str]) -> Two:
    """Two spaces that held what one person said, until it was forgotten."""
    there = Two(database)
    there.save("chat:1", "we ship on Friday", "the cat is called Momo")
    there.start()
    there.save("chat:2", "rent is due on the first")
    there.forget(REQUEST)
    return there


def remains(there: Two) -> Remains:
    tables: Any = there.table
    current = there.register.active
    assert current
    reconciler = there.reconciler(current.space)
    inventory = Inventory(Connector(lambda: there.owner))
    done = reconciler.store.forgotten("acme", REQUEST.id)
    assert done
    return Search(tables, there.layouts, reconciler, inventory, {}, {}).run(done)


def plant(there: Two, schema: str, *, user: str = "acme", source: str | None = SOURCE) -> None:
    with psycopg.connect(there.owner) as owner:
        statement = sql.SQL(PLANT).format(schema=sql.Identifier(schema))
        owner.execute(statement, {"user": user, "source": source})


def schemas(there: Two) -> tuple[str, str]:
    register = there.register
    assert register.active
    assert register.standby
    return register.active.schema, register.standby.schema


def test_nothing_is_left_in_either_space(forgotten: Two) -> None:
    found = remains(forgotten)
    assert found.clean, found.notes
    assert found.looked_at["message ledger"] == 3


@pytest.mark.parametrize("user", ["acme", ""])
@pytest.mark.parametrize("number", [0, 1])
def test_a_row_that_is_left_in_a_space_is_found(forgotten: Two, number: int, user: str) -> None:
    plant(forgotten, schemas(forgotten)[number], user=user)
    place = ("index", "standby space")[number]
    assert remains(forgotten).found[place] == 1


def test_a_row_of_the_chat_apps_own_is_found_if_it_is_older(forgotten: Two) -> None:
    plant(forgotten, schemas(forgotten)[0], source=None)
    assert remains(forgotten).found["index"] == 1


def test_words_without_their_row_are_found(forgotten: Two) -> None:
    with psycopg.connect(forgotten.owner) as owner:
        statement = "INSERT INTO {schema}.memory_words (tenant_id, id, part, user_id, words) VALUES ('acme', gen_random_uuid(), 0, 'acme', ('{{1:1}}/' || %s)::sparsevec)"
        named = sql.SQL(statement).format(schema=sql.Identifier(schemas(forgotten)[1]))
        owner.execute(named, [WORD_DIMENSIONS])
    assert remains(forgotten).found["words"] == 1


def test_a_ledger_row_that_is_not_erased_is_found(forgotten: Two) -> None:
    with psycopg.connect(forgotten.owner) as owner:
        owner.execute("UPDATE message SET state = 'live' WHERE source = %s AND ordinal = 0", [SOURCE])
    assert remains(forgotten).found["message ledger"] >= 1


def test_a_missing_marker_is_found(forgotten: Two) -> None:
    with psycopg.connect(forgotten.owner) as owner:
        owner.execute("DELETE FROM forget_marker WHERE subject = 'acme'")
    assert remains(forgotten).found["forget marker"] == 1
