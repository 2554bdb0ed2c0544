"""Which connection string this process logs in with: a variable, a token of its role, or what secret and settings make."""

import time
from collections.abc import Callable
from functools import cached_property

from pipeline.aws import Account
from pipeline.settings import Settings
from pipeline.stores.pgvector.address import checked, conninfo_of
from pipeline.stores.pgvector.iam import IamLogin


class Login:
    """Gives connection strings.

    Args:
        settings: name the variable, the secret or the role's user.
        account: gives secret and credentials.
    """

    def __init__(self, settings: Settings, account: Account) -> None:
        self._settings, self._account = settings, account

    def conninfo(self) -> str:
        """Return how to connect; a secret is read anew.

        Raises:
            SettingsError: nothing says how, or DATABASE_URL is no connection string.
            SecretUnavailableError: the secret cannot be read, or holds no connection.
        """
        if self._settings.database_url:
            return checked(self._settings.database_url, "DATABASE_URL")
        if self._with_token:
            return self._iam.conninfo()
        secret = self._account.read_secret(self._settings.require("database_secret_arn"))
        return conninfo_of(secret, self._settings.database)

    @property
    def renewed(self) -> Callable[[], str]:
        """What to ask when a login was refused: it makes a new token, or reads the secret again."""
        return self._iam.renewed if self._with_token else self.conninfo

    @property
    def _with_token(self) -> bool:
        return self._settings.database.authentication == "iam" and not self._settings.database_url

    @cached_property
    def _iam(self) -> IamLogin:
        session = self._account.session()
        chosen = self._settings.database.for_iam()
        return IamLogin(chosen, session.get_credentials, session.region_name, time.time)
