"""Who may do what with which object: the table, and what makes a database match it.

``migrate`` runs :func:`settle` after the migrations. What the table does not list is taken away, whoever gave it: Postgres
lets PUBLIC execute every new function, and Supabase lets the roles of its public API use all that is made in ``public``.
Owners and superusers are outside the table. An object that is new here needs a row, or nobody may use it; a test says so.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from pipeline.errors import SettingsError

Owner = psycopg.Connection[tuple[Any, ...]]
Rights = Mapping[str, str]
"""Role → privileges, separated by commas; a privilege may name columns."""

INGEST, QUERY, APP, OPERATOR = ROLES = ("memory_ingest", "memory_query", "memory_app", "memory_operations")
"""What writes, what answers questions, the chat app's own SQL, and people who see every tenant."""

_ALL = "SELECT, INSERT, UPDATE, DELETE"
_FRESHNESS = "SELECT (tenant_id, user_id, name, present, updated_at, saved_at)"
_ASKING: Rights = dict.fromkeys((INGEST, QUERY, OPERATOR), "EXECUTE")
_COUNTING: Rights = dict.fromkeys((INGEST, QUERY), "EXECUTE")

TABLES: Mapping[str, Rights] = {
    "schema_version": {},
    "index_space": dict.fromkeys((INGEST, QUERY, OPERATOR), "SELECT"),
    "memories": {INGEST: _ALL, QUERY: "SELECT", APP: _ALL, OPERATOR: "SELECT, DELETE"},
    "memory_words": {
        INGEST: "SELECT, INSERT, DELETE, UPDATE (user_id)",
        QUERY: "SELECT",
        APP: "SELECT, DELETE",
        OPERATOR: "SELECT, DELETE",
    },
    "message": {INGEST: _ALL, OPERATOR: "SELECT"},
    "ledger": {INGEST: "SELECT, INSERT, UPDATE", QUERY: _FRESHNESS, OPERATOR: "SELECT"},
    "forget_marker": {INGEST: "SELECT, INSERT, UPDATE"},
    "tenant_epoch": {INGEST: "SELECT, INSERT, UPDATE"},
    "forget_request": {INGEST: "SELECT, INSERT", QUERY: "SELECT"},
    "usage": {INGEST: "SELECT, INSERT, UPDATE", QUERY: "SELECT, INSERT, UPDATE", OPERATOR: "SELECT"},
    "usage_cap": {INGEST: "SELECT", QUERY: "SELECT", OPERATOR: _ALL},
}

SEQUENCES: Mapping[str, Rights] = {"ledger_revision": {INGEST: "USAGE"}, "space_number": {}}

FUNCTIONS: Mapping[str, Rights] = {
    "memory_begin": _ASKING,
    "memory_begin_for": {INGEST: "EXECUTE"},
    "memory_look_in": _ASKING,
    "memory_next_revision": {INGEST: "EXECUTE"},
    "memory_search": _ASKING,
    "memory_strategy": _ASKING,
    "memory_indexed_until": _COUNTING,
    "memory_count_use": _COUNTING,
    "memory_count_use_along": _COUNTING,
    "memory_overdue": {INGEST: "EXECUTE"},
    # Called by triggers, which ask nobody's leave, and by migrations.
    "drop_words": {},
    "move_words": {},
    "also_gone": {},
    "also_changed": {},
    "protect_tenants": {},
}

OBJECTS: Mapping[str, Mapping[str, Rights]] = {"TABLE": TABLES, "SEQUENCE": SEQUENCES, "FUNCTION": FUNCTIONS}
OF_A_SPACE = frozenset(
    {"memories", "memory_words", "memory_search", "memory_strategy", "drop_words", "move_words"}
)
"""What each embedding space has in a schema of its own; the first one's stand with what belongs to all."""

# kind, schema, name, name as SQL writes it, and what is granted on it; of an object nobody was granted, NULLs.
_CATALOGUE = """
WITH place AS (
    SELECT n.oid, n.nspname, n.nspname = current_schema() AS home, n.nspacl, n.nspowner FROM pg_namespace n
    WHERE n.nspname = current_schema() OR n.nspname = ANY(%(spaces)s)
), found AS (
    SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, p.nspname, p.home, c.relname AS name,
           format('%%I.%%I', p.nspname, c.relname) AS written, a.grantee, a.privilege_type, NULL AS column, c.relowner AS owner
    FROM pg_class c JOIN place p ON p.oid = c.relnamespace
    LEFT JOIN LATERAL aclexplode(COALESCE(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))) a ON true
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL
    SELECT 'TABLE', p.nspname, p.home, c.relname, format('%%I.%%I', p.nspname, c.relname), a.grantee, a.privilege_type,
           quote_ident(t.attname), c.relowner
    FROM pg_class c JOIN place p ON p.oid = c.relnamespace JOIN pg_attribute t ON t.attrelid = c.oid AND NOT t.attisdropped
    CROSS JOIN LATERAL aclexplode(t.attacl) a
    UNION ALL
    SELECT 'FUNCTION', p.nspname, p.home, f.proname,
           format('%%I.%%I(%%s)', p.nspname, f.proname, pg_get_function_identity_arguments(f.oid)), a.grantee, a.privilege_type,
           NULL, f.proowner
    FROM pg_proc f JOIN place p ON p.oid = f.pronamespace
    LEFT JOIN LATERAL aclexplode(COALESCE(f.proacl, acldefault('f', f.proowner))) a ON true
    UNION ALL
    SELECT 'SCHEMA', p.nspname, p.home, p.nspname, quote_ident(p.nspname), a.grantee, a.privilege_type, NULL, p.nspowner
    FROM place p LEFT JOIN LATERAL aclexplode(COALESCE(p.nspacl, acldefault('n', p.nspowner))) a ON true
    WHERE NOT p.home
)
SELECT kind, home, name, written, CASE f.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END, privilege_type, "column", grantee = owner
FROM found f LEFT JOIN pg_roles r ON r.oid = f.grantee
"""

_LACKS_USAGE = """
SELECT quote_ident(r.role), quote_ident(s.schema) FROM unnest(%(roles)s::text[]) AS r (role), unnest(%(schemas)s::text[]) AS s (schema)
WHERE NOT has_schema_privilege(r.role, s.schema, 'USAGE') ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One privilege of one role on one object.

    Args:
        written: the object's name as SQL writes it.
        role: as SQL writes it, or ``PUBLIC``.
        column: of the object, if only that.
    """

    kind: str
    written: str
    role: str
    privilege: str
    column: str = ""


def settle(connection: Owner, spaces: Sequence[str]) -> list[str]:
    """Make the grants those of the table, in the transaction that is open; return what was taken from whom.

    Args:
        spaces: schemas of the embedding spaces.

    Raises:
        SettingsError: this role may not do that; the message has the statements for one that may.
    """
    make_roles(connection)
    surplus, _ = differences(connection, spaces)
    _run(connection, statements("REVOKE", surplus))  # of a whole table it takes the columns' along
    _, lacking = differences(connection, spaces)
    _run(connection, statements("GRANT", lacking))
    surplus_left, lacking_left = differences(connection, spaces)
    refused = statements("REVOKE", surplus_left) + statements("GRANT", lacking_left)
    if refused := refused + _give_usage(connection, spaces):
        raise SettingsError(
            f"this role may not set privileges that others gave or own: have an administrator run {'; '.join(refused)}"
        )
    return _told(surplus)


def differences(connection: Owner, spaces: Sequence[str]) -> tuple[list[Grant], list[Grant]]:
    """Return what is granted and should not be, and what should be granted and is not."""
    wanted, found = set[Grant](), set[Grant]()
    for kind, home, name, written, role, privilege, column, owners in connection.execute(
        _CATALOGUE, {"spaces": list(spaces)}
    ):
        rights = _rights(kind, name, home=home)
        if rights is None:
            continue
        wanted |= {Grant(kind, written, *one) for one in _wanted(rights)}
        if role and not owners:
            found.add(Grant(kind, written, role, privilege, column or ""))
    return sorted(found - wanted), sorted(wanted - found)


def _rights(kind: str, name: str, *, home: bool) -> Rights | None:
    """Return what the table says of an object; ``None`` of one that is not ours."""
    if kind == "SCHEMA":
        return dict.fromkeys(ROLES, "USAGE")
    return OBJECTS[kind].get(name) if home or name in OF_A_SPACE else None


_PRIVILEGE = re.compile(r"(\w+)(?: \(([^)]*)\))?")


def _wanted(rights: Rights) -> Iterable[tuple[str, str, str]]:
    """Yield role, privilege and column, which is ``""`` where a privilege names none."""
    for role, privileges in rights.items():
        for privilege, columns in _PRIVILEGE.findall(privileges):
            yield from ((role, privilege, column) for column in columns.split(", "))


def statements(verb: str, grants: Sequence[Grant]) -> list[str]:
    """Return one statement for each object and role."""
    grouped = defaultdict[tuple[str, str, str], list[str]](list)
    for one in grants:
        grouped[one.kind, one.written, one.role].append(
            f"{one.privilege} ({one.column})" if one.column else one.privilege
        )
    plan = "TO" if verb == "GRANT" else "FROM"
    return [
        f"{verb} {', '.join(privileges)} ON {kind} {written} {plan} {role}"
        for (kind, written, role), privileges in grouped.items()
    ]


def _run(connection: Owner, statements: Iterable[str]) -> None:
    for statement in statements:
        try:
            with connection.transaction():
                connection.execute(statement.encode())  # names as the catalogue quotes them
        except psycopg.errors.InsufficientPrivilege:
            continue  # what is left is reported


def make_roles(connection: Owner) -> None:
    """Make the group roles that are not there."""
    for role in ROLES:
        if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN NOBYPASSRLS").format(sql.Identifier(role)))


def _give_usage(connection: Owner, spaces: Sequence[str]) -> list[str]:
    """Let our roles look into the schemas of the tables and of pgvector; return the statements that were refused."""
    schemas = list(dict.fromkeys([*home_and_types(connection), *spaces]))
    parameters = {"roles": list(ROLES), "schemas": schemas}

    def lacking() -> list[str]:
        rows = connection.execute(_LACKS_USAGE, parameters).fetchall()
        return [f"GRANT USAGE ON SCHEMA {schema} TO {role}" for role, schema in rows]

    _run(connection, lacking())
    return lacking()


def home_and_types(connection: Owner) -> list[str]:
    """Return the schemas of what belongs to all, and of pgvector's types, each once."""
    query = """
        SELECT current_schema(), n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
        WHERE e.extname = 'vector'
    """
    return list(dict.fromkeys(connection.execute(query).fetchall()[0]))


def _told(taken: Sequence[Grant]) -> list[str]:
    """Say what was taken from roles that are not ours."""
    grouped = defaultdict[str, set[str]](set)
    for one in taken:
        if one.role not in ROLES:
            grouped[one.role].add(one.written.partition("(")[0])
    return [
        f"took from {role} what it was granted on {', '.join(sorted(objects))}"
        for role, objects in sorted(grouped.items())
    ]
