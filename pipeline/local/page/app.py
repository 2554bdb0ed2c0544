"""The page over HTTP. Who asks is what the token says; a body is read for what is asked only."""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.errors import StoreUnavailableError
from pipeline.local.page.actions import Actions, Answer, AskedWronglyError
from pipeline.local.page.event_broker import EventBroker
from pipeline.local.page.memory import MemoryAwayError
from pipeline.local.page.people import Person, SessionTokens, introduced
from pipeline.local.page.security_headers import HEADERS, refused_request

STATIC = Path(__file__).parent / "static"
Action = Callable[[Person, Mapping[str, Any]], Answer]


def page_app(
    actions: Actions, events: EventBroker, tokens: SessionTokens, people: Sequence[Person], port: int
) -> Starlette:
    """Return the ASGI application.

    Args:
        people: who may be chosen on the page; nobody else gets a token.
        port: where it will be served; requests for another host or port are refused.
    """
    named: dict[str, Action] = {
        "chats": actions.chats,
        "chat": actions.chat,
        "note": actions.note,
        "turn": actions.turn,
        "forget": actions.forget,
        "related": actions.related,
        "search": actions.search,
        "why": actions.why,
        "agent": actions.agent,
        "held": actions.held,
        "pipeline": actions.pipeline,
    }
    door = _Authenticated(tokens, people, actions.starters)
    routes = [
        Route("/", _index),
        Route("/api/people", door.people),
        Route("/api/token", door.sign, methods=["POST"]),
        Route("/api/events", door.events(events)),
        *(Route(f"/api/{name}", door.act(action), methods=["POST"]) for name, action in named.items()),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    return Starlette(routes=routes, middleware=[Middleware(_Guard, port=port)])


async def _index(_: Request) -> Response:
    return FileResponse(STATIC / "index.html")


class _Authenticated:
    """Turns a request into a person and what is asked, and an answer or a fault into JSON."""

    def __init__(
        self, tokens: SessionTokens, people: Sequence[Person], starters: Mapping[Person, Sequence[str]]
    ) -> None:
        self._tokens, self._people, self._starters = tokens, people, starters

    async def people(self, _: Request) -> Response:
        return JSONResponse(
            {"people": [introduced(one, self._starters.get(one, ())) for one in self._people]}
        )

    async def sign(self, request: Request) -> Response:
        """Give a token to one of the people. The demo asks for no password: whoever sits here may be any of them."""
        asked = await _asked(request)
        wanted = (asked.get("tenant_id"), asked.get("user_id"))
        for person in self._people:
            if (person.tenant_id, person.user_id) == wanted:
                return JSONResponse({"token": self._tokens.sign(person)})
        return _fault(404, "no_person")

    def act(self, action: Action) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            person = self._person(request)
            if person is None:
                return _fault(401, "no_token")
            try:
                answer = await run_in_threadpool(action, person, await _asked(request))
            except AskedWronglyError as error:
                return _fault(error.status, error.code)
            except (MemoryAwayError, StoreUnavailableError):
                return _fault(503, "memory_away")
            except (BotoCoreError, ClientError):
                return _fault(503, "tables_away")
            return JSONResponse(answer)

        return endpoint

    def events(self, events: EventBroker) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            person = self._person(request)
            if person is None:
                return _fault(401, "no_token")
            return StreamingResponse(_lines(events, person), media_type="application/x-ndjson")

        return endpoint

    def _person(self, request: Request) -> Person | None:
        return self._tokens.read(request.headers.get("authorization", "").removeprefix("Bearer "))


async def _lines(events: EventBroker, person: Person) -> AsyncIterator[str]:
    async for told in events.listen(person):
        yield json.dumps(told) + "\n"


async def _asked(request: Request) -> Mapping[str, Any]:
    try:
        asked = await request.json()
    except (ValueError, RecursionError):
        asked = None
    return asked if isinstance(asked, dict) else {}


def _fault(status: int, code: str) -> Response:
    return JSONResponse({"code": code}, status)


class _Guard:
    """Refuses what is not from the page, and adds the security headers to every answer."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app, self._port = app, port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refused = refused_request(scope["method"], Headers(scope=scope), self._port)
        app = self._app if refused is None else JSONResponse({"error": refused[1]}, refused[0])
        await app(scope, receive, guarded)
