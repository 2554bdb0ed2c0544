"""A database as Supabase's dashboard makes it: roles, default privileges, and pgvector in a schema of its own.

From github.com/supabase/postgres, migrations/db/init-scripts, as projects of before 30 October 2026 have it.
"""

from contextlib import suppress

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

OWNER = "supabase_owner"
"""What ``postgres`` is there: no superuser, but above row-level security and free to make roles."""
API_ROLES = ("anon", "authenticated", "service_role")
_ROLES = f"""
CREATE ROLE anon NOLOGIN; CREATE ROLE authenticated NOLOGIN; CREATE ROLE service_role NOLOGIN BYPASSRLS;
CREATE ROLE {OWNER} LOGIN PASSWORD 'secret' CREATEROLE BYPASSRLS
"""
_DATABASE = f"""
GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;
GRANT ALL ON SCHEMA public TO {OWNER};
CREATE SCHEMA extensions;
GRANT USAGE ON SCHEMA extensions TO anon, authenticated, service_role;
GRANT USAGE ON SCHEMA extensions TO {OWNER} WITH GRANT OPTION;
CREATE EXTENSION vector SCHEMA extensions;
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public GRANT ALL ON SEQUENCES TO anon, authenticated, service_role
"""


def supabase(superuser: str, name: str) -> str:
    """Make such a database beside others; return its owner's connection string."""
    with psycopg.connect(superuser, autocommit=True) as connection:
        with suppress(psycopg.errors.DuplicateObject):
            connection.execute(_ROLES)
        # group roles that somebody else made are nobody's to grant; there, one owner makes them all
        for role in ("memory_ingest", "memory_query", "memory_app", "memory_operations"):
            if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is not None:
                connection.execute(f"GRANT {role} TO {OWNER} WITH ADMIN OPTION")
        database = sql.Identifier(name)
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(database, sql.Identifier(OWNER))
        )
        connection.execute(
            sql.SQL('ALTER ROLE {} IN DATABASE {} SET search_path = "$user", public, extensions').format(
                sql.Identifier(OWNER), database
            )
        )
    with psycopg.connect(make_conninfo(superuser, dbname=name), autocommit=True) as connection:
        connection.execute(_DATABASE)
    return make_conninfo(superuser, dbname=name, user=OWNER, password="secret")
