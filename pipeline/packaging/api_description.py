"""Describes the query function's paths, and makes its ``openapi.json`` of the description with Powertools.

Not for the function itself, which serves the file: pydantic would slow its cold start. After a change here run
``python -m pipeline.packaging.api_description``; a test compares the file with what this module makes.
"""

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import LambdaFunctionUrlResolver
from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from pipeline.handlers.query_routes import DOCUMENT, MEMORY_PATH, ROUTES, STATUS_PATH
from pipeline.identity import MAX_ID_BYTES
from pipeline.search import requests as limits

VERSION = "1"
DESCRIPTION = """What a chat agent's memory answers. Who asks for whose memory is the entrance's matter: the payload of a direct
invocation, `X-Tenant-Id` and `X-User-Id` (percent-encoded) of a principal that the stack trusts over the function's URL, or
the claims of a JWT. A body never names another."""

_TIME = r"^(19|20)\d\d-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?(Z|[+-](0\d|1[0-3]):[0-5]\d)$"

Id = Annotated[str, Field(min_length=1, max_length=MAX_ID_BYTES, pattern=r"^[^\x00]+$")]
Ids = Annotated[list[Id], Field(max_length=limits.MAX_FILTER_VALUES)]
Time = Annotated[str, Field(pattern=_TIME, examples=["2026-11-22T10:00:00+09:00"])]
_LONG = (
    f"longer than {limits.MAX_QUERY_CHARACTERS:,} characters ({limits.MAX_TALK_CHARACTERS:,} for context, and of messages "
    "together), or than the model takes: beginning and end are used, and the answer says so"
)
Question = Annotated[str, Field(min_length=1, pattern=limits.VISIBLE, description=_LONG)]
TopK = Annotated[int, Field(ge=1, le=limits.MAX_TOP_K)]
KindName = Literal["session", "long_term", "daily", "summary"]


def _given(name: str, kind: str) -> dict[str, Any]:
    return {"required": [name], "properties": {name: {"type": kind}}}


_FRESHNESS_NAMES_A_SESSION: dict[str, Any] = {
    "if": _given("min_updated_at", "string"),
    "then": _given("session_key", "string"),
}
_A_CONVERSATION: dict[str, Any] = {"anyOf": [_given("session_key", "string"), _given("messages", "array")]}


class _Request(BaseModel):
    """What every body may say: ``null`` is as good as left out."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_FRESHNESS_NAMES_A_SESSION)
    session_key: Annotated[Id | None, Field(description="the conversation this is asked in")] = None
    min_updated_at: Annotated[
        Time | None, Field(description="`updated_at` of the save of `session_key` that must be known")
    ] = None
    min_confidence: Annotated[
        float | None,
        Field(ge=0, le=1, description="what is less sure is left out; 0 leaves out nothing"),
    ] = None
    now: Annotated[
        Time | None,
        Field(description='what "yesterday" is counted from, in the user\'s zone; the present if left out'),
    ] = None
    time_zone: Annotated[
        str | None,
        Field(
            examples=["Asia/Tokyo"], description="the user's, for what is said about time; UTC if left out"
        ),
    ] = None


class SearchRequest(_Request):
    """A question, and what hits must be like."""

    query: Question
    top_k: TopK | None = limits.DEFAULT_TOP_K
    min_similarity: Annotated[float, Field(ge=-1, le=1)] | None = None
    half_life_days: Annotated[
        float | None,
        Field(
            ge=limits.MIN_HALF_LIFE_DAYS,
            le=limits.MAX_HALF_LIFE_DAYS,
            description="a passage so old counts half as much as one of today; age does not matter if left out",
        ),
    ] = None
    kinds: list[KindName] | None = None
    roles: Ids | None = None
    sessions: Ids | None = None
    excluded_sessions: Ids | None = None
    since: Annotated[Time | None, Field(description="the first moment that is searched")] = None
    until: Annotated[
        Time | None, Field(description="the first moment after `since` that is not searched any more")
    ] = None
    explain: bool | None = False


class ContextRequest(_Request):
    """What to be reminded of: without `query`, what bears on the session; without both, what is newest."""

    query: Question | None = None
    max_tokens: Annotated[int, Field(ge=limits.MIN_CONTEXT_TOKENS, le=limits.MAX_CONTEXT_TOKENS)] | None = (
        limits.DEFAULT_CONTEXT_TOKENS
    )
    top_k: TopK | None = 2 * limits.DEFAULT_TOP_K
    explain: bool | None = False


class RelatedRequest(_Request):
    """The conversation that past ones should bear on: by its key, or by what is said in it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_FRESHNESS_NAMES_A_SESSION | _A_CONVERSATION)
    messages: (
        Annotated[
            list[str],
            Field(min_length=1, max_length=limits.MAX_MESSAGES, description=_LONG),
        ]
        | None
    ) = None
    top_k: Annotated[int, Field(ge=1, le=limits.MAX_RELATED)] | None = limits.DEFAULT_TOP_K
    explain: bool | None = False


class _Fresh(BaseModel):
    indexed_until: Annotated[
        str | None, Field(description="`updated_at` of the newest save that the answer knows of")
    ]
    stale: Annotated[bool, Field(description="the save asked for was not indexed in time")]


class _OfAnyLength(BaseModel):
    question_truncated: Annotated[
        bool, Field(description="the question was too long, and is answered from its beginning and end")
    ]


class Why(BaseModel):
    """The two scores behind a hit's place, 0..1: how far its similarity stands out, and how well its words fit."""

    vector: float
    lexical: float


class Memory(BaseModel):
    """A hit."""

    key: str
    content: str
    similarity: Annotated[float, Field(description="cosine; higher is closer")]
    score: Annotated[float, Field(description="0..1; means the same in every answer")]
    why: Why
    superseded_by: Annotated[
        str | None,
        Field(description="`id` of the passage that says the same thing anew: this was said before that"),
    ]
    id: str
    kind: str | None
    roles: list[str]
    created_at: str


class _Explained(_Fresh):
    explanation: Annotated[
        dict[str, Any] | None, Field(description="how the answer came about, if `explain` was asked for")
    ] = None


class _Sure(_Explained):
    confidence: Annotated[
        float,
        Field(description="how sure it is that memory holds an answer, 0..1, whether or not it is told"),
    ]


class SearchAnswer(_Sure, _OfAnyLength):
    """Hits, best first; none where nothing is sure enough."""

    results: list[Memory]
    query: str


class ContextAnswer(_Sure, _OfAnyLength):
    """Text to show an agent, within the budget."""

    text: str
    tokens: int
    passages: list[Memory]


class RelatedSession(BaseModel):
    """A past conversation."""

    key: str
    title: str
    date: str
    snippet: str
    score: float
    why: Why
    superseded_by: Annotated[
        str | None, Field(description="`key` of the conversation that says the same thing anew")
    ]


class RelatedAnswer(_Explained, _OfAnyLength):
    """Past conversations, best first."""

    related: list[RelatedSession]


class NotesAnswer(_Fresh):
    """The user's notes as far as they are indexed."""

    long_term: str
    daily: str


class ForgetAnswer(BaseModel):
    """The forget request is taken; poll `status_path`."""

    id: str
    status: Literal["pending"]
    status_path: str
    source_items: Annotated[Literal["kept"], Field(description="the chat app's own items are not deleted")]


class StatusAnswer(BaseModel):
    """What became of a forget request. `pending`: not carried out yet, or never made by this user."""

    id: str
    status: Literal["pending", "done"]
    source_items: Literal["kept"]
    asked_at: str | None = None
    done_at: str | None = None
    deleted: Annotated[int | None, Field(description="chunks")] = None


class HealthAnswer(BaseModel):
    """The store answers."""

    status: Literal["ok"]


class Failure(BaseModel):
    """What was wrong, a stable name for it, and what to do."""

    error: str
    code: str
    hint: str


@dataclass(frozen=True, slots=True)
class _Operation:
    """One path.

    Args:
        takes: the parameter of a function that stands for the operation, if it takes any.
    """

    summary: str
    answer: type[BaseModel] | None
    failures: tuple[int, ...]
    takes: Any = None
    status: int = 200


_FAILURES = {
    400: "The request cannot be served as it is",
    401: "Nobody is named",
    403: "The asker may not ask for them, or the entrance is closed",
    404: "There is nothing here",
    413: "The provider refuses the question",
    500: "A wrong setting or a bug: the function's log names it",
    503: "A dependency does not answer, or embeddings are not configured",
}
_ASKED = (400, 401, 403, 413, 500, 503)
_READ = (400, 401, 403, 500, 503)

OPERATIONS = {
    ("POST", f"{MEMORY_PATH}/search"): _Operation(
        "Search by meaning and by words", SearchAnswer, _ASKED, Annotated[SearchRequest, Body()]
    ),
    ("POST", f"{MEMORY_PATH}/context"): _Operation(
        "Text to remind an agent with", ContextAnswer, _ASKED, Annotated[ContextRequest, Body()]
    ),
    ("POST", f"{MEMORY_PATH}/related"): _Operation(
        "Past conversations that bear on one", RelatedAnswer, _ASKED, Annotated[RelatedRequest, Body()]
    ),
    ("GET", MEMORY_PATH): _Operation("Long-term memory and the newest day's notes", NotesAnswer, _READ),
    ("DELETE", MEMORY_PATH): _Operation(
        "Forget all of the user's memory, or one session of it, up to now",
        ForgetAnswer,
        _READ,
        Annotated[Id | None, Query(description="only this session")],
        202,
    ),
    ("GET", f"{STATUS_PATH}/<request_id>"): _Operation(
        "What became of a forget request",
        StatusAnswer,
        (400, 401, 403, 404, 500, 503),
        Annotated[str, Path(pattern=f"^[0-9a-f]{{1,{limits.MAX_REQUEST_ID}}}$")],
    ),
    ("GET", "/api/v1/health"): _Operation("Whether the store answers", HealthAnswer, (403, 500, 503)),
    ("GET", "/api/v1/openapi.json"): _Operation("This document", None, (403, 500)),
}
_NAMES = {"GET": "request_id", "POST": "body", "DELETE": "session_key"}


def describe_api() -> dict[str, Any]:
    """Return the OpenAPI document of every route of the function."""
    app = LambdaFunctionUrlResolver()
    for (method, path), action in ROUTES.items():
        operation = OPERATIONS[method, path]
        app.route(
            path,
            method=method,
            summary=operation.summary,
            operation_id=action.__name__,
            responses=_responses(operation),
        )(_stand_in(method, operation))
    document = app.get_openapi_json_schema(title="vector-memory", version=VERSION, description=DESCRIPTION)
    return _without_unused(json.loads(document))


def _stand_in(method: str, operation: _Operation) -> Callable[..., Any]:
    """Return a function whose signature Powertools reads."""

    def stand_in(**_: Any) -> Any:  # never called
        raise NotImplementedError

    name, takes = _NAMES[method], operation.takes
    default = None if method == "DELETE" else inspect.Parameter.empty
    parameter = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=takes, default=default)
    made: Any = stand_in
    made.__signature__ = inspect.Signature([parameter] if takes else [])
    made.__annotations__ = {name: takes} if takes else {}
    return stand_in


def _responses(operation: _Operation) -> dict[int, Any]:
    answer: dict[str, Any] = (
        {"model": operation.answer} if operation.answer else {"schema": {"type": "object"}}
    )
    good = {"description": "The answer", "content": {"application/json": answer}}
    return {operation.status: good} | {
        status: {"description": _FAILURES[status], "content": {"application/json": {"model": Failure}}}
        for status in operation.failures
    }


def _without_unused(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document without Powertools' own shape of errors, which no path answers with."""
    schemas = document["components"]["schemas"]
    for name in ("ValidationError", "HTTPValidationError"):
        schemas.pop(name, None)
    return document


def text() -> str:
    """Return the document as it is stored."""
    return json.dumps(describe_api(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(text(), "utf-8")
