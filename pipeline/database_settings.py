"""Where Postgres is and how to log in, where a secret does not say it all."""

from dataclasses import dataclass
from typing import Literal

from pipeline.errors import SettingsError

Authentication = Literal["password", "iam"]


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """What is set in addition to the secret, or in its place.

    Args:
        host: of the database, or of the proxy in front of it; goes before the secret's.
        port: goes before the secret's.
        name: of the database; goes before the secret's.
        user: to log in as with IAM; with a password the secret names it.
        authentication: ``password`` takes user and password from the secret; ``iam`` needs no secret.
        root_certificate: a path, or a certificate as PEM, where the server's authority is not one of those we bring.
        statement_seconds: how long one statement may take; must fit the function's timeout twice.
    """

    host: str | None = None
    port: int | None = None
    name: str | None = None
    user: str | None = None
    authentication: Authentication = "password"
    root_certificate: str | None = None
    statement_seconds: int = 20

    def for_iam(self) -> "DatabaseSettings":
        """Return itself if it says all that IAM needs.

        Raises:
            SettingsError: the message names what lacks.
        """
        lacking = [f"DATABASE_{name.upper()}" for name in ("host", "user") if not getattr(self, name)]
        if lacking:
            raise SettingsError(
                f"{' and '.join(lacking)} not set; DATABASE_AUTHENTICATION=iam needs it (see docs/databases.md)"
            )
        return self
