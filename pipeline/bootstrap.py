"""Wires collaborators from the environment: the only place that does. Each is made once a process, when first used."""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from pipeline.digest.service import Digest
from pipeline.digest.spending import ChatMeter
from pipeline.digest.summarisers import ChatSummariser, ExtractiveSummariser, Summariser
from pipeline.digest.tables import NoteTables
from pipeline.embedding.questions import question_vectors
from pipeline.embedding.vectors import Embedder, EmbeddingSpace, Usage, Vector
from pipeline.errors import EmbeddingNotConfiguredError, SecretUnavailableError, SettingsError
from pipeline.identity import CallerAuthenticator, read_grants
from pipeline.ingest.announce import Announcer
from pipeline.ingest.chunking import Chunker
from pipeline.ingest.fit_to_model import fitting
from pipeline.ingest.forget_executor import ForgetExecutor
from pipeline.ingest.queue import NoticeQueue
from pipeline.ingest.reconcile import Reconciler
from pipeline.ingest.splitting import split_markdown
from pipeline.ingest.standby_filler import Filler
from pipeline.readiness import problems
from pipeline.search.freshness import FreshnessGate
from pipeline.search.memory_search import MemorySearch
from pipeline.settings import EmbeddingSettings, Settings
from pipeline.source.documents import EntryHasher
from pipeline.source.layouts import Layouts
from pipeline.source.redaction import read_redactor
from pipeline.source.table import SourceTable
from pipeline.source.times import zone_named
from pipeline.source.transitions import TransitionReader
from pipeline.stores.inventory import Inventory
from pipeline.stores.opening import LedgerBacked
from pipeline.stores.protocol import Store
from pipeline.stores.usage import Meter, UsageBook, UsageLedger

if TYPE_CHECKING:
    from types import ModuleType

    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

    from pipeline.stores.pgvector.opening import Connector, IamLogin, Register, RegisteredSpace, SpaceWatch

AWS_CONFIG = Config(connect_timeout=2, read_timeout=8, retries={"mode": "standard", "max_attempts": 3})
MIN_MESSAGE_KEY_CHARACTERS = 16
SECRET_PAUSES_SECONDS = (2.0, 4.0, 8.0, 16.0)
"""Between tries to read a secret before a version is published: IAM is eventually consistent."""


@cache
def settings() -> Settings:
    """Return the settings of this process."""
    return Settings.from_environment(os.environ)


@cache
def sqs_client() -> "SQSClient":
    """Return a client of SQS."""
    return boto3.client("sqs", config=AWS_CONFIG)


@cache
def cloudformation_client() -> "CloudFormationClient":
    """Return a client of CloudFormation."""
    return boto3.client("cloudformation", config=AWS_CONFIG)


@cache
def stream_client() -> Any:  # noqa: ANN401  # its stubs are not among ours
    """Return a client of DynamoDB Streams."""
    make: Any = boto3.client
    return make("dynamodbstreams", config=AWS_CONFIG)


@cache
def notice_queue() -> NoticeQueue:
    """Return the queue that notices go to."""
    return NoticeQueue(sqs_client(), settings().require("queue_url"), settings().dead_letter_queue_url)


@cache
def addresses() -> Layouts:
    """Return layouts that tell what a key addresses; they need no secret, and their entries' names match nobody's."""
    return _layouts(b"")


@cache
def layouts() -> Layouts:
    """Return layouts that parse items."""
    key = read_secret(settings().require("message_key_secret_arn"))
    if len(key) < MIN_MESSAGE_KEY_CHARACTERS:
        raise SecretUnavailableError(
            f"the message key must have at least {MIN_MESSAGE_KEY_CHARACTERS} characters"
        )
    return _layouts(key.encode()[:64])


def _layouts(key: bytes) -> Layouts:
    chosen = settings()
    zone, redactor = zone_named(chosen.time_zone), read_redactor(chosen.redact)
    return Layouts(chosen.attribute_names, EntryHasher(key), zone, redactor)


@cache
def announcer() -> Announcer:
    """Return what turns changes into notices."""
    chosen = settings()
    return Announcer(layouts(), TransitionReader(chosen.on_clear, chosen.on_expiry, chosen.excluded_roles))


def _postgres() -> "ModuleType":
    """Return what opens Postgres; the stream function, which has no driver, never asks for it."""
    from pipeline.stores.pgvector import opening  # noqa: PLC0415  # see above

    return opening


@cache
def space_watch() -> "SpaceWatch":
    """Return what tells which space is active."""
    made: SpaceWatch = _postgres().SpaceWatch(connector(), time.time)
    return made


def look_for_switch(max_age_seconds: float | None = None) -> None:
    """Go over to another space if the index was switched to it; where only one is configured nothing is asked."""
    if following_space() and space_watch().changed(
        _postgres().NOTICE_SECONDS if max_age_seconds is None else max_age_seconds
    ):
        for made in (
            reconciler,
            memory_search,
            freshness_gate,
            forget_executor,
            fillers,
            digest,
            chunker,
            usage_ledger,
            store,
        ):
            made.cache_clear()
        embedder.cache_clear()


def following_space() -> EmbeddingSettings | None:
    """Return the settings of the space to go over to; only Postgres holds two."""
    return settings().next_embedding if settings().store.name == "pgvector" else None


def embedding() -> EmbeddingSettings:
    """Return the settings of the active space."""
    chosen, following = settings().embedding, following_space()
    if following is None:
        return chosen
    active = space_watch().register.active
    return following if active and active.space == space_of(following) else chosen


def space_of(chosen: EmbeddingSettings) -> EmbeddingSpace:
    """Return the space that settings describe."""
    return EmbeddingSpace(chosen.model, chosen.dimensions)


@cache
def fillers() -> Sequence[Filler]:
    """Return what keeps both spaces in step, the active one to the other first; nothing where one of them is not known."""
    following = following_space()
    if not following:
        return ()
    register: Register = space_watch().register
    known = {space_of(one): one for one in (settings().embedding, following)}
    active, standby = register.active, register.standby
    if not (active and standby and {active.space, standby.space} <= known.keys()):
        return ()
    return [
        _filler(here, there, known[there.space]) for here, there in ((active, standby), (standby, active))
    ]


def _filler(here: "RegisteredSpace", there: "RegisteredSpace", chosen: EmbeddingSettings) -> Filler:
    made = embedder() if there.active else embedder_of(chosen)
    meter = Meter(usage_ledger_of(chosen))
    return Filler(_postgres().SpaceCopy(connector(), here, there), made, chunker_of(chosen), meter)


@cache
def embedder() -> Embedder:
    """Return the embedder of the active space."""
    return embedder_of(embedding())


def embedder_of(chosen: EmbeddingSettings) -> Embedder:
    """Return the embedder that settings describe."""
    if chosen.provider == "offline":
        from pipeline.embedding.offline import OfflineEmbedder  # noqa: PLC0415  # an extra

        return _of_space(OfflineEmbedder(), space_of(chosen))
    if chosen.provider == "bedrock":
        from pipeline.embedding.bedrock import BedrockEmbedder  # noqa: PLC0415  # not needed elsewhere

        return BedrockEmbedder(chosen, bedrock_client(chosen.timeout_seconds), time.sleep)
    from pipeline.embedding.openai import OpenAIEmbedder  # noqa: PLC0415  # not needed offline

    secret = settings().openai_secret_arn
    if not secret:
        raise EmbeddingNotConfiguredError("OPENAI_SECRET_ARN is not set; EMBEDDING_PROVIDER openai needs it")
    return OpenAIEmbedder(chosen, lambda: _api_key(read_secret(secret)), time.sleep)


def standby_usage() -> tuple[int, int, float]:
    """Return requests, tokens and dollars asked for the standby space so far in this process."""
    if not fillers.cache_info().currsize or not fillers():
        return 0, 0, 0.0
    filler = fillers()[0]
    used, chosen = filler.embedder.usage, settings().next_embedding
    other = chosen if chosen and space_of(chosen) == filler.chunker.space else settings().embedding
    return used.requests, used.tokens, (other.dollars_per_million_tokens or 0.0) * used.tokens / 1_000_000


def bedrock_client(timeout_seconds: float) -> Any:  # noqa: ANN401  # its stubs are not among ours
    """Return a client of Bedrock's runtime; the embedder does the retrying."""
    make: Any = boto3.client
    config = Config(
        connect_timeout=2, read_timeout=timeout_seconds, retries={"mode": "standard", "total_max_attempts": 1}
    )
    return make("bedrock-runtime", config=config)


def embedding_usage() -> tuple[int, int]:
    """Return requests and tokens asked of the active space's embedder so far in this process."""
    if not embedder.cache_info().currsize:
        return 0, 0
    return embedder().usage.requests, embedder().usage.tokens


def shortened_questions() -> int:
    """Return how many questions were embedded from their beginning and end only so far in this process."""
    return embedder().usage.shortened if embedder.cache_info().currsize else 0


@cache
def store() -> Store:
    """Return the configured store, in the active space."""
    if settings().store.name != "pgvector":
        return ledger_backed().store()
    made: Store = _postgres().PgVectorStore(connector(), space_of(embedding()), settings().search_strategy)
    return made


def searched() -> Mapping[str, int]:
    """Return how many searches this process's store answered so far, by strategy."""
    return dict(store().searched) if store.cache_info().currsize else {}


@cache
def ledger_backed() -> LedgerBacked:
    """Return what opens a store that keeps its ledger in DynamoDB."""
    return LedgerBacked(
        settings(), lambda: boto3.client("dynamodb", config=AWS_CONFIG), _collection_credentials
    )


def sweep() -> int:
    """Delete what the configured store's index holds and its ledger does not list; return how many."""
    return 0 if settings().store.name == "pgvector" else ledger_backed().sweep()


def inventory() -> Inventory:
    """Return what reads the configured store as it lies there.

    Raises:
        SettingsError: the database role sees no tenant.
    """
    if settings().store.name != "pgvector":
        return ledger_backed().inventory()
    made: Inventory = _postgres().PgInventory(_seeing_connector())
    return made


def _collection_credentials() -> tuple[str, Any]:
    session = boto3.Session()
    return session.region_name or "us-east-1", session.get_credentials()


@cache
def connector() -> "Connector":
    """Return what hands out this process's connection."""
    return connector_within(settings().database.statement_seconds)


@cache
def operators_connector() -> "Connector":
    """Return what hands out a connection for reading all there is, however long it takes."""
    return connector_within(None)


def connector_within(statement_seconds: float | None) -> "Connector":
    """Return what hands out a connection whose statements may run for so long; ``None`` sets no limit."""
    postgres = _postgres()
    with_token = settings().database.authentication == "iam" and not settings().database_url
    limits = postgres.Limits(statement_seconds)
    made: Connector = postgres.Connector(conninfo, limits, iam_login().renewed if with_token else conninfo)
    return made


@cache
def iam_login() -> "IamLogin":
    """Return what logs in with the role of this process."""
    session = boto3.Session()
    login = _postgres().IamLogin
    made: IamLogin = login(
        settings().database.for_iam(), session.get_credentials, session.region_name, time.time
    )
    return made


@cache
def usage_ledger() -> UsageLedger:
    """Return what counts the tokens asked of the embedder."""
    return usage_ledger_of(embedding())


def usage_book() -> UsageBook:
    """Return what reads the counts of all tenants.

    Raises:
        SettingsError: the database role sees no tenant.
    """
    if settings().store.name != "pgvector":
        return ledger_backed().usage_book()
    made: UsageBook = _postgres().PgUsageBook(_seeing_connector())
    return made


def _seeing_connector() -> "Connector":
    """Return the operators' connector; to a role that sees no tenant everything would look missing, or unused."""
    made = operators_connector()
    _postgres().check_sight(made)
    return made


def usage_ledger_of(chosen: EmbeddingSettings) -> UsageLedger:
    """Return what counts the tokens asked of the embedder that settings describe."""
    return _ledger_of(chosen.model, chosen.dollars_per_million_tokens, chosen.daily_token_cap)


def _ledger_of(model: str, dollars_per_million_tokens: float | None, cap: int | None = None) -> UsageLedger:
    if settings().store.name != "pgvector":
        return ledger_backed().usage(model, dollars_per_million_tokens, cap)
    made: UsageLedger = _postgres().PgUsageLedger(connector(), model, dollars_per_million_tokens, cap)
    return made


@cache
def chunker() -> Chunker:
    """Return what cuts documents into chunks."""
    return chunker_of(embedding())


def chunker_of(chosen: EmbeddingSettings) -> Chunker:
    """Return what cuts documents into chunks of the space that settings describe."""
    space = space_of(chosen)
    return Chunker(settings().excluded_roles, settings().max_chunk_tokens, fitting(split_markdown), space)


@cache
def reconciler() -> Reconciler:
    """Return what makes the index match items."""
    client: DynamoDBClient = boto3.client("dynamodb", config=AWS_CONFIG)
    parts = layouts(), SourceTable(client), chunker(), embedder(), store(), time.sleep
    return Reconciler(*parts, Meter(usage_ledger()))


def full_reconciler() -> Reconciler:
    """Return what tells how the index ought to be: it needs no embedding provider, and writes nothing."""
    client: DynamoDBClient = boto3.client("dynamodb", config=AWS_CONFIG)
    parts = layouts(), SourceTable(client), chunker(), _EmbedderWhenAsked(), store(), time.sleep
    return Reconciler(*parts)


@cache
def memory_search() -> MemorySearch:
    """Return what answers questions; its embedder is made when a question is embedded."""
    return MemorySearch(
        _EmbedderWhenAsked(), store(), Meter(_use_of_questions()), min_confidence=settings().min_confidence
    )


def _use_of_questions() -> UsageLedger:
    """Return what counts use with the question that it belongs to, where that is one round trip less."""
    ledger = usage_ledger()
    if settings().store.name != "pgvector" or not isinstance(ledger, _postgres().PgUsageLedger):
        return ledger
    made: UsageLedger = _postgres().UseAlong(ledger)
    return made


def end_of_question() -> None:
    """Forget what was to go along with a question that was not asked in the end."""
    if settings().store.name == "pgvector" and connector.cache_info().currsize:
        connector().drop_along()


@cache
def freshness_gate() -> FreshnessGate:
    """Return what tells how fresh an answer is."""
    return FreshnessGate(store(), time.sleep)


@cache
def authenticator() -> CallerAuthenticator:
    """Return who may ask the query function over HTTP."""
    chosen = settings()
    grants = read_grants(chosen.trusted_callers)
    return CallerAuthenticator(
        grants, chosen.jwt_tenant_claim, chosen.jwt_user_claim, chosen.jwt_any_user_scope
    )


@cache
def forget_executor() -> ForgetExecutor:
    """Return what carries out requests to forget."""
    return ForgetExecutor(store(), reconciler(), layouts(), notice_queue())


def check_deployment(sleep: Callable[[float], None] = time.sleep) -> None:
    """Return if the query function's settings hold and its secrets can be read and are of the right form.

    Run before a version is published, so that one that could answer nothing is not. A role that was just made may be refused for
    some seconds, so secrets are tried again for half a minute. Keeps nothing of them.

    Raises:
        SettingsError: settings are wrong; the message names all of them.
        SecretUnavailableError: a secret cannot be read, or does not hold what it should.
    """
    if found := problems("query", os.environ):
        raise SettingsError("; ".join(found))
    for pause in SECRET_PAUSES_SECONDS:
        try:
            return _check_secrets()
        except SecretUnavailableError:
            sleep(pause)
    return _check_secrets()


def _check_secrets() -> None:
    if settings().store.name == "pgvector":
        conninfo()
    if settings().embedding.provider == "openai" and settings().openai_secret_arn:
        _api_key(read_secret(settings().require("openai_secret_arn")))


def warm() -> None:
    """Import and wire what a question needs; connects to nothing and reads no secret.

    Raises:
        SettingsError: a setting is wrong, which so shows when a version is published.
    """
    authenticator()
    from aws_lambda_powertools.utilities import parameters  # noqa: F401, PLC0415, RUF100

    if settings().embedding.provider == "openai":
        import urllib3  # noqa: F401, PLC0415, RUF100
    if settings().store.name == "pgvector":
        _postgres()
    if following_space():
        return  # which space is active is for the database to say
    memory_search()
    freshness_gate()


def forget_collaborators() -> None:
    """Make everything anew when next used: a connection or client of a snapshot belongs to another machine."""
    for made in (
        memory_search,
        freshness_gate,
        usage_ledger,
        store,
        ledger_backed,
        space_watch,
        connector,
        operators_connector,
        iam_login,
        embedder,
    ):
        made.cache_clear()


class _EmbedderWhenAsked:
    """The configured embedder, made at its first question: notes and related sessions may do without."""

    @property
    def space(self) -> EmbeddingSpace:
        return embedder().space

    @property
    def usage(self) -> Usage:
        return embedder().usage

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        return question_vectors(embedder(), texts)


@cache
def digest() -> Digest:
    """Return what summarises days."""
    client: DynamoDBClient = boto3.client("dynamodb", config=AWS_CONFIG)
    chosen, summariser = settings().digest, summariser_of_days()
    return Digest(
        NoteTables(client),
        layouts(),
        summariser,
        store(),
        _chat_meter(summariser.name),
        chosen.tables,
        chosen.time_zone,
        chosen.catch_up_days,
        chosen.excluded_tenants,
    )


def _chat_meter(model: str) -> ChatMeter:
    read, written = settings().digest.input_dollars, settings().digest.output_dollars
    meters = Meter(_ledger_of(f"{model} input", read)), Meter(_ledger_of(f"{model} output", written))
    return ChatMeter(*meters, read or 0.0, written or 0.0)


def summariser_of_days() -> Summariser:
    """Return the configured summariser."""
    chosen = settings().digest
    if chosen.provider == "extractive":
        return ExtractiveSummariser()
    secret = settings().require("openai_secret_arn")
    return ChatSummariser(chosen.model, settings().embedding.base_url, lambda: _api_key(read_secret(secret)))


def conninfo() -> str:
    """Return the connection string: DATABASE_URL, one with a token of this role, or what secret and settings make."""
    if settings().database_url:
        return settings().require("database_url")
    if settings().database.authentication == "iam":
        return iam_login().conninfo()
    secret = read_secret(settings().require("database_secret_arn"))
    return str(_postgres().conninfo_of(secret, settings().database))


def read_secret(arn: str) -> str:
    """Return a secret's text, read anew.

    Raises:
        SecretUnavailableError: Secrets Manager did not give it.
    """
    from aws_lambda_powertools.utilities.parameters import SecretsProvider  # noqa: PLC0415  # cold paths only
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError  # noqa: PLC0415  # the same

    try:
        provider = SecretsProvider(boto3_client=boto3.client("secretsmanager", config=AWS_CONFIG))
        value: Any = provider.get(arn, force_fetch=True)
    except GetParameterError:
        raise SecretUnavailableError(
            "a secret could not be read: check its ARN and the function's role"
        ) from None
    if not isinstance(value, str):
        raise SecretUnavailableError("a secret must be text")
    return value


def _api_key(secret: str) -> str:
    fields = _json_object(secret)
    key = secret.strip() if fields is None else fields.get("api_key")
    if not isinstance(key, str) or not key:
        raise SecretUnavailableError("the OpenAI secret must be the key itself, or JSON with api_key")
    return key


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _of_space(made: Embedder, space: EmbeddingSpace) -> Embedder:
    if made.space != space:
        raise SettingsError(
            f"the offline embedder makes {made.space.model} in {made.space.dimensions} dimensions only"
        )
    return made
