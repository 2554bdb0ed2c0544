"""How many tokens a text has, near enough to plan with, without a model's tables. Pure."""

import math


def estimate_tokens(text: str) -> int:
    """Return about how many tokens ``text`` has: 4 ASCII characters or 1 other character each.

    The first is OpenAI's rule of thumb for English (help.openai.com, "What are tokens"); Japanese comes to
    0.9 to 1.2 tokens a character in cl100k_base.
    """
    return math.ceil(token_share(text))


def token_share(text: str) -> float:
    """Return the same before it is rounded up: the shares of a text's pieces add up to the text's."""
    if text.isascii():  # known at once, and the usual case in English
        return len(text) / 4
    ascii_ = len(text.encode("ascii", "ignore"))
    return ascii_ / 4 + len(text) - ascii_
