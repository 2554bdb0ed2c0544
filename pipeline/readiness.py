"""What is wrong with a function's settings, before its first request. Pure.

Lambda runs the same check before it publishes a version (:mod:`pipeline.handlers.snapshot`), and ``scripts/deploy`` before it asks
CloudFormation for anything.
"""

from collections.abc import Callable, Iterator, Mapping

from pipeline.errors import SettingsError
from pipeline.identity import read_grants
from pipeline.settings import EmbeddingSettings, Settings
from pipeline.source.redaction import read_redactor
from pipeline.source.times import zone_named
from pipeline.store_settings import LOGINS

MAX_DIMENSIONS: Mapping[str, int] = {
    "text-embedding-3-small": 1_536,
    "text-embedding-3-large": 3_072,
    "text-embedding-ada-002": 1_536,
}
"""OpenAI's models shorten vectors to any length up to their own: https://platform.openai.com/docs/guides/embeddings."""
COMES_IN: Mapping[str, frozenset[int]] = {
    "text-embedding-ada-002": frozenset({1_536}),
    "amazon.titan-embed-text-v2": frozenset({256, 512, 1_024}),
    "amazon.titan-embed-text-v1": frozenset({1_536}),
    "cohere.embed": frozenset({1_024}),
}
"""Models that come in these lengths only."""
NEEDS: Mapping[str, tuple[str, ...]] = {
    "stream": ("queue_url", "message_key_secret_arn"),
    "ingest": ("queue_url", "dead_letter_queue_url", "message_key_secret_arn"),
    "query": ("queue_url",),
    "digest": ("message_key_secret_arn",),
}
"""Function → settings that it cannot do without, whatever the store."""
SEARCHES = frozenset({"ingest", "query", "digest"})
EMBEDS = frozenset({"ingest", "query"})
PARSES = frozenset({"stream", "ingest", "digest"})
"""Functions that read items: they need a time zone, and know which secrets to take out."""


def problems(function: str, environment: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the variables of ``function`` (``stream``, ``ingest``, ``query``, ``digest``); nothing is best."""
    try:
        settings = Settings.from_environment(environment)
    except SettingsError as error:
        return [str(error)]
    found = _missing(function, settings), _spaces(function, settings), _read_later(function, settings)
    return [problem for problems_ in found for problem in problems_]


def unpriced(function: str, environment: Mapping[str, str]) -> list[str]:
    """Return the prices that nobody gives and no list has: what ``function`` spends at them counts as nothing.

    Raises:
        SettingsError: a variable does not parse.
    """
    settings = Settings.from_environment(environment)
    told = (
        "is not set and {} is in no price list: what it costs is not counted, and its spend alarm never rings"
    )
    return [
        f"{name} {told.format(model)}" for name, model, price in _prices(function, settings) if price is None
    ]


def _prices(function: str, settings: Settings) -> Iterator[tuple[str, str, float | None]]:
    """Yield variable, model and price of each model that ``function`` pays for."""
    if function in EMBEDS:
        for which, chosen in (("", settings.embedding), ("NEXT_", settings.next_embedding)):
            if chosen:
                price = chosen.dollars_per_million_tokens
                yield f"{which}EMBEDDING_DOLLARS_PER_MILLION_TOKENS", chosen.model, price
    if function == "digest" and settings.digest.provider == "openai":
        chat = settings.digest
        yield "DIGEST_DOLLARS_PER_MILLION_INPUT_TOKENS", chat.model, chat.input_dollars
        yield "DIGEST_DOLLARS_PER_MILLION_OUTPUT_TOKENS", chat.model, chat.output_dollars


def _missing(function: str, settings: Settings) -> Iterator[str]:
    needed = [*NEEDS.get(function, ())]
    needed += LOGINS[settings.store.name] if function in SEARCHES and not settings.database_url else ()
    asks = {"ingest": settings.embedding.provider, "digest": settings.digest.provider}
    needed += ["openai_secret_arn"] if asks.get(function) == "openai" else []
    yield from (f"{name.upper()} is not set" for name in needed if not getattr(settings, name))


def _spaces(function: str, settings: Settings) -> Iterator[str]:
    if function not in EMBEDS:
        return
    yield from space_problems(settings.embedding, "")
    if settings.next_embedding:
        yield from space_problems(settings.next_embedding, "NEXT_")


def space_problems(chosen: EmbeddingSettings, which: str) -> Iterator[str]:
    """Yield what is wrong with a model and its dimensions, where the model is known."""
    most = MAX_DIMENSIONS.get(chosen.model)
    only = next((many for name, many in COMES_IN.items() if chosen.model.startswith(name)), None)
    if most is not None and chosen.dimensions > most:
        yield f"{which}EMBEDDING_DIMENSIONS must be {most} at most for {chosen.model}"
    if only is not None and chosen.dimensions not in only:
        yield f"{which}EMBEDDING_DIMENSIONS must be {', '.join(map(str, sorted(only)))} for {chosen.model}"
    if chosen.provider == "openai" and chosen.model.startswith(("amazon.", "cohere.")):
        yield f"{which}EMBEDDING_MODEL {chosen.model} is Bedrock's: {which}EMBEDDING_PROVIDER must be bedrock"
    if chosen.provider == "bedrock" and chosen.model.startswith("text-embedding-"):
        yield f"{which}EMBEDDING_MODEL {chosen.model} is OpenAI's: {which}EMBEDDING_PROVIDER must be openai"


def _read_later(function: str, settings: Settings) -> Iterator[str]:
    """Yield what is wrong with settings that a function reads when their part is made."""
    reads: list[Callable[[], object]] = [lambda: read_grants(settings.trusted_callers)]
    if function in PARSES:
        reads += [lambda: zone_named(settings.time_zone), lambda: read_redactor(settings.redact)]
    for read in reads:
        try:
            read()
        except SettingsError as error:
            yield str(error)
