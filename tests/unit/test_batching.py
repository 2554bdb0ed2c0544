from hypothesis import given
from hypothesis import strategies as st

from pipeline.embedding.batching import MAX_INPUTS, MAX_REQUEST_TOKENS, batches

TEXTS = st.lists(st.text(st.sampled_from("aé山🦊"), max_size=12), max_size=30)


@given(TEXTS, st.integers(1, 8), st.integers(1, 60))
def test_every_batch_is_within_both_limits_and_none_could_take_more(
    texts: list[str], max_inputs: int, max_tokens: int
) -> None:
    made = [list(batch) for batch in batches(texts, max_inputs, max_tokens)]
    assert [text for batch in made for text in batch] == texts
    sizes = [sum(len(text.encode()) for text in batch) for batch in made]
    for batch, size in zip(made, sizes, strict=True):
        assert 1 <= len(batch) <= max_inputs
        assert size <= max_tokens or len(batch) == 1
    for batch, size, following in zip(made, sizes, made[1:], strict=False):
        assert len(batch) == max_inputs or size + len(following[0].encode()) > max_tokens


def test_the_limits_are_openais() -> None:
    assert (MAX_INPUTS, MAX_REQUEST_TOKENS) == (2_048, 300_000)


def test_nothing_makes_no_batch() -> None:
    assert list(batches([])) == []
