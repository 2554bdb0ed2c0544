"""Nobody sees what is another tenant's, or another user's."""

from support.chunks import ITEM, axis, chunk, found, held, key_of, messages, put, request, row, uid

from pipeline.stores.protocol import Store
from pipeline.stores.search_requests import Filters, SearchRequest


def test_a_tenant_sees_nothing_of_another_even_under_equal_names(store: Store) -> None:
    put(store, (chunk(1, "ours"), axis(0)), tenant="acme")
    put(store, (chunk(1, "theirs"), axis(0)), tenant="zenith")

    assert [hit.content for hit in store.search(SearchRequest("acme", "mika", axis(0), 5)).hits] == ["ours"]
    put(store, deletes=[uid(1)], tenant="zenith")
    assert found(store, axis(0)) == [uid(1)]


def test_a_user_sees_nothing_of_another(store: Store) -> None:
    put(store, (chunk(1, user_id="mika"), axis(0)), (chunk(2, user_id="ken"), axis(0)))
    assert found(store, axis(0), user="ken") == [uid(2)]


LOOKALIKES = [
    ("acme", "mika"),
    ("acme", "acme"),
    ("acme#mika", "acme#mika"),
    ("acme%23mika", "acme%23mika"),
    ("acme", "acme#acme"),
    ("a", "cme#mika"),
    ("acme#", "mika"),
    ("acme ", "mika"),
    ("ACME", "mika"),
    ("mika", "acme"),
    ("acme\nmika", "mika"),
]


def test_names_that_look_alike_are_kept_apart(store: Store) -> None:
    for number, (tenant, user) in enumerate(LOOKALIKES):
        rows = [row(number, user_id=user)]
        key = key_of("chat:1", tenant)
        put(store, (chunk(number, f"{number}", user), axis(0)), tenant=tenant, messages=rows, key=key)

    for number, (tenant, user) in enumerate(LOOKALIKES):
        assert found(store, axis(0), tenant, user) == [uid(number)]
    for number, (tenant, user) in enumerate(LOOKALIKES):
        asked = request(f"r{number}", user_id=user, tenant=tenant)
        assert list(store.items_of(asked)) == [key_of("chat:1", tenant)], number
        put(store, tenant=tenant, deletes=[uid(number)], messages=[row(number, "erased", user_id=user)])
        assert found(store, axis(0), tenant, user) == []
        assert list(store.items_of(asked)) == []
    for number, (tenant, user) in enumerate(LOOKALIKES):
        assert messages(store, tenant=tenant) >= {row(number, "erased", user_id=user)}


def test_nothing_of_one_tenant_is_a_conflict_or_a_lease_for_another(store: Store) -> None:
    assert store.lease("acme", {ITEM: 0}, 60)
    assert store.lease("zenith", {ITEM: 0}, 60)
    put(store, (chunk(1), axis(0)), tenant="zenith")
    store.mark(request(user_id="mika", tenant="zenith"))
    assert held(store).epoch == 0
    assert held(store).facts.position == ""
    assert store.texts("acme", ITEM, [uid(1)]) == {}
    assert store.passages("acme", "mika", Filters(), 10) == []
