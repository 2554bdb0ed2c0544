"""What an agent was told of its memory and saved again: it is memory already. Pure.

Recalled text comes between tags that end in a nonce. Where an agent copies them into a message, the text between them
is not indexed a second time. A fence that is never closed reaches to the end: an agent's answer may have been cut off.
"""

import re

FENCE_NAME = "recalled-memory"
_FENCED = re.compile(
    rf"(?:<|&lt;)\s*{FENCE_NAME}-([0-9a-f]{{16}})\s*(?:>|&gt;).*?(?:(?:<|&lt;)\s*/\s*{FENCE_NAME}-\1\s*(?:>|&gt;)|\Z)",
    re.DOTALL | re.IGNORECASE,
)


def without_recalled(text: str) -> str:
    """Return ``text`` without what stands between a fence's tags."""
    return _FENCED.sub("", text) if FENCE_NAME in text.lower() else text
