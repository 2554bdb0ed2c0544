"""What ``migrate`` cannot mend itself and an operator should: whoever is above row-level security, or cannot find pgvector."""

from typing import Any

import psycopg

from pipeline.stores.pgvector.privileges import APP, ROLES, home_and_types

_ABOVE = """
SELECT rolname FROM pg_roles
WHERE (rolsuper OR rolbypassrls) AND rolcanlogin AND rolname <> current_user
  AND EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = pg_roles.oid AND g.rolname = ANY(%s))
ORDER BY 1
"""
_OWNER_ABOVE = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
_PUBLIC_CREATES = """
SELECT current_schema() FROM pg_namespace n, aclexplode(n.nspacl) a
WHERE n.nspname = current_schema() AND a.grantee = 0 AND a.privilege_type = 'CREATE'
"""
# A member of the chat app's role whose own setting names no schema of pgvector's.
_BLIND = """
SELECT r.rolname FROM pg_roles r JOIN pg_auth_members m ON m.member = r.oid JOIN pg_roles g ON g.oid = m.roleid
WHERE g.rolname = %(app)s AND r.rolcanlogin AND NOT EXISTS (
    SELECT FROM pg_db_role_setting s, unnest(s.setconfig) AS c WHERE s.setrole = r.oid
    AND c LIKE 'search_path=%%' AND c LIKE '%%' || %(schema)s || '%%')
ORDER BY 1
"""


def review(connection: psycopg.Connection[tuple[Any, ...]]) -> list[str]:
    """Return what to know and what to run, as sentences; nothing is best."""
    return [*_above(connection), *_creators(connection), *_blind(connection)]


def _above(connection: psycopg.Connection[tuple[Any, ...]]) -> list[str]:
    found = [name for (name,) in connection.execute(_ABOVE, [list(ROLES)])]
    notes = [
        f"{name} is above row-level security and sees every tenant: ALTER ROLE {name} NOSUPERUSER NOBYPASSRLS"
        for name in found
    ]
    if connection.execute(_OWNER_ABOVE).fetchall()[0][0]:
        notes.append(
            "this role is above row-level security: run migrate with it, and let no function connect with it"
        )
    return notes


def _creators(connection: psycopg.Connection[tuple[Any, ...]]) -> list[str]:
    return [
        f"everybody may create objects in schema {schema}, before ours on the search path: REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC"
        for (schema,) in connection.execute(_PUBLIC_CREATES)
    ]


def _blind(connection: psycopg.Connection[tuple[Any, ...]]) -> list[str]:
    """Our own statements bring the search path along; the chat app's do not."""
    home, *types = home_and_types(connection)
    return [
        f"{name} finds no operators of pgvector: ALTER ROLE {name} SET search_path = {home}, {schema}"
        for schema in types
        for (name,) in connection.execute(_BLIND, {"app": APP, "schema": schema})
    ]
