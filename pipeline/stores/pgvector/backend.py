"""Postgres: one connection a process, and two embedding spaces while the index goes over to another model."""

import time
from collections.abc import Sequence
from functools import cached_property

from pipeline.aws import Account
from pipeline.embedding.providers import space_of
from pipeline.settings import EmbeddingSettings, Settings
from pipeline.stores.backend import Backend, StandbyCopy
from pipeline.stores.inventory import Inventory
from pipeline.stores.pgvector.connection import Connector, Limits
from pipeline.stores.pgvector.inventory import Inventory as PgInventory
from pipeline.stores.pgvector.login import Login
from pipeline.stores.pgvector.sight import check_sight
from pipeline.stores.pgvector.space_copy import SpaceCopy
from pipeline.stores.pgvector.spaces import NOTICE_SECONDS, SpaceWatch
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.pgvector.usage import PgUsageBook, PgUsageLedger, UseAlong
from pipeline.stores.protocol import Store
from pipeline.stores.usage import UsageBook, UsageLedger


class PgVectorBackend(Backend):
    """Connects when a part is first asked for something."""

    def __init__(self, settings: Settings, account: Account) -> None:
        super().__init__(settings, account)
        self.login = Login(settings, account)

    @cached_property
    def connector(self) -> Connector:
        """What hands out this process's connection."""
        return self._connector_within(self.settings.database.statement_seconds)

    @cached_property
    def operators_connector(self) -> Connector:
        """What hands out a connection for reading all there is, however long it takes."""
        return self._connector_within(None)

    def _connector_within(self, statement_seconds: int | None) -> Connector:
        return Connector(self.login.conninfo, Limits(statement_seconds), self.login.renewed)

    @cached_property
    def spaces(self) -> SpaceWatch:
        """What tells which space is active."""
        return SpaceWatch(self.connector, time.time)

    def store(self) -> Store:
        """Return the store, in the active space."""
        return PgVectorStore(self.connector, space_of(self.active()), self.settings.search_strategy)

    def usage_ledger(
        self, model: str, dollars_per_million_tokens: float | None, cap: int | None = None
    ) -> UsageLedger:
        """Return what counts over this process's connection."""
        return PgUsageLedger(self.connector, model, dollars_per_million_tokens, cap)

    def usage_book(self) -> UsageBook:
        """Return what reads the counts over the operators' connection."""
        return PgUsageBook(self._seeing_connector())

    def inventory(self) -> Inventory:
        """Return what reads the tables over the operators' connection."""
        return PgInventory(self._seeing_connector())

    def _seeing_connector(self) -> Connector:
        """Return the operators' connector; to a role that sees no tenant everything would look missing, or unused."""
        check_sight(self.operators_connector)
        return self.operators_connector

    def check_login(self) -> None:
        """Return if there is a connection string."""
        self.login.conninfo()

    @property
    def is_located(self) -> bool:
        """Whether variable or secret are set."""
        return bool(self.settings.database_url or self.settings.database_secret_arn)

    def quick_usage_book(self) -> UsageBook | None:
        """Return what reads the counts, if it is said where they are."""
        return self.usage_book() if self.is_located else None

    def use_of_questions(self, ledger: UsageLedger) -> UsageLedger:
        """Return what sends the count along with the question's own statements."""
        return UseAlong(ledger) if isinstance(ledger, PgUsageLedger) else ledger

    def end_of_question(self) -> None:
        """Forget what was to go along."""
        if "connector" in vars(self):
            self.connector.drop_along()

    @property
    def following(self) -> EmbeddingSettings | None:
        """The space to go over to."""
        return self.settings.next_embedding

    def active(self) -> EmbeddingSettings:
        """Return the settings of the active space; where only one is configured nothing is asked."""
        if self.following is None:
            return self.settings.embedding
        active = self.spaces.register.active
        switched = active and active.space == space_of(self.following)
        return self.following if switched else self.settings.embedding

    def switched(self, max_age_seconds: float | None) -> bool:
        """Look; where only one space is configured nothing is asked."""
        if self.following is None:
            return False
        return self.spaces.changed(NOTICE_SECONDS if max_age_seconds is None else max_age_seconds)

    def copies(self) -> Sequence[StandbyCopy]:
        """Return the ways there and back."""
        if self.following is None:
            return ()
        known = {space_of(one): one for one in (self.settings.embedding, self.following)}
        active, standby = self.spaces.register.active, self.spaces.register.standby
        if not (active and standby and {active.space, standby.space} <= known.keys()):
            return ()
        return [
            StandbyCopy(SpaceCopy(self.connector, here, there), known[there.space], there.active)
            for here, there in ((active, standby), (standby, active))
        ]
