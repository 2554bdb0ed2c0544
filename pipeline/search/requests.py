"""What a body or a query string asks for, checked. Pure. ``null`` is as good as left out.

The query function's ``openapi.json`` says the same to others. Checked by hand, since pydantic would add a tenth of a second to a cold start.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline.embedding.questions import beginning_and_end
from pipeline.errors import InvalidRequestError
from pipeline.identity import storable_id
from pipeline.search.wanted import Wanted
from pipeline.source.documents import Kind
from pipeline.source.layouts import read_time
from pipeline.stores.search_requests import Filters

MAX_QUERY_CHARACTERS = 8_000
"""Of a longer question beginning and end are kept: about what an embedding input of 8,192 tokens holds in Japanese."""
MAX_TALK_CHARACTERS = 4_000
"""The same of a question for context, and of messages together: of what stands in for a question as much is read."""
MAX_TOP_K = 100
DEFAULT_TOP_K = 5
MAX_RELATED = 20
MAX_FILTER_VALUES = 100
MIN_CONTEXT_TOKENS, DEFAULT_CONTEXT_TOKENS, MAX_CONTEXT_TOKENS = 64, 1_500, 16_000
MAX_MESSAGES = 50
MAX_REQUEST_ID = 64

VISIBLE = (
    r"[^\s\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f\u205f-\u206f"
    r"\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0]"
)
"""What a question must have: a character that is seen, neither white nor a control nor drawn as nothing (zero-width, fillers, variants)."""

MIN_HALF_LIFE_DAYS, MAX_HALF_LIFE_DAYS = 0.01, 36_500.0
IDENTITY_FIELDS = frozenset({"tenant_id", "user_id"})
"""Allowed in a body if they are the caller's own."""
KINDS = get_args(Kind)
_REQUEST_ID = re.compile(f"[0-9a-f]{{1,{MAX_REQUEST_ID}}}")


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh the answer must be.

    Args:
        session_key: whose freshness counts; ``None`` is all of the user's memory.
        min_updated_at: the ``updated_at`` of the save that the answer must know of.
    """

    session_key: str | None = None
    min_updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SearchAsk:
    """A question."""

    query: str = field(repr=False)
    top_k: int
    filters: Filters
    wanted: Wanted
    explain: bool
    freshness: Freshness


@dataclass(frozen=True, slots=True)
class ContextAsk:
    """What an agent wants to be reminded of."""

    query: str | None = field(repr=False)
    session_key: str | None
    max_tokens: int
    top_k: int
    wanted: Wanted
    explain: bool
    freshness: Freshness


@dataclass(frozen=True, slots=True)
class RelatedAsk:
    """Which conversation the past ones should bear on."""

    session_key: str | None
    messages: Sequence[str] | None = field(repr=False)
    top_k: int
    wanted: Wanted
    explain: bool
    freshness: Freshness


def read_search(body: Mapping[str, Any]) -> SearchAsk:
    """Read the body of a search; every reader here raises InvalidRequestError, which says what is wrong with it."""
    _only(
        body,
        "query",
        "top_k",
        "min_similarity",
        "half_life_days",
        "explain",
        *_FILTERS,
        *_WANTED,
        *_FRESHNESS,
    )
    body = _given(body)
    return SearchAsk(
        _question(body.get("query")),
        _whole(body, "top_k", DEFAULT_TOP_K, 1, MAX_TOP_K),
        _filters(body),
        _wanted(body),
        _yes(body, "explain"),
        _freshness(body),
    )


def read_context(body: Mapping[str, Any]) -> ContextAsk:
    """Read the body of a request for context."""
    _only(body, "query", "max_tokens", "top_k", "explain", *_WANTED, *_FRESHNESS)
    body = _given(body)
    freshness = _freshness(body)
    return ContextAsk(
        _question(body["query"], MAX_TALK_CHARACTERS) if "query" in body else None,
        freshness.session_key,
        _whole(body, "max_tokens", DEFAULT_CONTEXT_TOKENS, MIN_CONTEXT_TOKENS, MAX_CONTEXT_TOKENS),
        _whole(body, "top_k", 2 * DEFAULT_TOP_K, 1, MAX_TOP_K),
        _wanted(body),
        _yes(body, "explain"),
        freshness,
    )


def read_related(body: Mapping[str, Any]) -> RelatedAsk:
    """Read the body of a request for related conversations."""
    _only(body, "messages", "top_k", "explain", *_WANTED, *_FRESHNESS)
    body = _given(body)
    freshness, messages = _freshness(body), _messages(body)
    if freshness.session_key is None and messages is None:
        raise InvalidRequestError(
            "neither session_key nor messages is given", hint="say which conversation, or what is said in it"
        )
    top_k = _whole(body, "top_k", DEFAULT_TOP_K, 1, MAX_RELATED)
    return RelatedAsk(freshness.session_key, messages, top_k, _wanted(body), _yes(body, "explain"), freshness)


def read_session_key(parameters: Mapping[str, Any]) -> str | None:
    """Read which session a request without a body is about."""
    _only(parameters, "session_key")
    return storable_id(parameters["session_key"], "session_key") if "session_key" in parameters else None


def read_nothing(parameters: Mapping[str, Any]) -> None:
    """Check that a request without parameters has none."""
    _only(parameters)


def read_request_id(text: str) -> str:
    """Read the id of a request to forget."""
    check_may_wait(_REQUEST_ID.fullmatch(text) is not None)
    return text


def check_may_wait(known: bool) -> None:  # noqa: FBT001  # a check of one thing
    """Refuse a request to forget that was never made, or was not carried out and is on no queue any more."""
    if not known:
        raise InvalidRequestError(
            "no request to forget of this id is known or can still be on its way",
            code="not_found",
            status=404,
            hint="take the id that DELETE answered; ask to forget again if it is older than 35 days",
        )


_FILTERS = ("kinds", "roles", "sessions", "excluded_sessions", "since", "until")
_FRESHNESS = ("session_key", "min_updated_at")
_WANTED = ("min_confidence", "now", "time_zone")


def _wanted(body: Mapping[str, Any]) -> Wanted:
    return Wanted(
        half_life_days=_number(body, "half_life_days", MIN_HALF_LIFE_DAYS, MAX_HALF_LIFE_DAYS),
        min_confidence=_number(body, "min_confidence", 0, 1),
        min_similarity=_number(body, "min_similarity", -1, 1),
        now=_reference_time(body),
    )


def _reference_time(body: Mapping[str, Any]) -> datetime | None:
    """Return what "yesterday" is counted from: ``now``, or the present, in the zone that is named."""
    given = _time(body, "now", _zone(body))
    if body.get("time_zone") is None:
        return given
    try:
        return (given or datetime.now(UTC)).astimezone(_zone(body))
    except (ValueError, OverflowError):
        raise InvalidRequestError(
            "now is outside of the calendar in that time_zone", hint="leave now out, or give the present time"
        ) from None


def _zone(body: Mapping[str, Any]) -> tzinfo:
    """Return the zone that is named, of times that name none as well."""
    name = body.get("time_zone")
    if name is None:
        return UTC
    try:
        if isinstance(name, str) and name.isascii():
            return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        pass
    raise InvalidRequestError(
        "time_zone is not known", hint="give a name such as Asia/Tokyo, or leave it out"
    )


def _yes(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise InvalidRequestError(f"{name} must be true or false")
    return value


def _given(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}


def _only(fields: Mapping[str, Any], *known: str) -> None:
    if unknown := sorted(fields.keys() - IDENTITY_FIELDS - {*known}):
        allowed = ", ".join(known) or "none"
        raise InvalidRequestError(
            f"{len(unknown)} unknown field{'s' * (len(unknown) > 1)}", hint=f"the fields here are: {allowed}"
        )


def is_too_long(body: Mapping[str, Any], characters: int) -> bool:
    """Tell whether this body's question, or its messages together, are kept by their beginning and end only."""
    messages = body.get("messages")
    query_terms = "\n".join(map(str, messages)) if isinstance(messages, list) else body.get("query")
    return isinstance(query_terms, str) and len(query_terms) > characters


def _question(query: object, characters: int = MAX_QUERY_CHARACTERS) -> str:
    if not isinstance(query, str) or not re.search(VISIBLE, query):
        raise InvalidRequestError("query must be a string that is not blank")
    return _shortened(query, characters)


def _shortened(text: str, characters: int) -> str:
    kept = text if len(text) <= characters else beginning_and_end(text.strip(), characters)
    return kept.encode("utf-8", "replace").decode()


def _whole(body: Mapping[str, Any], name: str, default: int, low: int, high: int) -> int:
    value = body.get(name, default)
    whole = isinstance(value, int) or (
        isinstance(value, float) and value.is_integer()
    )  # 5.0 is an integer in JSON
    if isinstance(value, bool) or not whole or not low <= value <= high:
        raise InvalidRequestError(f"{name} must be a whole number from {low} to {high}")
    return int(value)


def _number(body: Mapping[str, Any], name: str, low: float, high: float) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InvalidRequestError(f"{name} must be a number from {low:g} to {high:g}")
    return float(value)


def _filters(body: Mapping[str, Any]) -> Filters:
    kinds = _ids(body, "kinds")
    if not kinds <= {*KINDS}:
        raise InvalidRequestError(f"kinds must be among {', '.join(KINDS)}")
    since, until = (_time(body, name, _zone(body)) for name in ("since", "until"))
    if since and until and since >= until:
        raise InvalidRequestError(
            "since is not before until, so nothing can fit",
            hint="until is the first moment that is not searched any more; for one day give the next day's beginning",
        )
    return Filters(
        kinds=kinds,
        roles=_ids(body, "roles"),
        keys=_ids(body, "sessions"),
        excluded_keys=_ids(body, "excluded_sessions"),
        since=since,
        until=until,
    )


def _ids(body: Mapping[str, Any], name: str) -> frozenset[str]:
    values = body.get(name, [])
    if not isinstance(values, list) or len(values) > MAX_FILTER_VALUES:
        raise InvalidRequestError(f"{name} must be a list of at most {MAX_FILTER_VALUES} strings")
    return frozenset(storable_id(value, f"each of {name}") for value in values)


def _time(body: Mapping[str, Any], name: str, zone: tzinfo = UTC) -> datetime | None:
    if name not in body:
        return None
    time = read_time(body[name], zone) if isinstance(body[name], str) else None
    if time is None:
        raise InvalidRequestError(f"{name} must be a time such as 2026-11-22T10:00:00+09:00")
    return time


def _freshness(body: Mapping[str, Any]) -> Freshness:
    key = storable_id(body["session_key"], "session_key") if "session_key" in body else None
    wanted = _time(body, "min_updated_at")
    if wanted is not None and key is None:
        raise InvalidRequestError(
            "min_updated_at is given without session_key", hint="say which session was saved at that time"
        )
    return Freshness(key, wanted)


def _messages(body: Mapping[str, Any]) -> Sequence[str] | None:
    if "messages" not in body:
        return None
    messages = body["messages"]
    if not isinstance(messages, list) or not 1 <= len(messages) <= MAX_MESSAGES:
        raise InvalidRequestError(f"messages must be a list of 1 to {MAX_MESSAGES} strings")
    if not all(isinstance(message, str) for message in messages):
        raise InvalidRequestError("messages must be strings")
    if is_too_long(body, MAX_TALK_CHARACTERS):
        return [_shortened("\n".join(messages), MAX_TALK_CHARACTERS)]
    return [
        message.encode("utf-8", "replace").decode() if re.search(VISIBLE, message) else ""
        for message in messages
    ]
