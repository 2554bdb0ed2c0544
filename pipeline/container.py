"""Wires collaborators from settings: the only place that does."""

import time
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Self

from pipeline.aws import Account
from pipeline.digest.service import Digest
from pipeline.digest.spending import ChatMeter
from pipeline.digest.summarisers import ChatSummariser, ExtractiveSummariser, Summariser
from pipeline.digest.tables import NoteTables
from pipeline.embedding.providers import embedder_of, space_of
from pipeline.embedding.questions import question_vectors
from pipeline.embedding.vectors import Embedder, EmbeddingSpace, Usage, Vector
from pipeline.identity import CallerAuthenticator, read_grants
from pipeline.ingest.announce import Announcer
from pipeline.ingest.chunking import Chunker
from pipeline.ingest.fit_to_model import fitting
from pipeline.ingest.forget_executor import ForgetExecutor
from pipeline.ingest.queue import NoticeQueue
from pipeline.ingest.reconcile import Reconciler
from pipeline.ingest.splitting import split_markdown
from pipeline.ingest.standby_filler import Filler
from pipeline.search.freshness import FreshnessGate
from pipeline.search.memory_search import MemorySearch
from pipeline.secret_texts import api_key_of, message_key_of
from pipeline.settings import EmbeddingSettings, Settings
from pipeline.source.documents import EntryHasher
from pipeline.source.layouts import Layouts
from pipeline.source.redaction import read_redactor
from pipeline.source.table import SourceTable
from pipeline.source.times import zone_named
from pipeline.source.transitions import TransitionReader
from pipeline.stores.backend import Backend, StandbyCopy
from pipeline.stores.backends import backend_of
from pipeline.stores.protocol import Store
from pipeline.stores.usage import Meter, UsageLedger

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class Container:
    """Has every part that functions and commands are made of; each is made once, when it is first asked for.

    What must not outlast something (a snapshot, a switch to another space) is not reset one by one: a new container takes
    this one's place.

    Args:
        settings: what to make.
        account: gives clients, credentials and secrets; default: that of this process.
        backend: of the store; default: the one that the settings name.
    """

    def __init__(
        self, settings: Settings, account: Account | None = None, backend: Backend | None = None
    ) -> None:
        self.settings, self.account = settings, account or Account()
        if backend is not None:
            self.backend = backend

    def followed(self, max_age_seconds: float | None = None) -> Self:
        """Return itself; if the index was switched to another space, one for that space, over the same connection.

        Args:
            max_age_seconds: how long ago it may have been looked; ``None`` is what a question may be late.
        """
        if not self.backend.switched(max_age_seconds):
            return self
        return type(self)(self.settings, self.account, self.backend)

    @cached_property
    def backend(self) -> Backend:
        """What the store brings along."""
        return backend_of(self.settings, self.account)

    @cached_property
    def sqs_client(self) -> "SQSClient":
        """A client of SQS."""
        made: SQSClient = self.account.client("sqs")
        return made

    @cached_property
    def notice_queue(self) -> NoticeQueue:
        """The queue that notices go to."""
        return NoticeQueue(
            self.sqs_client, self.settings.require("queue_url"), self.settings.dead_letter_queue_url
        )

    @cached_property
    def source_table(self) -> SourceTable:
        """What reads the chat app's tables."""
        return SourceTable(self.account.client("dynamodb"))

    @cached_property
    def addresses(self) -> Layouts:
        """Layouts that tell what a key addresses; they need no secret, and their entries' names match nobody's."""
        return self._layouts(b"")

    @cached_property
    def layouts(self) -> Layouts:
        """Layouts that parse items."""
        secret = self.account.read_secret(self.settings.require("message_key_secret_arn"))
        return self._layouts(message_key_of(secret))

    def _layouts(self, key: bytes) -> Layouts:
        chosen = self.settings
        zone, redactor = zone_named(chosen.time_zone), read_redactor(chosen.redact)
        return Layouts(chosen.attribute_names, EntryHasher(key), zone, redactor)

    @cached_property
    def announcer(self) -> Announcer:
        """What turns changes into notices."""
        chosen = self.settings
        reader = TransitionReader(chosen.on_clear, chosen.on_expiry, chosen.excluded_roles)
        return Announcer(self.layouts, reader)

    @cached_property
    def embedding(self) -> EmbeddingSettings:
        """Settings of the active space."""
        return self.backend.active()

    @cached_property
    def embedder(self) -> Embedder:
        """The embedder of the active space."""
        return self.embedder_of(self.embedding)

    def embedder_of(self, chosen: EmbeddingSettings) -> Embedder:
        """Return the embedder that settings describe."""
        return embedder_of(chosen, self.account, self.settings.openai_secret_arn)

    def embedding_usage(self) -> Usage:
        """Return what was asked of the active space's embedder so far."""
        return self.embedder.usage if "embedder" in vars(self) else Usage()

    def standby_usage(self) -> tuple[int, int, float]:
        """Return requests, tokens and dollars asked for the standby space so far."""
        if "fillers" not in vars(self) or not self.fillers:
            return 0, 0, 0.0
        filler = self.fillers[0]
        used, chosen = filler.embedder.usage, self.settings.next_embedding
        other = chosen if chosen and space_of(chosen) == filler.chunker.space else self.settings.embedding
        dollars = (other.dollars_per_million_tokens or 0.0) * used.tokens / 1_000_000
        return used.requests, used.tokens, dollars

    @cached_property
    def chunker(self) -> Chunker:
        """What cuts documents into chunks of the active space."""
        return self._chunker_of(self.embedding)

    def _chunker_of(self, chosen: EmbeddingSettings) -> Chunker:
        settings, splitter = self.settings, fitting(split_markdown)
        return Chunker(settings.excluded_roles, settings.max_chunk_tokens, splitter, space_of(chosen))

    @cached_property
    def store(self) -> Store:
        """The store, in the active space."""
        return self.backend.store()

    @cached_property
    def usage_ledger(self) -> UsageLedger:
        """What counts the tokens asked of the active space's embedder."""
        return self._usage_ledger_of(self.embedding)

    def _usage_ledger_of(self, chosen: EmbeddingSettings) -> UsageLedger:
        return self.backend.usage_ledger(
            chosen.model, chosen.dollars_per_million_tokens, chosen.daily_token_cap
        )

    @cached_property
    def fillers(self) -> Sequence[Filler]:
        """What keeps two spaces in step, the active one to the other first; nothing where there is one."""
        return [self._filler(copy) for copy in self.backend.copies()]

    def _filler(self, copy: StandbyCopy) -> Filler:
        embedder = self.embedder if copy.to_active else self.embedder_of(copy.target)
        meter = Meter(self._usage_ledger_of(copy.target))
        return Filler(copy.between, embedder, self._chunker_of(copy.target), meter)

    @cached_property
    def reconciler(self) -> Reconciler:
        """What makes the index match items."""
        parts = self.layouts, self.source_table, self.chunker, self.embedder, self.store, time.sleep
        return Reconciler(*parts, Meter(self.usage_ledger))

    def full_reconciler(self) -> Reconciler:
        """Return what tells how the index ought to be: it needs no embedding provider, and writes nothing."""
        parts = self.layouts, self.source_table, self.chunker, _EmbedderWhenAsked(self), self.store
        return Reconciler(*parts, time.sleep)

    @cached_property
    def memory_search(self) -> MemorySearch:
        """What answers questions; its embedder is made when a question is embedded."""
        meter = Meter(self.backend.use_of_questions(self.usage_ledger))
        least = self.settings.min_confidence
        return MemorySearch(_EmbedderWhenAsked(self), self.store, meter, min_confidence=least)

    @cached_property
    def freshness_gate(self) -> FreshnessGate:
        """What tells how fresh an answer is."""
        return FreshnessGate(self.store, time.sleep)

    @cached_property
    def authenticator(self) -> CallerAuthenticator:
        """Who may ask the query function over HTTP."""
        chosen = self.settings
        grants = read_grants(chosen.trusted_callers)
        return CallerAuthenticator(
            grants, chosen.jwt_tenant_claim, chosen.jwt_user_claim, chosen.jwt_any_user_scope
        )

    @cached_property
    def forget_executor(self) -> ForgetExecutor:
        """What carries out requests to forget."""
        return ForgetExecutor(self.store, self.reconciler, self.layouts, self.notice_queue)

    @cached_property
    def digest(self) -> Digest:
        """What summarises days."""
        chosen, summariser = self.settings.digest, self.summariser()
        return Digest(
            NoteTables(self.account.client("dynamodb")),
            self.layouts,
            summariser,
            self.store,
            self._chat_meter(summariser.name),
            chosen.tables,
            chosen.time_zone,
            chosen.catch_up_days,
            chosen.excluded_tenants,
        )

    def _chat_meter(self, model: str) -> ChatMeter:
        read, written = self.settings.digest.input_dollars, self.settings.digest.output_dollars
        ledger = self.backend.usage_ledger
        meters = Meter(ledger(f"{model} input", read)), Meter(ledger(f"{model} output", written))
        return ChatMeter(*meters, read or 0.0, written or 0.0)

    def summariser(self) -> Summariser:
        """Return the configured summariser of days; its key is read when it first asks."""
        chosen = self.settings.digest
        if chosen.provider == "extractive":
            return ExtractiveSummariser()
        secret = self.settings.require("openai_secret_arn")
        address = self.settings.embedding.base_url
        return ChatSummariser(chosen.model, address, lambda: api_key_of(self.account.read_secret(secret)))


class _EmbedderWhenAsked:
    """The configured embedder, made at its first question: notes and related sessions may do without."""

    def __init__(self, container: Container) -> None:
        self._container = container

    @property
    def space(self) -> EmbeddingSpace:
        return self._container.embedder.space

    @property
    def usage(self) -> Usage:
        return self._container.embedder.usage

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        return question_vectors(self._container.embedder, texts)
