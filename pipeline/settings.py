"""Settings, read once from the environment; the only place that knows variable names. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast, get_args

from pipeline.database_settings import Authentication, DatabaseSettings
from pipeline.errors import NotSetError, SettingsError
from pipeline.prices import CHAT, EMBEDDING_DOLLARS_PER_MILLION_TOKENS
from pipeline.store_settings import Generation, StoreName, StoreSettings
from pipeline.variables import Variables, safe_base_url

Retention = Literal["keep", "forget"]
Provider = Literal["openai", "bedrock", "offline"]
Summariser = Literal["openai", "extractive"]
Strategy = Literal["auto", "exact", "bq", "hnsw"]

DEFAULT_ATTRIBUTE_NAMES: Mapping[str, str] = {
    "tenant_id": "tenant_id",
    "session_key": "session_key",
    "pk": "pk",
    "sk": "sk",
    "user_id": "user_id",
    "messages": "messages",
    "content": "content",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "ttl": "ttl",
}


@dataclass(frozen=True, slots=True)
class EmbeddingSettings:
    """Which space vectors live in and who makes them.

    Args:
        provider: ``openai`` (or any API that speaks its embeddings call), ``bedrock`` or ``offline``.
        model: the provider's model name.
        dimensions: length of a vector.
        base_url: API root, https or loopback only; a query (Azure's ``api-version``) is sent with every request.
        timeout_seconds: per request.
        max_attempts: tries inside one invocation; after that the notice is retried.
        dollars_per_million_tokens: the model's price; ``None`` if nobody knows it.
        daily_token_cap: what a tenant may have embedded a day, where it has no cap of its own; ``None`` is no cap.
    """

    provider: Provider = "openai"
    model: str = "text-embedding-3-small"
    dimensions: int = 1536
    base_url: str = "https://api.openai.com/v1"
    timeout_seconds: float = 20.0
    max_attempts: int = 3
    dollars_per_million_tokens: float | None = EMBEDDING_DOLLARS_PER_MILLION_TOKENS["text-embedding-3-small"]
    daily_token_cap: int | None = None


@dataclass(frozen=True, slots=True)
class DigestSettings:
    """Daily summaries.

    Args:
        provider: ``openai`` (or any API that speaks its chat call) or ``extractive``, which needs nothing.
        tables: those that hold notes.
        time_zone: where a user's notes name none.
        catch_up_days: how far back missed days are made up for.
        excluded_tenants: want no summaries.
        input_dollars: for a million tokens that the model reads; ``None`` if nobody knows.
        output_dollars: for a million tokens that it writes.
    """

    provider: Summariser = "extractive"
    model: str = "gpt-5.4-nano"
    tables: tuple[str, ...] = ()
    time_zone: str = "Asia/Tokyo"
    catch_up_days: int = 7
    excluded_tenants: frozenset[str] = frozenset()
    input_dollars: float | None = CHAT["gpt-5.4-nano"].read.dollars
    output_dollars: float | None = CHAT["gpt-5.4-nano"].written.dollars


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of all functions; each function needs only some of them.

    Args:
        embedding: the active space, unless the index has been switched to the next one.
        next_embedding: the space that the index is being, or has been, embedded in anew.
        attribute_names: our name for a DynamoDB attribute → the table's own name.
        time_zone: of times in messages that name none, and of the dates that are shown; by default the digest's.
        redact: which secrets are taken out of texts: ``secrets`` (all), ``off``, or a list, see
            :mod:`pipeline.source.redaction`.
        excluded_roles: message roles that are not indexed.
        on_clear: what happens to the messages of a session that is emptied.
        on_expiry: what happens to the messages of an item that DynamoDB's TTL removes.
        max_chunk_tokens: budget of a chunk, header included, in (estimated) tokens; at worst a token is a byte and an
            estimated one four, and an embedding input takes 8,192.
        search_strategy: how Postgres is searched, see :mod:`pipeline.stores.pgvector.strategies`.
        min_confidence: what a search is less sure of is left out, 0..1; see ``docs/search.md``.
        max_retry_delay_seconds: longest pause before a retried notice is looked at again.
        trusted_callers: JSON, see :func:`pipeline.identity.read_grants`: who may ask over the function's URL, and for whom.
        jwt_tenant_claim: claim of the HTTP API's tokens that names the tenant; unset keeps that entrance closed.
        jwt_user_claim: the same for the user.
        jwt_any_user_scope: a token with this scope may ask for every user of its tenant.
        max_notice_age_seconds: age at which a retried notice goes to the dead-letter queue.
        audit_file: where ``vector-memory audit`` keeps what it counted, for whoever shows it; unset, it keeps nothing.
    """

    queue_url: str | None = None
    dead_letter_queue_url: str | None = None
    stream_failure_queue_url: str | None = None
    database_secret_arn: str | None = None
    database_url: str | None = None
    message_key_secret_arn: str | None = None
    openai_secret_arn: str | None = None
    embedding: EmbeddingSettings = field(default_factory=EmbeddingSettings)
    next_embedding: EmbeddingSettings | None = None
    digest: DigestSettings = field(default_factory=DigestSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    attribute_names: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_ATTRIBUTE_NAMES))
    time_zone: str = "Asia/Tokyo"
    redact: str = "secrets"
    excluded_roles: frozenset[str] = frozenset({"system", "tool"})
    on_clear: Retention = "keep"
    on_expiry: Retention = "keep"
    max_chunk_tokens: int = 256
    search_strategy: Strategy = "auto"
    min_confidence: float = 0.46
    max_retry_delay_seconds: float = 300.0
    max_notice_age_seconds: float = 7 * 86400.0
    trusted_callers: str | None = None
    jwt_tenant_claim: str | None = None
    jwt_user_claim: str = "sub"
    jwt_any_user_scope: str | None = None
    audit_file: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read settings.

        Raises:
            SettingsError: a variable does not parse; the message names it and what is allowed.
        """
        read = Variables(environment)
        return cls(
            queue_url=read.optional("QUEUE_URL"),
            dead_letter_queue_url=read.optional("DEAD_LETTER_QUEUE_URL"),
            stream_failure_queue_url=read.optional("STREAM_FAILURE_QUEUE_URL"),
            database_secret_arn=read.optional("DATABASE_SECRET_ARN"),
            database_url=read.optional("DATABASE_URL"),
            message_key_secret_arn=read.optional("MESSAGE_KEY_SECRET_ARN"),
            openai_secret_arn=read.optional("OPENAI_SECRET_ARN"),
            embedding=_embedding(read, ""),
            next_embedding=_embedding(read, "NEXT_") if read.optional("NEXT_EMBEDDING_MODEL") else None,
            digest=_digest(read),
            store=_store(read),
            database=_database(read),
            attribute_names=_attribute_names(read),
            time_zone=read.optional("TIME_ZONE") or _digest(read).time_zone,
            redact=read.optional("REDACT") or "secrets",
            excluded_roles=read.names("EXCLUDED_ROLES", ("system", "tool")),
            on_clear=_retention(read, "ON_CLEAR"),
            on_expiry=_retention(read, "ON_EXPIRY"),
            max_chunk_tokens=read.integer("MAX_CHUNK_TOKENS", 256, low=64, high=2048),
            search_strategy=cast("Strategy", read.choice("SEARCH_STRATEGY", get_args(Strategy), "auto")),
            min_confidence=read.share("MIN_CONFIDENCE", 0.46),
            max_retry_delay_seconds=read.integer("MAX_RETRY_DELAY_SECONDS", 300, low=1, high=900),
            max_notice_age_seconds=read.integer("MAX_NOTICE_AGE_SECONDS", 7 * 86400, low=60, high=13 * 86400),
            trusted_callers=read.optional("TRUSTED_CALLERS"),
            jwt_tenant_claim=read.optional("JWT_TENANT_CLAIM"),
            jwt_user_claim=read.optional("JWT_USER_CLAIM") or "sub",
            jwt_any_user_scope=read.optional("JWT_ANY_USER_SCOPE"),
            audit_file=read.optional("AUDIT_FILE"),
        )

    def require(self, name: str) -> str:
        """Return the setting called ``name``.

        Raises:
            NotSetError: it is not set.
        """
        value = getattr(self, name)
        if not value:
            raise NotSetError(f"{name.upper()} is not set, and is needed (see template.yaml)")
        return str(value)


_USUAL: Mapping[str, tuple[str, int]] = {
    "openai": ("text-embedding-3-small", 1536),
    "bedrock": ("amazon.titan-embed-text-v2:0", 1024),
    "offline": ("universal-sentence-encoder-multilingual-3", 512),
}


def _embedding(read: Variables, which: str) -> EmbeddingSettings:
    defaults = EmbeddingSettings()
    provider = read.choice(f"{which}EMBEDDING_PROVIDER", get_args(Provider), defaults.provider)
    usual_model, usual_dimensions = _USUAL[provider]
    model = read.optional(f"{which}EMBEDDING_MODEL") or usual_model
    listed = EMBEDDING_DOLLARS_PER_MILLION_TOKENS.get(model)
    return EmbeddingSettings(
        provider=cast("Provider", provider),
        model=model,
        dollars_per_million_tokens=read.price(f"{which}EMBEDDING_DOLLARS_PER_MILLION_TOKENS", listed),
        daily_token_cap=read.integer("DAILY_TOKEN_CAP", 0, low=0, high=10**12) or None,
        dimensions=read.integer(f"{which}EMBEDDING_DIMENSIONS", usual_dimensions, low=8, high=2000),
        base_url=safe_base_url(read.optional("OPENAI_BASE_URL") or defaults.base_url),
        timeout_seconds=read.integer("EMBEDDING_TIMEOUT_SECONDS", 20, low=1, high=60),
        max_attempts=read.integer("EMBEDDING_MAX_ATTEMPTS", 3, low=1, high=6),
    )


def _digest(read: Variables) -> DigestSettings:
    defaults = DigestSettings()
    provider = read.choice("DIGEST_PROVIDER", get_args(Summariser), defaults.provider)
    named = (read.optional("DIGEST_MEMORY_TABLE"), read.optional("DIGEST_CONFIG_TABLE"))
    model = read.optional("DIGEST_MODEL") or defaults.model
    listed = CHAT.get(model)
    return DigestSettings(
        provider=cast("Summariser", provider),
        model=model,
        input_dollars=read.price(
            "DIGEST_DOLLARS_PER_MILLION_INPUT_TOKENS", listed.read.dollars if listed else None
        ),
        output_dollars=read.price(
            "DIGEST_DOLLARS_PER_MILLION_OUTPUT_TOKENS", listed.written.dollars if listed else None
        ),
        tables=tuple(name for name in named if name),
        time_zone=read.optional("DIGEST_TIME_ZONE") or defaults.time_zone,
        catch_up_days=read.integer("DIGEST_CATCH_UP_DAYS", defaults.catch_up_days, low=1, high=366),
        excluded_tenants=read.names("DIGEST_EXCLUDED_TENANTS", ()),
    )


def _store(read: Variables) -> StoreSettings:
    defaults = StoreSettings()
    name, names = read.optional("STORE") or defaults.name, get_args(StoreName)
    if name not in names:
        raise SettingsError(f"STORE must be {', '.join(names[:-1])} or {names[-1]}")
    generation = read.choice("OPENSEARCH_GENERATION", get_args(Generation), defaults.generation)
    endpoint = read.optional("OPENSEARCH_ENDPOINT")
    return StoreSettings(
        cast("StoreName", name),
        read.optional("LEDGER_TABLE"),
        read.optional("VECTOR_TABLE"),
        safe_base_url(endpoint, "OPENSEARCH_ENDPOINT") if endpoint else None,
        cast("Generation", generation),
        read.optional("OPENSEARCH_INDEX") or defaults.index,
    )


def _database(read: Variables) -> DatabaseSettings:
    authentication = read.choice("DATABASE_AUTHENTICATION", get_args(Authentication), "password")
    return DatabaseSettings(
        host=read.optional("DATABASE_HOST"),
        port=(read.integer("DATABASE_PORT", 0, low=0, high=65535) or None)
        if read.optional("DATABASE_HOST")
        else None,
        name=read.optional("DATABASE_NAME"),
        user=read.optional("DATABASE_USER"),
        authentication=cast("Authentication", authentication),
        root_certificate=read.optional("DATABASE_SSLROOTCERT"),
        statement_seconds=read.integer("DATABASE_STATEMENT_SECONDS", 20, low=1, high=300),
    )


def _attribute_names(read: Variables) -> Mapping[str, str]:
    raw = read.optional("ATTRIBUTE_NAMES")
    if raw is None:
        return dict(DEFAULT_ATTRIBUTE_NAMES)
    try:
        given = json.loads(raw)
    except ValueError:
        given = None
    known = ", ".join(DEFAULT_ATTRIBUTE_NAMES)
    if not isinstance(given, dict) or not given.keys() <= DEFAULT_ATTRIBUTE_NAMES.keys():
        raise SettingsError(f"ATTRIBUTE_NAMES must be a JSON object whose keys are among: {known}")
    if not all(isinstance(name, str) and name for name in given.values()):
        raise SettingsError("ATTRIBUTE_NAMES must map each name to a non-empty string")
    return {**DEFAULT_ATTRIBUTE_NAMES, **given}


def _retention(read: Variables, name: str) -> Retention:
    return cast("Retention", read.choice(name, get_args(Retention), "keep"))
