"""Who may do what, read from the catalogue of a database as Supabase makes it, and compared with the one table."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from support.chunks import FACTS, NOBODYS, key_of, mid, put, row
from support.pgbouncer import PgBouncer, require_pgbouncer
from support.supabase import API_ROLES, OWNER, supabase
from support.words import SPACE

from pipeline.embedding.vectors import EmbeddingSpace, float32
from pipeline.errors import SettingsError
from pipeline.local.postgres import Postgres
from pipeline.operations.migrate.run import run_migrate
from pipeline.stores.chunks import Chunk
from pipeline.stores.forget_requests import ForgetRequest
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.cutover import make_standby
from pipeline.stores.pgvector.migrations import migrate
from pipeline.stores.pgvector.privileges import OBJECTS, OF_A_SPACE, ROLES
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.search_requests import SearchRequest

pytestmark = pytest.mark.integration
Everyone = ("public", *API_ROLES, *ROLES, OWNER)
VECTOR = float32([1.0] + [0.0] * 15)
ITEM = '["sessions", "acme", "chat:1"]'
CHUNK = Chunk(str(UUID(int=1)), "mika", "tea in Uji", ("m",), "f", None, {"key": "chat:1"})
TABLE_PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN")
SEQUENCE_PRIVILEGES = ("USAGE", "SELECT", "UPDATE")
_numbers = count(1)
# Whatever is in our schemas and not an extension's.
_OURS = """
SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, relnamespace::regnamespace::text, relname::text, c.oid::int8
FROM pg_class c WHERE relnamespace = ANY(%(schemas)s::regnamespace[]) AND relkind IN ('r', 'p', 'v', 'm', 'S')
UNION ALL
SELECT 'FUNCTION', pronamespace::regnamespace::text, proname::text, p.oid::int8 FROM pg_proc p
WHERE pronamespace = ANY(%(schemas)s::regnamespace[]) AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
ORDER BY 1 DESC, 2, 3
"""
Owner = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def owner(postgres: Postgres) -> Iterator[str]:
    name = f"supabase_{next(_numbers)}"
    yield supabase(postgres.conninfo(), name)
    with psycopg.connect(postgres.conninfo(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def migrated(owner: str) -> str:
    migrate(owner, SPACE)
    return owner


@pytest.fixture
def login(owner: str) -> Callable[[str], str]:
    def made(role: str) -> str:
        name = f"app_{role}_{next(_numbers)}"
        with psycopg.connect(owner, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'secret' IN ROLE {role}")
        return make_conninfo(owner, user=name)

    return made


def held(connection: Owner, role: str, kind: str, oid: object) -> frozenset[str]:
    """Return what a role may do with an object, by Postgres's own answer: membership and PUBLIC included."""
    if kind == "FUNCTION":
        rows = connection.execute(
            "SELECT has_function_privilege(%s, %s::oid, 'EXECUTE')", [role, oid]
        ).fetchall()
        return frozenset({"EXECUTE"}) if rows[0][0] else frozenset()
    way, known = ("sequence", SEQUENCE_PRIVILEGES) if kind == "SEQUENCE" else ("table", TABLE_PRIVILEGES)
    whole = frozenset(
        privilege
        for privilege in known
        if connection.execute(
            f"SELECT has_{way}_privilege(%s, %s::oid, %s)", [role, oid, privilege]
        ).fetchall()[0][0]
    )
    if kind == "SEQUENCE":
        return whole
    columns = connection.execute(
        "SELECT p, string_agg(attname, ', ' ORDER BY attname) FROM pg_attribute, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) p "
        "WHERE attrelid = %s::oid AND attnum > 0 AND NOT attisdropped AND has_column_privilege(%s, attrelid, attnum, p) GROUP BY p",
        [oid, role],
    ).fetchall()
    return whole | {f"{privilege} ({names})" for privilege, names in columns if privilege not in whole}


def listed(kind: str, name: str, role: str) -> frozenset[str]:
    """Return what the table says, spelled as :func:`held` spells it."""
    if role == OWNER:
        everything = {"FUNCTION": ("EXECUTE",), "SEQUENCE": SEQUENCE_PRIVILEGES, "TABLE": TABLE_PRIVILEGES}
        return frozenset(everything[kind])
    given = OBJECTS[kind][name].get(role)
    if given is None:
        return frozenset()
    found = re.findall(r"(\w+)(?: \(([^)]*)\))?", given)
    return frozenset(
        f"{privilege} ({', '.join(sorted(columns.split(', ')))})" if columns else privilege
        for privilege, columns in found
    )


def matrix(conninfo: str, schemas: list[str]) -> dict[tuple[str, str, str], dict[str, frozenset[str]]]:
    with psycopg.connect(conninfo) as connection:
        ours = connection.execute(_OURS, {"schemas": schemas}).fetchall()
        return {
            (str(kind), str(schema), str(name)): {
                role: held(connection, role, str(kind), oid) for role in Everyone
            }
            for kind, schema, name, oid in ours
        }


def shown(found: dict[tuple[str, str, str], dict[str, frozenset[str]]]) -> str:
    lines = []
    for (_, schema, name), roles in found.items():
        may = "; ".join(
            f"{role}: {', '.join(sorted(what))}" for role, what in roles.items() if what and role != OWNER
        )
        lines.append(f"{schema}.{name:<22} {may or '(its owner alone)'}")
    return "\n".join(lines)


def test_every_role_has_on_every_object_what_the_table_says_and_no_more(
    migrated: str, capsys: pytest.CaptureFixture[str]
) -> None:
    second = make_standby(migrated, EmbeddingSpace("another", 8)).schema
    found = matrix(migrated, ["public", second])
    with capsys.disabled():
        print(f"\n{shown(found)}")
    unlisted = [name for kind, _, name in found if name not in OBJECTS[kind]]
    assert unlisted == [], "give it a row in pipeline/stores/pgvector/privileges.py"
    wrong = [
        f"{schema}.{name}: {role} has {sorted(what)}, and {sorted(listed(kind, name, role))} is listed"
        for (kind, schema, name), roles in found.items()
        for role, what in roles.items()
        if what != listed(kind, name, role)
    ]
    assert wrong == []
    assert {name for _, schema, name in found if schema == second} == OF_A_SPACE
    listed_names = {name for objects in OBJECTS.values() for name in objects}
    assert {name for _, schema, name in found if schema == "public"} == listed_names


def test_migrate_revokes_later_grants_and_says_so(migrated: str) -> None:
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute("GRANT SELECT ON memories TO anon")
        connection.execute("GRANT SELECT (tenant_id) ON ledger TO authenticated")
        connection.execute("GRANT EXECUTE ON FUNCTION memory_count_use TO PUBLIC")
        connection.execute("GRANT DELETE ON ledger TO memory_ingest")
        connection.execute("REVOKE SELECT ON usage FROM memory_query")
        connection.execute("CREATE TABLE the_apps_own (x int)")
    would = run_migrate(migrated, SPACE, dry_run=True, graph=False).text
    assert "would run REVOKE SELECT ON TABLE public.memories FROM anon" in would
    assert "would run GRANT SELECT ON TABLE public.usage TO memory_query" in would
    told: list[str] = []
    assert migrate(migrated, SPACE, tell=told.append) == []
    assert "took from anon what it was granted on public.memories" in told
    assert "took from authenticated what it was granted on public.ledger" in told
    assert "took from PUBLIC what it was granted on public.memory_count_use" in told
    with psycopg.connect(migrated) as connection:
        for role, table, privilege, expected in (
            ("anon", "memories", "SELECT", False),
            ("memory_ingest", "ledger", "DELETE", False),
            ("memory_query", "usage", "SELECT", True),
            ("anon", "the_apps_own", "SELECT", True),  # what is not ours is left alone
        ):
            rows = connection.execute(
                "SELECT has_table_privilege(%s, %s, %s)", [role, table, privilege]
            ).fetchall()
            assert rows == [(expected,)], (role, table)
    told.clear()
    migrate(migrated, SPACE, tell=told.append)
    assert not [line for line in told if line.startswith("took")]


@pytest.mark.parametrize("role", API_ROLES)
def test_supabases_api_roles_read_and_run_nothing(migrated: str, postgres: Postgres, role: str) -> None:
    vector = "'[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]'::extensions.vector"
    nothing = "NULL::extensions.sparsevec, 'exact', false, '{}'::text[], '{}'::text[], '{}'::text[], '{}'::text[], NULL, NULL"
    with psycopg.connect(
        make_conninfo(postgres.conninfo(), dbname=str(conninfo_to_dict(migrated)["dbname"])), autocommit=True
    ) as connection:
        connection.execute("SET search_path = public, extensions")
        connection.execute(f"SET ROLE {role}")
        for statement in (
            "SELECT count(*) FROM memories",
            f"SELECT * FROM memory_search('acme', 'mika', {vector}, 10, 10, 0, 0, 0, {nothing})",
            "SELECT memory_indexed_until('acme', 'mika', NULL)",
            "SELECT memory_count_use('acme', current_date, 'm', 1::bigint, 0::numeric)",
            "SELECT memory_count_use_along('acme', current_date, 'm', 1::bigint, 0::numeric)",
            "SELECT memory_begin_for(ARRAY['acme'], 0, 0)",
            "SELECT memory_begin('acme')",
            "UPDATE index_space SET model = 'broken'",
            "DELETE FROM schema_version",
            "SELECT protect_tenants('memories')",
            "SELECT nextval('ledger_revision')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def lives(ingest: str, query: str) -> None:
    """Write, ask, forget: all that the functions do."""
    writer, reader = (
        PgVectorStore(Connector(lambda: ingest), SPACE),
        PgVectorStore(Connector(lambda: query), SPACE),
    )
    put(writer, (CHUNK, VECTOR), messages=[row(1)], key=key_of("chat:1"))
    assert [
        hit.content for hit in reader.search(SearchRequest("acme", "mika", VECTOR, 5, ("tea",))).hits
    ] == ["tea in Uji"]
    reader.indexed_until("acme", "mika", None)
    asked_at = datetime.now(UTC)
    request = ForgetRequest(str(asked_at), "acme", asked_at, "mika", None)
    writer.mark(request)
    assert writer.items_of(request) == [key_of("chat:1")]
    put(
        writer,
        moves={CHUNK.id: NOBODYS},
        messages=[row(1, "unexplained")],
        facts=replace(FACTS, hidden_since=1.0),
    )
    assert writer.overdue(2.0, 5) == [("acme", key_of("chat:1"))]
    put(writer, deletes=[CHUNK.id], purged=[mid(1)])
    writer.finish(request, 1)
    assert reader.search(SearchRequest("acme", "mika", VECTOR, 5)).hits == []


@pytest.mark.usefixtures("migrated")
def test_pgvector_in_a_schema_of_its_own_is_found_by_every_role(login: Callable[[str], str]) -> None:
    lives(login("memory_ingest"), login("memory_query"))


def test_an_owner_as_rds_gives_it_migrates_and_its_own_reads_need_a_tenant(postgres: Postgres) -> None:
    """Its master user may make roles and is neither a superuser nor above row-level security."""
    name = f"rds_master_{next(_numbers)}"
    with psycopg.connect(postgres.conninfo(), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'secret' CREATEROLE CREATEDB")
        connection.execute(f"CREATE DATABASE {name} OWNER {name} TEMPLATE template0")
    with psycopg.connect(make_conninfo(postgres.conninfo(), dbname=name), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")  # which RDS lets its master user do
    master = make_conninfo(postgres.conninfo(), dbname=name, user=name, password="secret")
    told: list[str] = []
    assert migrate(master, SPACE, tell=told.append)
    assert [line for line in told if line.startswith(("this role", name))] == []
    store = PgVectorStore(Connector(lambda: master), SPACE)
    put(store, (CHUNK, VECTOR), messages=[row(1)], key=key_of("chat:1"))
    with psycopg.connect(master) as connection:
        assert connection.execute("SELECT count(*) FROM memories").fetchall() == [(0,)]


@pytest.mark.usefixtures("migrated")
@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_both_poolers_serve(login: Callable[[str], str], mode: str) -> None:
    require_pgbouncer()
    with (
        PgBouncer(login("memory_ingest"), settings=f"pool_mode = {mode}") as writing,
        PgBouncer(login("memory_query"), settings=f"pool_mode = {mode}") as reading,
    ):
        lives(writing.conninfo, reading.conninfo)


def test_a_role_that_may_not_grant_the_extensions_schema_is_told_what_to_run(
    owner: str, postgres: Postgres
) -> None:
    superuser = make_conninfo(postgres.conninfo(), dbname=str(conninfo_to_dict(owner)["dbname"]))
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute(f"REVOKE GRANT OPTION FOR USAGE ON SCHEMA extensions FROM {OWNER}")
    with pytest.raises(SettingsError, match="GRANT USAGE ON SCHEMA extensions TO memory_ingest") as caught:
        migrate(owner, SPACE)
    with psycopg.connect(superuser, autocommit=True) as connection:
        for statement in str(caught.value).partition("run ")[2].split("; "):
            connection.execute(statement.encode())
    assert migrate(owner, SPACE)


def test_migrate_says_who_is_above_row_level_security_and_who_finds_no_operators(
    migrated: str, login: Callable[[str], str], postgres: Postgres
) -> None:
    app, query = (str(conninfo_to_dict(login(role))["user"]) for role in ("memory_app", "memory_query"))
    with psycopg.connect(postgres.conninfo(), autocommit=True) as connection:
        connection.execute(f"ALTER ROLE {query} BYPASSRLS")
    told: list[str] = []
    migrate(migrated, SPACE, tell=told.append)
    assert (
        f"{query} is above row-level security and sees every tenant: ALTER ROLE {query} NOSUPERUSER NOBYPASSRLS"
        in told
    )
    assert (
        f"{app} finds no operators of pgvector: ALTER ROLE {app} SET search_path = public, extensions" in told
    )
    with psycopg.connect(postgres.conninfo(), autocommit=True) as connection:
        connection.execute(f"ALTER ROLE {query} NOBYPASSRLS")
        connection.execute(f"ALTER ROLE {app} SET search_path = public, extensions")
    told.clear()
    migrate(migrated, SPACE, tell=told.append)
    assert not [line for line in told if query in line or app in line]
