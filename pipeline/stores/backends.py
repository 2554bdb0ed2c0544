"""Which backend a store's name means; imports only the one that is asked for."""

from collections.abc import Callable, Mapping

from pipeline.aws import Account
from pipeline.settings import Settings
from pipeline.store_settings import StoreName
from pipeline.stores.backend import Backend

Make = Callable[[Settings, Account], Backend]


def backend_of(settings: Settings, account: Account) -> Backend:
    """Return the backend of the configured store."""
    return BACKENDS[settings.store.name](settings, account)


def _pgvector(settings: Settings, account: Account) -> Backend:
    from pipeline.stores.pgvector.backend import PgVectorBackend  # noqa: PLC0415  # the stream function has no driver

    return PgVectorBackend(settings, account)


def _dynamodb(settings: Settings, account: Account) -> Backend:
    from pipeline.stores.dynamodb.backend import DynamoDbBackend  # noqa: PLC0415  # not needed otherwise

    return DynamoDbBackend(settings, account)


def _opensearch(settings: Settings, account: Account) -> Backend:
    from pipeline.stores.opensearch.backend import OpenSearchBackend  # noqa: PLC0415  # not needed otherwise

    return OpenSearchBackend(settings, account)


BACKENDS: Mapping[StoreName, Make] = {
    "pgvector": _pgvector,
    "dynamodb": _dynamodb,
    "opensearch": _opensearch,
}
