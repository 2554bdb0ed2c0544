"""What a store brings along: everything that depends on which one it is. Each store has one; nothing else asks its name."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.aws import Account
from pipeline.settings import EmbeddingSettings, Settings
from pipeline.stores.inventory import Inventory
from pipeline.stores.protocol import Store
from pipeline.stores.usage import UsageBook, UsageLedger


@dataclass(frozen=True, slots=True)
class StandbyCopy:
    """The way from one embedding space to the other one, while there are two.

    Args:
        between: reads what the other one lacks and puts it there.
        target: describes the one that lacks.
        to_active: whether that is the one that answers.
    """

    between: Any  # the port is that of :class:`pipeline.ingest.standby_filler.Filler`
    target: EmbeddingSettings
    to_active: bool


@dataclass(frozen=True, slots=True)
class Swept:
    """What one run of a sweep did.

    Args:
        removed: documents deleted.
        finished: whether nothing is left to look at before the next pass; else the next run goes on.
    """

    removed: int
    finished: bool


class Backend(ABC):
    """Makes the parts that a store has of its own. What is not abstract holds for a store of one space without a database.

    Args:
        settings: of this process.
        account: gives clients, credentials and secrets.
    """

    def __init__(self, settings: Settings, account: Account) -> None:
        self.settings, self.account = settings, account

    @abstractmethod
    def store(self) -> Store:
        """Return the store, in the active space."""

    @abstractmethod
    def usage_ledger(
        self, model: str, dollars_per_million_tokens: float | None, cap: int | None = None
    ) -> UsageLedger:
        """Return what counts the tokens asked of a model."""

    @abstractmethod
    def usage_book(self) -> UsageBook:
        """Return what reads the counts of all tenants.

        Raises:
            SettingsError: the database role sees no tenant.
        """

    @abstractmethod
    def inventory(self) -> Inventory:
        """Return what reads the index as it lies there.

        Raises:
            SettingsError: the database role sees no tenant.
        """

    def sweep(self, seconds_left: Callable[[], float]) -> Swept:  # noqa: ARG002  # nothing is left behind
        """Delete what the index holds and the ledger does not list, as far as the time that is left goes.

        Raises:
            StoreUnavailableError: the index or the ledger is away; the next run goes on where this one came to.
        """
        return Swept(0, finished=True)

    def check_login(self) -> None:
        """Return if what the store is reached with can be read; connects to nothing.

        Raises:
            SecretUnavailableError: a secret cannot be read, or does not hold what it should.
        """
        return

    @property
    def is_located(self) -> bool:
        """Whether a command is told where the index is."""
        return True

    def quick_usage_book(self) -> UsageBook | None:
        """Return what reads the counts of all tenants where that costs little; ``None`` where they would be scanned."""
        return None

    def use_of_questions(self, ledger: UsageLedger) -> UsageLedger:
        """Return what counts use with the question that it belongs to, where that is one round trip less."""
        return ledger

    def end_of_question(self) -> None:
        """Forget what was to go along with a question that was not asked in the end."""
        return

    @property
    def following(self) -> EmbeddingSettings | None:
        """The space to go over to; ``None`` unless the store holds two and another one is set."""
        return None

    def active(self) -> EmbeddingSettings:
        """Return the settings of the active space."""
        return self.settings.embedding

    def switched(self, max_age_seconds: float | None) -> bool:  # noqa: ARG002  # there is one space
        """Tell whether the index was switched to another space since it was last asked.

        Args:
            max_age_seconds: of an answer that still does; ``None`` is what a question may be late.
        """
        return False

    def copies(self) -> Sequence[StandbyCopy]:
        """Return the ways that keep two spaces in step, from the active one first; none where one of them is not known."""
        return ()
