"""Who summarises: a chat model, or nobody but arithmetic."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.digest.spending import ChatUsage
from pipeline.digest.text import extracted, messages, tidied
from pipeline.embedding.address import key_header, without_query
from pipeline.embedding.vectors import MAX_COUNT
from pipeline.errors import EmbeddingRejectedError, SummariserUnavailableError

if TYPE_CHECKING:
    from openai import OpenAI

MAX_ANSWER_TOKENS = 1_000
_BAD_INPUT = frozenset({400, 413, 422})
_REFUSED = frozenset({401, 402, 403, 404})
"""Key, budget, model or address: waiting does not mend it."""


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
            raise SummariserUnavailableError(
                f"the chat API answered {error.status_code}", refused=error.status_code in _REFUSED
            ) from None
        except (openai.OpenAIError, ValueError, RecursionError) as error:
            raise SummariserUnavailableError(f"the chat API gave no answer: {type(error).__name__}") from None
        self.usage = self.usage.plus(_used(answer))
        try:
            return tidied(_said(answer))
        except (AttributeError, LookupError, TypeError) as error:
            raise SummariserUnavailableError(
                f"the chat API's answer has another shape: {type(error).__name__}"
            ) from None


def _used(answer: object) -> ChatUsage:
    """Return what an answer counts, whatever answered: a count that cannot be one is none."""
    usage = getattr(answer, "usage", None)
    counts = (getattr(usage, name, 0) for name in ("prompt_tokens", "completion_tokens"))
    return ChatUsage(0, *(count if type(count) is int and 0 <= count < MAX_COUNT else 0 for count in counts))


def _said(answer: Any) -> str:  # noqa: ANN401  # whatever a gateway sent with 200: a page, an error, nothing
    content = answer.choices[0].message.content
    if content is not None and not isinstance(content, str):
        raise TypeError
    return content or ""
