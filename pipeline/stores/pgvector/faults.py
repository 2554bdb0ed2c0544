"""What became of a statement or a connection, as one of our errors with advice that fits. Passes on no word of the server's.

psycopg's messages can carry values of rows, names of hosts and logins, so only the SQLSTATE and a sentence of ours go on.
An error at connecting has no SQLSTATE (libpq does not tell it), so the message is looked at, in English, and not quoted.

Three kinds:

- *busy*: one transaction lost to others, or took too long. Only its tenant waits (:class:`StoreBusyError`).
- *unavailable*: the server, the way to it, its schema or our login is at fault. Nobody's transaction would do better.
- neither: the statement is refused for what it says.
"""

from dataclasses import dataclass

import psycopg

from pipeline.errors import StoreBusyError, StoreUnavailableError, VectorMemoryError

MIGRATE = "run `vector-memory migrate`"
SECRET = "check the database secret or parameters"  # noqa: S105  # says where to look

BUSY: dict[str, str] = {
    "40001": "another transaction was first: it is tried again",
    "40P01": "it waited for another transaction, and that one for it: it is tried again",
    "55P03": "a lock was not free in time: look for long transactions, or a table being altered",
    "57014": "the statement took too long or was cancelled: look for load, locks or a missing index",
    "25P04": "the transaction took too long: look at the role's transaction_timeout",
}
"""SQLSTATE → advice, of what belongs to one transaction."""

UNAVAILABLE: dict[str, str] = {
    "25006": "it only reads: a failover is under way, or the address is a replica's; use the writer's endpoint",
    "28000": f"the login was refused: {SECRET}; with IAM, the role's rds-db:connect and GRANT rds_iam",
    "28P01": f"the password was refused: {SECRET}",
    "3D000": f"the database does not exist: {SECRET}",
    "3F000": f"the schema is missing: {MIGRATE}",
    "42501": f"the role lacks a privilege: {MIGRATE} and grant the role memory_ingest or memory_query",
    "42703": f"the schema is of another version: {MIGRATE}",
    "42704": f"pgvector is missing, too old, or in a schema that the role cannot use: {MIGRATE}",
    "42883": f"the schema is of another version, or pgvector is missing or too old: {MIGRATE}",
    "42P01": f"the schema is missing: {MIGRATE}",
    "53100": "its disk is full: give it more storage; nothing is lost meanwhile",
    "53200": "it has no memory left: a larger instance, or fewer connections",
    "53300": "it has no connection left: lower Scale, raise max_connections, or go through a pooler",
    "53400": "a limit of its configuration is reached: see its log",
    "57P01": "it was shut down or restarted: it is tried again",
    "57P02": "it crashed and restarts: it is tried again",
    "57P03": "it is starting up or recovering: it is tried again",
    "57P05": "it closed an idle connection: it is tried again",
}
"""SQLSTATE → advice, of what belongs to the server, the schema or the login."""

_UNAVAILABLE_CLASSES = frozenset({"08", "25", "40", "53", "55", "57", "58"})
"""SQLSTATE classes of connections, transactions, rollbacks, resources, states, operators and systems."""

_AT_CONNECTING: tuple[tuple[str, str], ...] = (
    ("password authentication failed", "28P01"),
    ("iam authentication failed", "28000"),
    ("pam authentication failed", "28000"),
    ("authentication failed", "28000"),
    ("no pg_hba.conf entry", "28000"),
    ("is not permitted to log in", "28000"),
    ("database system is", "57P03"),
    ("not yet accepting connections", "57P03"),
    ("too many clients", "53300"),
    ("too many connections", "53300"),
    ("connection slots are reserved", "53300"),
    ("max client connections", "53300"),
    ("no more connections allowed", "53300"),
    ("permission denied for database", "42501"),
)
"""Parts of messages of Postgres, PgBouncer, RDS Proxy and Supabase's pooler, in lower case → SQLSTATE."""

_WITHOUT_STATE: tuple[tuple[str, str], ...] = (
    (
        "tenant or user not found",
        "the pooler does not know the login: Supabase's is called role.project, with the pooler's own host",
    ),
    ("has no credentials for the role", "RDS Proxy has no secret for this login: add one to the proxy"),
    ("requires tls", "it takes TLS only: take sslmode=disable out of the secret"),
    ("certificate has expired", "its certificate has expired: renew it"),
    (
        "does not match host name",
        "its certificate is for another host: connect by the name that the certificate has",
    ),
    (
        "certificate verify failed",
        "its certificate is not of an authority we trust, or has expired: put sslrootcert into the secret",
    ),
    (
        "root certificate file",
        "the file that sslrootcert names is not there: name one in the bundle, or put the certificate itself into the secret",
    ),
    (
        "could not read root certificate",
        "the file that sslrootcert names holds no certificate: put it into the secret anew",
    ),
    (
        "does not support ssl",
        "it speaks no TLS, and the connection must be verified: turn TLS on there, or say sslmode in the secret",
    ),
    ("resolve host", f"its name is not known: {SECRET}, and the function's network"),
    ("translate host name", f"its name is not known: {SECRET}, and the function's network"),
    ("connection refused", "nothing listens at its address: check that it runs, and the port"),
    ("timeout expired", "it did not answer in time: check that it runs, security groups and the way to it"),
)
"""Parts of messages that have no SQLSTATE, in lower case → advice."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is known of a failure: a SQLSTATE, or else a sentence."""

    state: str = ""
    advice: str = ""

    @property
    def refused(self) -> bool:
        """Whether the server lets us in no more, or its certificate is not trusted."""
        return self.state.startswith("28") or "certificate" in self.advice


def translated(error: psycopg.Error) -> VectorMemoryError:
    """Return our error for psycopg's, without any value of a row."""
    fault = fault_of(error)
    said = f"Postgres answered {fault.state}" if fault.state else "Postgres was not reached"
    sentence = f"{said}: {fault.advice}" if fault.advice else said
    if fault.state in BUSY:
        return StoreBusyError(sentence)
    if fault.advice or fault.state[:2] in _UNAVAILABLE_CLASSES:
        return StoreUnavailableError(sentence, refused=fault.refused)
    return VectorMemoryError(f"Postgres refused a statement: {type(error).__name__} {fault.state}")


def fault_of(error: psycopg.Error) -> Fault:
    """Return what is known of ``error``."""
    state = error.sqlstate or ""
    if not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return _fault_at_connecting(str(error).lower())
    return Fault(state, BUSY.get(state) or UNAVAILABLE.get(state) or "")


def _fault_at_connecting(message: str) -> Fault:
    if "fatal:" in message and "database" in message and "does not exist" in message:
        return Fault("3D000", UNAVAILABLE["3D000"])
    if "fatal:" in message and "role" in message and "does not exist" in message:
        return Fault("28000", UNAVAILABLE["28000"])
    for part, advice in _WITHOUT_STATE:
        if part in message:
            return Fault(advice=advice)
    for part, state in _AT_CONNECTING:
        if part in message:
            return Fault(state, UNAVAILABLE[state])
    return Fault(advice=f"check that it runs, and {SECRET.removeprefix('check ')}")


def refuses_login(error: psycopg.Error) -> bool:
    """Tell whether the login itself was refused: another password, or a fresh token, may do."""
    return fault_of(error).state in {"28000", "28P01"}
