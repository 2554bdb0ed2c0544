"""Sentences that say that something is no longer as it was, English and Japanese. Pure."""

import re

_CHANGES = re.compile(
    r"\b(?:now|moved?|chang\w+|switch\w*|instead|no longer|not .+ any ?more|postponed|replac\w+|updat\w+|correct\w+|actually"
    r"|renamed|raised|lowered|cancell?ed|from now on|after all|new)\b"
    r"|変更|変わ|変え|移り|移っ|移し|ではなく|でなく|じゃなく|やっぱり|やめ|代わり|になりました|になった|に決ま|延期|新しい|訂正|改め|引っ越|今は|今後|もう",
    re.IGNORECASE,
)


def says_change(sentence: str) -> bool:
    """Tell whether a sentence says that something changed."""
    return _CHANGES.search(sentence) is not None
