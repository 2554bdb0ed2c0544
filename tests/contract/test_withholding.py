"""A withheld chunk is nobody's: nothing shows it, and it comes back as it was."""

from dataclasses import replace
from typing import Any

import pytest
from support.chunks import (
    ITEM,
    NOBODYS,
    StoreMaker,
    ask,
    axis,
    chunk,
    chunks,
    found,
    held_ids,
    leaning,
    put,
    uid,
    waiting,
)

from pipeline.lexical.terms import terms
from pipeline.stores.chunks import ChunkMove
from pipeline.stores.protocol import Store
from pipeline.stores.search_requests import Filters, SearchRequest

EVERYTHING = Filters()


def seen(store: Store, user: str = "mika") -> set[str]:
    """Everything that any question shows a user."""
    request = SearchRequest("acme", user, axis(0), 50, terms("tea"), around=3, whole=50)
    passages = store.passages("acme", user, EVERYTHING, 50)
    return {hit.id for hit in store.search(request).hits} | {passage.id for passage in passages}


def test_a_withheld_chunk_is_out_of_searches_and_passages(store: Store) -> None:
    put(store, (chunk(1, "tea"), axis(0)), (chunk(2, "tea"), axis(1)))
    put(store, moves={uid(1): NOBODYS})

    assert seen(store) == {uid(2)}
    assert ask(store, axis(0), "tea", top_k=5) == [uid(2)]
    assert chunks(store)[uid(1)].user_id == ""
    assert store.texts("acme", ITEM, [uid(1)])[uid(1)].content == "tea"


def test_a_withheld_chunk_comes_back_with_its_vector_its_words_and_its_text(store: Store) -> None:
    put(store, (chunk(1, "tea"), leaning(3.0, 4.0)), (chunk(2, "rice"), axis(1)))
    before = store.search(SearchRequest("acme", "mika", axis(0), 5, terms("tea"))).hits
    put(store, moves={uid(1): NOBODYS})
    put(store, moves={uid(1): ChunkMove("mika", "live")})

    assert store.search(SearchRequest("acme", "mika", axis(0), 5, terms("tea"))).hits == before
    assert [hit.similarity for hit in before if hit.id == uid(1)] == [pytest.approx(0.6)]
    assert chunks(store)[uid(1)].fingerprint == "f"


def test_a_chunk_that_is_born_withheld_is_seen_once_it_is_moved(store: Store) -> None:
    put(store, (chunk(1, "tea", user_id=""), axis(0)))
    assert seen(store) == set()
    put(store, moves={uid(1): ChunkMove("mika", "kept")})
    assert seen(store) == {uid(1)}
    assert ask(store, axis(5), "tea") == [uid(1)]


def test_a_chunk_of_very_many_words_moves_to_a_long_user_id_and_back(store: Store) -> None:
    said = " ".join(f"w{number}" for number in range(900))
    user = "ミ" * 300
    put(store, (chunk(1, said, user_id=""), axis(0)))
    put(store, moves={uid(1): ChunkMove(user, "live")})
    for word in ("w1", "w899"):
        [hit] = store.search(SearchRequest("acme", user, axis(3), 5, terms(word))).hits
        assert (hit.id, hit.lexical > 0) == (uid(1), True)
    put(store, moves={uid(1): NOBODYS})
    assert found(store, axis(0), user=user) == []


def test_a_chunk_moves_to_another_user_whole(store: Store) -> None:
    put(store, (chunk(1, "tea"), axis(0)), (chunk(2, "tea"), axis(0)))
    put(store, moves={uid(1): ChunkMove("ken", "mixed")})

    assert (seen(store), seen(store, "ken")) == ({uid(2)}, {uid(1)})
    [hit] = store.search(SearchRequest("acme", "ken", axis(0), 5, terms("tea"))).hits
    assert (hit.similarity, hit.lexical > 0) == (pytest.approx(1.0), True)
    assert store.search(SearchRequest("acme", "mika", axis(1), 1, terms("tea"))).hits[0].id == uid(2)
    assert chunks(store)[uid(1)].status == "mixed"


def test_a_move_changes_the_chunks_it_names_only(store: Store) -> None:
    put(store, (chunk(1), axis(0)), (chunk(2), axis(0)))
    put(store, (chunk(1), axis(0)), tenant="zenith")
    put(store, moves={uid(1): NOBODYS, uid(9): ChunkMove("ken", "live")})
    assert found(store, axis(0)) == [uid(2)]
    assert found(store, axis(0), tenant="zenith") == [uid(1)]
    assert held_ids(store) == [uid(1), uid(2)]
    assert seen(store, "ken") == set()


def test_a_chunk_that_is_written_anew_is_its_users_again(store: Store) -> None:
    put(store, (chunk(1, "tea"), axis(0)))
    put(store, moves={uid(1): NOBODYS})
    put(store, (chunk(1, "tea"), axis(1)))
    assert seen(store) == {uid(1)}
    put(store, (chunk(1, "tea", user_id=""), axis(1)))
    assert seen(store) == set()


def test_a_withheld_chunk_that_is_deleted_is_gone(store: Store) -> None:
    put(store, (chunk(1), axis(0)))
    put(store, moves={uid(1): NOBODYS})
    put(store, deletes=[uid(1)])
    assert held_ids(store) == []
    assert store.texts("acme", ITEM, [uid(1)]) == {}


def test_another_process_sees_at_once_that_a_chunk_is_withheld(stores: StoreMaker) -> None:
    one, two = stores(), stores()
    put(one, (chunk(1), axis(0)), (chunk(2), axis(0)))
    assert found(two, axis(0)) == [uid(1), uid(2)]
    put(one, moves={uid(1): NOBODYS})
    assert found(two, axis(0)) == [uid(2)]
    put(one, moves={uid(1): ChunkMove("mika", "live")})
    assert found(two, axis(0)) == [uid(1), uid(2)]


def test_a_neighbour_that_is_withheld_or_anothers_does_not_come_along(store: Store) -> None:
    def placed(number: int, vector: Any) -> Any:
        metadata = {"key": "chat:1", "kind": "session", "place": number, "part": 0}
        return replace(chunk(number), metadata=metadata), vector

    put(store, *(placed(number, axis(0 if number == 3 else 1)) for number in range(1, 6)))
    put(store, moves={uid(2): NOBODYS, uid(4): ChunkMove("ken", "live")})
    hits = store.search(SearchRequest("acme", "mika", axis(0), 1, around=2)).hits
    assert {hit.id for hit in hits} <= {uid(1), uid(3), uid(5)}


def test_an_unembedded_chunk_is_found_by_its_words_and_is_like_nothing(store: Store) -> None:
    put(store, (chunk(1, "tea"), axis(1)), (waiting(chunk(2, "cobra")), None))
    for question in (axis(0), axis(0, -1.0), axis(1), leaning(1.0, 1.0, 1.0)):
        hits = store.search(SearchRequest("acme", "mika", question, 1, terms("cobra"))).hits
        assert {hit.id: hit.similarity for hit in hits}[uid(2)] == 0.0
        assert {hit.id: hit.lexical > 0 for hit in hits}[uid(2)]
        assert {hit.id: hit.metadata.get("embedded", True) for hit in hits}[uid(2)] is False


def test_an_unembedded_chunk_never_takes_the_place_of_an_embedded_one(store: Store) -> None:
    put(store, *((waiting(chunk(number)), None) for number in range(1, 6)), (chunk(9), axis(0, -1.0)))
    assert found(store, axis(0), top_k=1) == [uid(9)]
    assert {hit.similarity for hit in store.search(SearchRequest("acme", "mika", axis(0), 9)).hits} <= {
        0.0,
        -1.0,
    }


def test_an_unembedded_chunk_is_found_by_its_vector_once_it_has_one(store: Store) -> None:
    put(store, (waiting(chunk(1, "cobra")), None))
    [passage] = store.passages("acme", "mika", EVERYTHING, 5)
    assert passage.content == "cobra"
    put(store, (chunk(1, "cobra"), axis(0)))
    [hit] = store.search(SearchRequest("acme", "mika", axis(0), 1)).hits
    assert (hit.similarity, "embedded" in hit.metadata) == (pytest.approx(1.0), False)


def test_an_unembedded_chunk_is_withheld_and_comes_back_like_any_other(store: Store) -> None:
    put(store, (waiting(chunk(1, "cobra")), None), (chunk(2, "tea"), axis(0)))
    put(store, moves={uid(1): NOBODYS})
    assert seen(store) == {uid(2)}
    assert ask(store, axis(0), "cobra", top_k=5) == [uid(2)]
    put(store, moves={uid(1): ChunkMove("mika", "live")})
    assert set(ask(store, axis(0), "cobra", top_k=5)) == {uid(1), uid(2)}
    assert chunks(store)[uid(1)].fingerprint == ""
