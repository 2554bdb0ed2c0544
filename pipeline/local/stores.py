"""What each store needs on this machine: what is started for it, and how its rows are read."""

import json
import os
import secrets
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
from botocore.credentials import Credentials
from psycopg import sql

from pipeline.aws import Account
from pipeline.embedding.providers import space_of
from pipeline.local import compose, opensearch_node
from pipeline.local.aws import REGION
from pipeline.local.compose import ComposePostgres
from pipeline.local.inspection import Row
from pipeline.local.opensearch_server import ACCESS_KEY, SECRET_KEY, OpenSearchServer
from pipeline.local.postgres import Postgres
from pipeline.settings import EmbeddingSettings, Settings
from pipeline.store_settings import StoreName, StoreSettings
from pipeline.stores.backends import backend_of
from pipeline.stores.inventory import Inventory
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.inventory import Inventory as PgInventory
from pipeline.stores.pgvector.migrations import migrate

ROLES = {"local_ingest": "memory_ingest", "local_query": "memory_query"}
OPENSEARCH_REFRESH_SECONDS = 0.2
"""The service takes 10 or 60; a demo should not."""
_ROWS = "SELECT tenant_id, user_id, metadata->>'key', content FROM memories WHERE source IS NOT NULL"

Client = Callable[[str], Any]
"""Makes a boto3 client of the local AWS."""
Outputs = Mapping[str, str]
"""Of the stack that was deployed there."""


class LocalStore(ABC):
    """A store on this machine.

    Args:
        embedding: describes the space.
    """

    started_with = ""

    def __init__(self, embedding: EmbeddingSettings) -> None:
        self.embedding = embedding

    def start(self, make_secret: Callable[[str, str], str]) -> Mapping[str, str]:  # noqa: ARG002  # nothing to start
        """Start it; return the template parameters that name it.

        Args:
            make_secret: takes a name and a text; returns the ARN.
        """
        return {}

    def stop(self) -> None:
        """Stop what was started; calling it again does nothing."""
        return

    def aws_environment(self) -> Mapping[str, str]:
        """Return what else a program needs to reach AWS."""
        return {}

    def environment(self) -> Mapping[str, str]:
        """Return what else an operator's command needs."""
        return {}

    @abstractmethod
    def inventory(self, client: Client, outputs: Outputs) -> Inventory:
        """Return what reads the index as it lies there, across tenants."""

    def rows(self, client: Client, outputs: Outputs) -> Sequence[Row]:
        """Return every stored chunk, as the audit reads them."""
        found = self.inventory(client, outputs).everything()
        return [Row(one.tenant_id, one.user_id, one.session_key, one.content) for one in found]


class LocalPgVector(LocalStore):
    """Postgres.

    Args:
        names: makes the names of logins and databases different from those of other stacks.
    """

    started_with = "Postgres and "

    def __init__(self, embedding: EmbeddingSettings, folder: Path, names: str) -> None:
        super().__init__(embedding)
        self._in_docker, self._names = compose.PORT in os.environ, names
        self.server = ComposePostgres(f"stack_{names}") if self._in_docker else Postgres(folder / "postgres")

    def start(self, make_secret: Callable[[str, str], str]) -> Mapping[str, str]:
        """Start it, make its schema, and a login for each kind of function."""
        self.server.start()
        migrate(self.server.conninfo(), space_of(self.embedding))
        arns = {group: make_secret(*self._login(name, group)) for name, group in ROLES.items()}
        return {
            "IngestDatabaseSecretArn": arns["memory_ingest"],
            "QueryDatabaseSecretArn": arns["memory_query"],
        }

    def stop(self) -> None:
        """Stop it, if nobody else uses it."""
        if not self._in_docker:
            self.server.stop(signal.SIGQUIT)  # nobody will read the data again

    def rows(self, client: Client, outputs: Outputs) -> Sequence[Row]:  # noqa: ARG002  # neither is of AWS
        """Return every stored chunk, as the database's owner sees them."""
        with psycopg.connect(self.server.conninfo()) as connection:
            return [Row(*row) for row in connection.execute(_ROWS)]

    def inventory(self, client: Client, outputs: Outputs) -> Inventory:  # noqa: ARG002  # neither is of AWS
        """Return what reads the tables."""
        return PgInventory(Connector(self.server.conninfo))

    def environment(self) -> Mapping[str, str]:
        """Make a login as an operator's ought to be: it sees every tenant and may do what ingest does."""
        name = f"operator_{self._names}" if self._in_docker else "operator"
        password = secrets.token_hex(8)
        self._make_role(name, password, ("memory_operations", "memory_ingest"))
        where = psycopg.conninfo.conninfo_to_dict(self.server.conninfo(name, password))
        return {
            "DATABASE_URL": f"postgresql://{name}:{password}@{where['host']}:{where['port']}/{where['dbname']}"
        }

    def _login(self, name: str, group: str) -> tuple[str, str]:
        """Make a login of functions; return its name, and its secret's text."""
        login, password = f"{name}_{self._names}", secrets.token_hex(16)
        self._make_role(login, password, (group,))
        return login, json.dumps({"url": self.server.conninfo_of_functions(login, password)})

    def _make_role(self, name: str, password: str, groups: Sequence[str]) -> None:
        with psycopg.connect(self.server.conninfo(), autocommit=True) as owner:
            owner.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE {}").format(
                    sql.Identifier(name),
                    sql.Literal(password),
                    sql.SQL(", ").join(map(sql.Identifier, groups)),
                )
            )


class LocalDynamoDb(LocalStore):
    """Tables of the local AWS, which the template makes."""

    def settings(self, outputs: Outputs) -> StoreSettings:
        """Return where it is."""
        return StoreSettings("dynamodb", outputs["LedgerTableName"], outputs["VectorTableName"])

    def inventory(self, client: Client, outputs: Outputs) -> Inventory:
        """Return what reads the tables."""
        settings = Settings(embedding=self.embedding, store=self.settings(outputs))
        return backend_of(settings, _LocalAccount(client)).inventory()


class LocalOpenSearch(LocalDynamoDb):
    """A collection, with ledgers in a table.

    Args:
        really: whether a real OpenSearch stands behind the local one's rules, instead of a stand-in.
    """

    def __init__(self, embedding: EmbeddingSettings, *, really: bool | None) -> None:
        super().__init__(embedding)
        self._really = opensearch_node.ready() if really is None else really
        self._exits, self._endpoint = ExitStack(), ""
        real = f"OpenSearch {opensearch_node.VERSION} and "
        self.started_with = real if self._really else "OpenSearch's stand-in, "

    def start(self, make_secret: Callable[[str, str], str]) -> Mapping[str, str]:  # noqa: ARG002  # it takes signatures
        """Start the collection."""
        node = self._exits.enter_context(opensearch_node.running()) if self._really else None
        local = OpenSearchServer("classic", OPENSEARCH_REFRESH_SECONDS, sessions=True, node=node)
        self._endpoint = self._exits.enter_context(local).endpoint
        return {"OpenSearchEndpoint": self._endpoint}

    def stop(self) -> None:
        """Stop the collection."""
        self._exits.close()

    def aws_environment(self) -> Mapping[str, str]:
        """Return a session's token: it lets in whoever signs with one."""
        return {"AWS_SESSION_TOKEN": "local"}  # any value does

    def settings(self, outputs: Outputs) -> StoreSettings:
        """Return where it is."""
        return StoreSettings("opensearch", outputs["LedgerTableName"], endpoint=self._endpoint or None)


class _LocalAccount(Account):
    """The local AWS."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def client(self, service: str) -> Any:
        return self._client(service)

    def signer(self) -> tuple[str, Any]:
        return REGION, Credentials(ACCESS_KEY, SECRET_KEY)


def local_store(
    name: StoreName, embedding: EmbeddingSettings, folder: Path, names: str, *, really: bool | None
) -> LocalStore:
    """Return the store of that name, not started yet.

    Args:
        really: whether OpenSearch is a real one; ``None`` is if it is here.
    """
    made: Mapping[StoreName, Callable[[], LocalStore]] = {
        "pgvector": lambda: LocalPgVector(embedding, folder, names),
        "dynamodb": lambda: LocalDynamoDb(embedding),
        "opensearch": lambda: LocalOpenSearch(embedding, really=really),
    }
    return made[name]()
