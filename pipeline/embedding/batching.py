"""Cuts texts into requests that an embeddings API accepts. Pure.

OpenAI's limits (platform.openai.com/docs/api-reference/embeddings): 2,048 inputs and 300,000 tokens a
request, 8,192 tokens an input, no empty input. Tokens are bounded by UTF-8 bytes: no token is less than one.
"""

from collections.abc import Iterator, Sequence

MAX_INPUTS = 2048
MAX_REQUEST_TOKENS = 300_000


def batches(
    texts: Sequence[str], max_inputs: int = MAX_INPUTS, max_tokens: int = MAX_REQUEST_TOKENS
) -> Iterator[Sequence[str]]:
    """Yield ``texts`` in order, in slices within both limits of a request."""
    start = size = 0
    for index, text in enumerate(texts):
        length = len(text.encode())
        if index > start and (index - start >= max_inputs or size + length > max_tokens):
            yield texts[start:index]
            start, size = index, 0
        size += length
    if start < len(texts):
        yield texts[start:]
