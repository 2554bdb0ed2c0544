"""To a role that sees no tenant every table looks empty: it is told so, and nothing is said to be missing or unused."""

from collections.abc import Callable

import pytest

from pipeline import bootstrap
from pipeline.errors import SettingsError
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.sight import check_sight

pytestmark = pytest.mark.integration
Database = Callable[..., str]


@pytest.mark.parametrize("role", ["memory_ingest", "memory_query"])
def test_a_role_of_the_functions_sees_no_tenant(database: Database, role: str) -> None:
    conninfo = database(role)
    with pytest.raises(SettingsError, match="sees no tenant"):
        check_sight(Connector(lambda: conninfo))


@pytest.mark.parametrize("role", ["memory_operations", None])
def test_an_operator_and_the_owner_see_all(database: Database, role: str | None) -> None:
    conninfo = database(role)
    check_sight(Connector(lambda: conninfo))


def test_neither_inventory_nor_book_is_opened_for_a_role_that_sees_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database("memory_ingest"))
    bootstrap.read_from(None)
    try:
        backend = bootstrap.container().backend
        for opened in (backend.inventory, backend.usage_book):
            with pytest.raises(SettingsError, match="memory_operations"):
                opened()
    finally:
        bootstrap.read_from(None)
