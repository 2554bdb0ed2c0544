"""Tells a role that sees no tenant, to which every table of the index looks empty."""

from pipeline.errors import SettingsError
from pipeline.stores.pgvector.connection import Connector

_BLIND = """
SELECT row_security_active('ledger') AND NOT pg_has_role(current_user, 'memory_operations', 'USAGE')
"""


def check_sight(connector: Connector) -> None:
    """Return if the role sees every tenant.

    Raises:
        SettingsError: it sees none, and all would seem empty.
    """
    if connector.read(lambda connection: connection.execute(_BLIND).fetchall()) == [(True,)]:
        raise SettingsError(
            "this database role sees no tenant's memories: have it GRANTed memory_operations, or connect as one that does"
        )
