"""Compares what was saved with what is searchable, without asking the ledger or anything that ingest wrote down.

Only how a message is read, and what of it may be stored, is the pipeline's own word.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import MalformedItemError
from pipeline.source.attributes import plain, safe_text
from pipeline.source.conversations import messages_in
from pipeline.source.messages import read_message
from pipeline.source.opaque import without_opaque
from pipeline.source.redaction import Redactor

_HEADER = re.compile(r"\A\[[^\]\n]*\]\n")
_SPACE = re.compile(r"\s+")
_MIN_PIECE = 8


@dataclass(frozen=True, slots=True)
class Said:
    """One message or note line that must be findable."""

    tenant_id: str
    user_id: str
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One stored chunk."""

    tenant_id: str
    user_id: str
    key: str
    content: str


@dataclass(frozen=True, slots=True)
class Differences:
    """What is wrong: ``missing`` things said, and ``extra`` chunks that nothing said accounts for."""

    missing: Sequence[Said]
    extra: Sequence[Row]


def said(items: Iterator[Mapping[str, Any]]) -> Iterator[Said]:
    """Yield everything that DynamoDB items say and that ought to be memory."""
    for item in filter(_is_memory, items):
        strings = {
            name: str(value.get("S", value.get("N")))
            for name, value in item.items()
            if value.keys() & {"S", "N"}
        }
        hash_key = strings.get("pk", strings.get("tenant_id", ""))
        tenant_id = hash_key.removeprefix("MEMORY#") if "pk" in strings else hash_key
        key = strings.get("session_key", strings.get("sk", ""))
        for text in _texts(item):
            if squeezed(text):
                yield Said(tenant_id, strings.get("user_id", tenant_id), key, text)


def _is_memory(item: Mapping[str, Any]) -> bool:
    """Tell by the key, in words of our own, whether an item is one that must become memory."""
    owner = str((item.get("pk") or item["tenant_id"])["S"])
    sort = str((item.get("session_key") or item["sk"])["S"])
    if "pk" in item:
        return owner.startswith("MEMORY#") and (
            sort == "LONG_TERM" or sort.startswith(("DAILY#", "SUMMARY#"))
        )
    noted = sort == "memory:long_term" or sort.startswith(("memory:daily:", "memory:summary:"))
    return not owner.startswith("MEMORY#") and (
        noted or ("messages" in item and not sort.startswith("memory:"))
    )


def _texts(item: Mapping[str, Any]) -> Iterator[str]:
    """Yield what an item says, as it may be stored: shapes and secrets are read as the pipeline reads them."""
    if "messages" in item:
        try:
            held = plain(item["messages"])
            messages = messages_in(json.loads(held) if isinstance(held, str) else held)
        except (ValueError, MalformedItemError):
            return
        for message in map(read_message, messages or ()):
            if message.outcome == "said" and message.role not in {"system", "tool"}:
                yield storable(message.text)
    elif "S" in item.get("content", {}):
        for line in storable(item["content"]["S"]).splitlines():
            if not line.startswith("#"):
                yield line


def storable(text: str) -> str:
    """Return ``text`` as it may be stored: without secrets, and without what no reader could read."""
    return without_opaque(Redactor().redact(safe_text(text))[0])


def compare(wanted: Sequence[Said], rows: Sequence[Row]) -> Differences:
    """Return what is missing and what is extra."""
    chunks: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    texts: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for row in rows:
        chunks[row.tenant_id, row.user_id, row.key].append(squeezed(_HEADER.sub("", row.content)))
    for one in wanted:
        texts[one.tenant_id, one.user_id, one.key].append(squeezed(one.text))
    missing = [
        one for one in wanted if not covered(squeezed(one.text), chunks[one.tenant_id, one.user_id, one.key])
    ]
    extra = [row for row in rows if not _accounted(row, texts[row.tenant_id, row.user_id, row.key])]
    return Differences(missing, extra)


def squeezed(text: str) -> str:
    """Return ``text`` without white space: chunks may break lines elsewhere."""
    return _SPACE.sub("", text)


def covered(text: str, chunks: Sequence[str]) -> bool:
    """Tell whether pieces of ``chunks``, one after the other, make up ``text``."""
    if any(text in chunk for chunk in chunks):
        return True
    reached, ends = {0}, [0]
    while ends:
        start = ends.pop()
        if start == len(text):
            return True
        found = {start + size for chunk in chunks for size in _common(text[start:], chunk)} - reached
        reached |= found
        ends += found
    return False


def _common(text: str, chunk: str) -> Iterator[int]:
    """Yield how much of the beginning of ``text`` stands in ``chunk``, for each place where it does."""
    if text.startswith(chunk):
        yield len(chunk)
    start = chunk.find(text[:_MIN_PIECE])
    while start >= 0:
        yield _same_prefix(text, chunk[start:])
        start = chunk.find(text[:_MIN_PIECE], start + 1)


def _same_prefix(one: str, two: str) -> int:
    return next(
        (index for index, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two))
    )


def _accounted(row: Row, texts: Sequence[str]) -> bool:
    body = squeezed(_HEADER.sub("", row.content))
    unlabelled = body.partition(":")[2]
    return any(text in body or body in text or (unlabelled and unlabelled in text) for text in texts)
