"""A chunk that is withheld, shown again or given to another user is so in both spaces, and nothing is embedded for it."""

from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
import pytest
from support.chunks import (
    ITEM,
    NOBODYS,
    axis,
    chunk,
    chunks,
    found,
    mid,
    put,
    request,
    row,
    uid,
    waiting,
)
from support.two_spaces import NEXT, Two
from support.words import SPACE

from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.lexical.terms import terms
from pipeline.operations.reembed.reembed import two
from pipeline.stores.chunks import ChunkMove, HeldChunk
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.cutover import switch
from pipeline.stores.pgvector.space_copy import SpaceCopy
from pipeline.stores.pgvector.space_progress import Spaces
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.search_requests import Filters, SearchRequest

pytestmark = pytest.mark.integration
BOTH = (SPACE, NEXT)


@pytest.fixture
def there(database: Callable[..., str]) -> Two:
    return Two(database)


def writer(there: Two, space: EmbeddingSpace = SPACE) -> PgVectorStore:
    return there.store(space, there.ingest)


def filled(there: Two) -> PgVectorStore:
    """Two chunks of mika's in both spaces, of the same vectors."""
    store = writer(there)
    put(store, (chunk(1, "tea"), axis(0)), (chunk(2, "rice"), axis(1)), messages=[row(1), row(2)])
    there.start()
    assert fill(there, "acme") == 2
    return writer(there)


def fill(there: Two, tenant: str) -> int:
    copy = SpaceCopy(there.connector, *two(there.register))
    behind = copy.behind(tenant, [ITEM])
    return copy.put(tenant, [(one, axis(int(one.id[-1]) - 1), "own") for one in behind])


def seen(there: Two, space: EmbeddingSpace, user: str = "mika") -> dict[str, tuple[float, bool]]:
    """What a user finds there by "tea": similarity, and whether the word is in it."""
    hits = there.store(space).search(SearchRequest("acme", user, axis(0), 5, terms("tea"))).hits
    return {hit.id: (hit.similarity, hit.lexical > 0) for hit in hits}


TEA, RICE = {uid(1): (1.0, True)}, {uid(2): (0.0, False)}


def test_a_withheld_chunk_is_so_in_both_and_comes_back_in_both(there: Two) -> None:
    store = filled(there)
    put(store, moves={uid(1): NOBODYS})
    assert [seen(there, space) for space in BOTH] == [RICE, RICE]
    put(store, moves={uid(1): ChunkMove("mika", "live")})
    assert [seen(there, space) for space in BOTH] == [TEA | RICE] * 2
    assert fill(there, "acme") == 0


def test_a_chunk_that_goes_to_another_user_does_so_in_both_with_its_words(there: Two) -> None:
    store = filled(there)
    put(store, moves={uid(1): ChunkMove("ken", "mixed")})
    assert [seen(there, space) for space in BOTH] == [RICE, RICE]
    assert [seen(there, space, "ken") for space in BOTH] == [TEA, TEA]
    told = [there.store(space, there.ingest).passages("acme", "ken", Filters(), 5) for space in BOTH]
    assert [[passage.retained for passage in passages] for passages in told] == [[True], [True]]
    assert fill(there, "acme") == 0


def test_a_user_id_too_long_for_the_other_spaces_words_is_filled_in_anew(there: Two) -> None:
    store = filled(there)
    put(store, moves={uid(1): ChunkMove("k" * 900, "live")})
    assert [seen(there, space, "k" * 900) for space in BOTH] == [TEA, {}]
    assert fill(there, "acme") == 1
    assert [seen(there, space, "k" * 900) for space in BOTH] == [TEA, TEA]


def test_a_chunk_that_only_the_other_space_has_is_told_of_and_moves_too(there: Two) -> None:
    put(writer(there), (chunk(1, "tea", user_id=""), axis(0)), messages=[row(1, "unexplained")])
    there.start()
    switch(there.owner, newer=True)
    store = writer(there, NEXT)
    assert chunks(store, set()) == {uid(1): HeldChunk(uid(1), (mid(1),), "f", "")}
    assert store.texts("acme", ITEM, [uid(1)])[uid(1)].content == "tea"
    put(store, moves={uid(1): ChunkMove("mika", "kept")}, messages=[row(1, "kept")])
    assert (seen(there, SPACE), seen(there, NEXT)) == (TEA, {})
    assert chunks(store, set()) == {}
    assert chunks(store, {"n1"}).keys() == {uid(1)}
    assert store.detail("acme", {ITEM: {"n1"}})[ITEM].kept == (row(1, "kept"),)


def test_a_withheld_chunk_is_filled_in_as_withheld(there: Two) -> None:
    put(writer(there), (chunk(1, "tea"), axis(0)))
    put(writer(there), moves={uid(1): NOBODYS})
    there.start()
    assert fill(there, "acme") == 1
    assert seen(there, NEXT) == {}
    put(writer(there), moves={uid(1): ChunkMove("mika", "live")})
    assert seen(there, NEXT) == TEA


def test_a_withheld_chunk_is_no_part_of_a_related_question(there: Two) -> None:
    store = filled(there)
    put(store, moves={uid(1): NOBODYS})
    samples = Spaces(Connector(lambda: there.owner)).sample(*two(there.register), 9)
    assert [sample.id for sample in samples] == [uid(2)]


def test_whether_a_chunk_is_embedded_is_each_spaces_own_affair(there: Two) -> None:
    put(writer(there), (waiting(chunk(1, "tea")), None), messages=[row(1)])
    there.start()
    assert fill(there, "acme") == 1
    assert [seen(there, space) for space in BOTH] == [{uid(1): (0.0, True)}, TEA]
    put(writer(there), moves={uid(1): ChunkMove("mika", "kept")})
    told = [there.store(space).passages("acme", "mika", Filters(), 5)[0].metadata for space in BOTH]
    assert ["embedded" in metadata for metadata in told] == [True, False]
    put(writer(there), (chunk(1, "tea"), axis(0)))
    assert [seen(there, space) for space in BOTH] == [TEA, TEA]


def test_rows_of_the_chat_apps_own_are_forgotten_in_both_if_they_are_older(there: Two) -> None:
    insert = "INSERT INTO memories (user_id, content, embedding, created_at) VALUES (%s, 'own', %s, %s)"
    before, after = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    there.start()
    for schema in ("public", there.register.rows[1].schema):
        options = f"-c app.tenant_id=acme -c search_path={schema},public"
        with psycopg.connect(there.owner, options=options) as app:
            for user, said_at in (("mika", before), ("mika", after), ("ken", before)):
                app.execute(insert, [user, str([1.0] * 16), said_at])
    asked = datetime(2026, 6, 1, tzinfo=UTC)
    store = writer(there)
    assert store.mark(request("r1", asked, session_key="chat:1")) == 0
    assert store.mark(request("r2", asked, user_id="mika")) == 2
    assert store.mark(request("r2", asked, user_id="mika")) == 0
    for space in BOTH:
        assert (
            len(found(there.store(space), axis(0)))
            == len(found(there.store(space), axis(0), user="ken"))
            == 1
        )


def test_a_text_that_changes_stays_where_it_is_written_and_is_filled_in_anew(there: Two) -> None:
    store = filled(there)
    put(store, (chunk(1, "tea!"), axis(0)), (chunk(2, "rice"), axis(1)))
    assert [seen(there, space) for space in BOTH] == [TEA | RICE, RICE]
    assert fill(there, "acme") == 1
    assert [seen(there, space) for space in BOTH] == [TEA | RICE] * 2
