"""Logging in to RDS, Aurora or RDS Proxy with the role of the function: a signed token in the place of a password.

Signing asks nobody, so it costs no round trip; the database checks the signature. It holds for 15 minutes, for logging in
only: a connection that stands goes on. RDS lets some 200 new tokens in a second, and any number of logins with one that
it knows, so a token is used again for a while.
docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html
"""

import re
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import urlencode

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from psycopg.conninfo import make_conninfo

from pipeline.database_settings import DatabaseSettings
from pipeline.errors import SettingsError
from pipeline.stores.pgvector.tls import roots_of

VALID_SECONDS = 900
"""How long a token may be used, by AWS's word."""
KEPT_SECONDS = 600.0
"""How long it is used here: the rest is for clocks that differ and connections that take their time."""
PORT = 5432
_REGION = re.compile(
    r"\.(?:([a-z]{2}(?:-[a-z]+)+-\d+)\.rds|rds\.([a-z]{2}(?:-[a-z]+)+-\d+))\.amazonaws\.com(?:\.cn)?$"
)


class Credentials(Protocol):
    """What botocore's credentials can do: give access key, secret and session token that belong together."""

    def get_frozen_credentials(self) -> Any:  # noqa: ANN401  # botocore's own
        """Return them, renewed if need be."""


class IamLogin:
    """Makes connection strings with tokens.

    Args:
        settings: with host and user.
        credentials: whose, asked anew for each token.
        region: where the host does not say it.
        clock: epoch seconds; goes on while a function is frozen.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        credentials: Callable[[], Credentials | None],
        region: str | None,
        clock: Callable[[], float],
    ) -> None:
        self._host, self._port, self._user = settings.host or "", settings.port or PORT, settings.user or ""
        self._database, self._roots = settings.name or "postgres", settings.root_certificate
        self._region = region_of(self._host) or region
        self._credentials, self._clock = credentials, clock
        self._token, self._signed_at = "", float("-inf")

    def conninfo(self) -> str:
        """Return how to connect, with a token that is young enough. TLS is always verified: the token goes over it as it is."""
        if self._clock() - self._signed_at >= KEPT_SECONDS:
            self._signed_at, self._token = self._clock(), self._sign()
        return make_conninfo(
            host=self._host,
            port=self._port,
            user=self._user,
            dbname=self._database,
            password=self._token,
            sslmode="verify-full",
            sslrootcert=self._roots or roots_of(self._host),
        )

    def renewed(self) -> str:
        """Return how to connect, with a token made anew: the last one was refused."""
        self._signed_at = float("-inf")
        return self.conninfo()

    def _sign(self) -> str:
        found = self._credentials()
        if found is None or not self._region:
            raise SettingsError(
                "DATABASE_AUTHENTICATION=iam needs AWS credentials and a region: set AWS_REGION, or name the endpoint in full"
            )
        query = urlencode({"Action": "connect", "DBUser": self._user})
        request = AWSRequest("GET", f"https://{self._host}:{self._port}/?{query}")
        SigV4QueryAuth(
            found.get_frozen_credentials(), "rds-db", self._region, expires=VALID_SECONDS
        ).add_auth(request)
        return str(request.url).removeprefix("https://")


def region_of(host: str) -> str | None:
    """Return the region that an endpoint's name tells."""
    found = _REGION.search(host)
    return (found[1] or found[2]) if found else None
