from hypothesis import given
from hypothesis import strategies as st

from pipeline.source.documents import EntryHasher, ItemKey

PARTS = st.lists(st.none() | st.text(st.characters()), max_size=3).map(tuple)
NAMES = st.tuples(st.text(st.characters()), st.text(st.characters()), st.text(st.characters()))


def key(table: str, hash_value: str, range_value: str) -> ItemKey:
    return ItemKey(table, "tenant_id", hash_value, "session_key", range_value)


@given(PARTS, PARTS)
def test_only_the_same_parts_have_the_same_name(
    one: tuple[str | None, ...], two: tuple[str | None, ...]
) -> None:
    hasher = EntryHasher(b"sixteen secret b")
    assert (hasher(*one) == hasher(*two)) == (one == two)


def test_a_name_is_32_hex_digits_and_needs_the_key() -> None:
    name = EntryHasher(b"one")("user", "hi")
    assert len(name) == 32
    assert set(name) <= set("0123456789abcdef")
    assert name != EntryHasher(b"two")("user", "hi")
    assert EntryHasher(b"one")(None) != EntryHasher(b"one")("")


def test_the_key_is_never_shown() -> None:
    assert "canary" not in repr(EntryHasher(b"canary"))


@given(NAMES, NAMES)
def test_a_source_is_injective_and_plain(one: tuple[str, str, str], two: tuple[str, str, str]) -> None:
    assert (key(*one).source == key(*two).source) == (one == two)
    assert key(*one).source.isascii()
    assert "\x00" not in key(*one).source


def test_a_key_is_given_as_dynamodb_takes_it() -> None:
    assert key("sessions", "acme", "chat:1").to_dynamodb() == {
        "tenant_id": {"S": "acme"},
        "session_key": {"S": "chat:1"},
    }
