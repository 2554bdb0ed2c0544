"""Who summarises: a chat model, or nobody but arithmetic."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.digest.spending import ChatUsage
from pipeline.digest.text import extracted, messages, tidied
from pipeline.embedding.address import key_header, without_query
from pipeline.errors import EmbeddingRejectedError, SummariserUnavailableError

if TYPE_CHECKING:
    from openai import OpenAI

MAX_ANSWER_TOKENS = 1_000
_BAD_INPUT = frozenset({400, 413, 422})


class Summariser(Protocol):
    """Makes a day's points out of its log."""

    @property
    def name(self) -> str:
        """Part of a summary's fingerprint: another one makes it anew."""
        ...

    @property
    def usage(self) -> ChatUsage:
        """Everything asked for so far."""
        ...

    def summarise(self, content: str) -> str:
        """Return bullet points; they depend on nothing but ``content``.

        Raises:
            SummariserUnavailableError: not now.
            EmbeddingRejectedError: never for this text.
        """
        ...


class ExtractiveSummariser:
    """Takes the most telling lines as they are: no key, no network, nothing invented."""

    name = "extractive"

    def __init__(self) -> None:
        self.usage = ChatUsage()

    def summarise(self, content: str) -> str:
        """Return lines of the log."""
        return extracted(content)


class ChatSummariser:
    """Asks a chat model through the ``openai`` package: one call a log, no tools, no memory of other calls.

    Args:
        key: reads the API key.
    """

    def __init__(
        self, model: str, base_url: str, key: Callable[[], str], timeout_seconds: float = 60.0
    ) -> None:
        self.name = model
        self.usage = ChatUsage()
        self._base_url, self._key, self._timeout_seconds = base_url, key, timeout_seconds
        self._client: OpenAI | None = None
        self._headers: dict[str, Any] = {}

    def _new_client(self) -> "OpenAI":
        import openai  # noqa: PLC0415  # as below

        base_url, query = without_query(self._base_url)
        key = self._key()
        self._headers = {"Authorization": openai.Omit(), **key_header(self._base_url, key)}
        return openai.OpenAI(
            api_key=key,
            base_url=base_url,
            default_query=query,
            timeout=self._timeout_seconds,
            max_retries=0,  # the next run tries again
        )

    def summarise(self, content: str) -> str:
        """Return the model's points."""
        import openai  # noqa: PLC0415  # a second of imports, needed only when something is summarised

        self.usage = self.usage.plus(ChatUsage(requests=1))
        try:
            self._client = self._client or self._new_client()
            asked: Any = messages(content)
            answer = self._client.chat.completions.create(
                model=self.name,
                messages=asked,
                max_completion_tokens=MAX_ANSWER_TOKENS,
                extra_headers=self._headers,
            )
        except openai.APIStatusError as error:
            if error.status_code in _BAD_INPUT:
                raise EmbeddingRejectedError(f"the chat API refused the log ({error.status_code})") from None
            self._client = None  # a key that was changed is found
            raise SummariserUnavailableError(f"the chat API answered {error.status_code}") from None
        except (openai.OpenAIError, ValueError) as error:
            raise SummariserUnavailableError(f"the chat API gave no answer: {type(error).__name__}") from None
        if answer.usage:
            asked_for = ChatUsage(0, answer.usage.prompt_tokens, answer.usage.completion_tokens)
            self.usage = self.usage.plus(asked_for)
        return tidied(answer.choices[0].message.content or "" if answer.choices else "")
