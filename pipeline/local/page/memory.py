"""Asks the query function. Tenant and user are the ones of the token, whatever a body says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.local.page.people import Person

MAX_QUERY_CHARACTERS = 8_000
OK = 200


class MemoryAwayError(Exception):
    """Memory gave no answer; the message says what to do and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Memory:
    """The query function, invoked directly.

    Args:
        client: of Lambda, with short timeouts.
        function: its name.
    """

    client: Any
    function: str

    def search(
        self, person: Person, query: str, top_k: int, filters: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Return the hits for ``query``, best first.

        Raises:
            MemoryAwayError: no answer.
        """
        body = {"query": query[:MAX_QUERY_CHARACTERS], "top_k": top_k, **(filters or {})}
        status, answer = self._ask(person, "POST", "search", body)
        if status != OK:
            raise MemoryAwayError(str(answer.get("error", "memory did not answer")))
        results: list[dict[str, Any]] = answer["results"]
        return results

    def explanation(
        self, person: Person, query: str, top_k: int, filters: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return how the answer to a search comes about, with the numbers; see ``docs/search.md``.

        Raises:
            MemoryAwayError: no answer.
        """
        body = {
            "query": query[:MAX_QUERY_CHARACTERS],
            "top_k": top_k,
            "explain": True,
            **(filters or {}),
        }
        found: dict[str, Any] = self._answer(person, "search", body)["explanation"]
        return found

    def context(self, person: Person, query: str, max_tokens: int) -> dict[str, Any]:
        """Return what an agent would be reminded of for ``query``: ``text``, ``tokens``, ``explanation``.

        Raises:
            MemoryAwayError: no answer.
        """
        body = {"query": query[:MAX_QUERY_CHARACTERS], "max_tokens": max_tokens, "explain": True}
        return self._answer(person, "context", body)

    def _answer(self, person: Person, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        status, answer = self._ask(person, "POST", path, body)
        if status != OK:
            raise MemoryAwayError(str(answer.get("error", "memory did not answer")))
        return answer

    def related(self, person: Person, text: str, key: str | None, top_k: int) -> list[dict[str, Any]]:
        """Return past conversations that bear on ``text``, or without it on the conversation ``key``; best first.

        Raises:
            MemoryAwayError: no answer.
        """
        about = {"messages": [text[:MAX_QUERY_CHARACTERS]]} if text else {}
        open_one = {"session_key": key} if key else {}
        status, answer = self._ask(person, "POST", "related", {**about, **open_one, "top_k": top_k})
        if status != OK:
            raise MemoryAwayError(str(answer.get("error", "memory did not answer")))
        found: list[dict[str, Any]] = answer["related"]
        return found

    def _ask(
        self, person: Person, method: str, path: str, body: Mapping[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        event = {
            "method": method,
            "path": f"/api/v1/memory/{path}",
            "tenant_id": person.tenant_id,
            "user_id": person.user_id,
            "body": body,
        }
        try:
            answer = self.client.invoke(FunctionName=self.function, Payload=json.dumps(event))
            payload = json.loads(answer["Payload"].read())
            return payload["statusCode"], json.loads(payload["body"])
        except (BotoCoreError, ClientError, KeyError, ValueError) as error:
            raise MemoryAwayError("memory did not answer; try again in a moment") from error
