"""Logging in with tokens, through something that treats clients as RDS Proxy does, to a real Postgres."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import botocore.auth
import pytest
from botocore.credentials import Credentials
from psycopg.conninfo import conninfo_to_dict
from support.authority import Authority
from support.chunks import NOBODYS, held, key_of, mid, planned, put, row
from support.rds_proxy import PINS, RdsProxy, signed_at
from support.words import SPACE

from pipeline.database_settings import DatabaseSettings
from pipeline.embedding.vectors import float32
from pipeline.errors import StoreUnavailableError
from pipeline.stores.chunks import Chunk, ChunkMove
from pipeline.stores.forget_requests import ForgetRequest
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.iam import IamLogin
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.pgvector.usage import PgUsageLedger
from pipeline.stores.search_requests import Filters, SearchRequest

pytestmark = pytest.mark.integration
Database = Callable[..., str]
REGION = "eu-west-1"
HOST = "localhost"
KEYS_LAST = 3600
VECTOR = float32([1.0] + [0.0] * 15)
ITEM = '["sessions", "acme", "chat:1"]'
CHUNK = Chunk(str(UUID(int=1)), "mika", "tea in Uji", ("m",), "f", None, {"key": "chat:1"})
QUESTION = SearchRequest("acme", "mika", VECTOR, 5)


class Aws:
    """A clock, and credentials of a role that change, as STS gives them."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
        self._made: dict[str, tuple[datetime, Credentials]] = {}
        self._lock = threading.Lock()
        self._revoked = 0

    def clock(self) -> float:
        return self.now.timestamp()

    def credentials(self) -> Credentials:
        """Give those of now; new ones come some time before the old ones end."""
        with self._lock:
            number = f"{self._revoked}.{int(self.clock()) // (KEYS_LAST - 900)}"
            if number not in self._made:
                keys = Credentials(f"AKID{number}", f"secret {number}", f"session/{number}+=")
                self._made[number] = self.now, keys
            return self._made[number][1]

    def revoke(self) -> None:
        """End the role's sessions: what they signed holds no longer."""
        self._made, self._revoked = {}, self._revoked + 1

    def admits(self, token: str, port: int, user: str) -> bool:
        """Tell what RDS would: signed by credentials that still hold, for this login, at most 15 minutes ago."""
        for made_at, keys in list(self._made.values()):
            login = f"https://{HOST}:{port}/?Action=connect&DBUser={user}"
            when = signed_at(token, login, REGION, keys)
            if when and self.now - made_at < timedelta(seconds=KEYS_LAST):
                return self.now - when < timedelta(seconds=900)
        return False


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    made = Aws()
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: made.now.replace(tzinfo=None))
    return made


@pytest.fixture
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


Serve = Callable[[str], RdsProxy]


@pytest.fixture
def serve(aws: Aws, authority: Authority) -> Iterator[Serve]:
    """Put a proxy before a login's connection string."""
    opened: list[RdsProxy] = []

    def started(conninfo: str) -> RdsProxy:
        user = str(conninfo_to_dict(conninfo)["user"])
        proxy = RdsProxy(
            conninfo, authority.certificate(HOST), lambda token: aws.admits(token, proxy.port, user)
        )
        opened.append(proxy)
        return proxy

    yield started
    for proxy in opened:
        proxy.close()


def connector(aws: Aws, proxy: RdsProxy, user: str, authority: Authority) -> Connector:
    settings = DatabaseSettings(
        HOST, proxy.port, "ignored", user, "iam", root_certificate=str(authority.root)
    )
    login = IamLogin(settings.for_iam(), aws.credentials, REGION, aws.clock)
    return Connector(login.conninfo, renewed=login.renewed)


def user_of(conninfo: str) -> str:
    return str(conninfo_to_dict(conninfo)["user"])


def filled(database: Database) -> str:
    conninfo = database("memory_ingest")
    PgVectorStore(Connector(lambda: conninfo), SPACE).apply(
        "acme", [planned(ITEM, upserts=[(CHUNK, VECTOR)])]
    )
    return conninfo


def test_tokens_are_refreshed_under_load_and_no_question_fails(
    database: Database, aws: Aws, serve: Serve, authority: Authority
) -> None:
    filled(database)
    query = database("memory_query")
    proxy = serve(query)
    stores = [PgVectorStore(connector(aws, proxy, user_of(query), authority), SPACE) for _ in range(4)]
    rounds, each = 30, 10

    def ask(store: PgVectorStore, halfway: threading.Barrier) -> int:
        found = 0
        for number in range(each):
            found += len(store.search(QUESTION).hits)
            if number == each // 2:
                halfway.wait(60)
        return found

    answered = 0
    with ThreadPoolExecutor(len(stores)) as pool:
        for _ in range(rounds):
            halfway = threading.Barrier(len(stores) + 1)
            working = [pool.submit(ask, store, halfway) for store in stores]
            halfway.wait(60)
            proxy.cut()  # in the midst of it
            answered += sum(one.result() for one in working)
            proxy.cut()  # and now, so that everybody must log in again, with a token that may be too old
            aws.now += timedelta(seconds=331)
    print(
        f"{answered} questions answered, {proxy.logins} logins, {proxy.refused} refused, in {rounds * 331} s"
    )
    assert answered == rounds * each * len(stores)
    assert proxy.logins > rounds * len(stores)
    assert proxy.refused == 0


def test_a_token_that_is_refused_is_made_anew_once(
    database: Database, aws: Aws, serve: Serve, authority: Authority
) -> None:
    query = filled(database)
    proxy = serve(query)
    store = PgVectorStore(connector(aws, proxy, user_of(query), authority), SPACE)
    assert store.search(QUESTION).hits
    aws.revoke()
    proxy.cut()
    assert store.search(QUESTION).hits
    assert (proxy.logins, proxy.refused) == (2, 1)


def test_a_login_that_may_not_is_told_what_to_look_at(
    database: Database, aws: Aws, serve: Serve, authority: Authority
) -> None:
    proxy = serve(database("memory_query"))
    with pytest.raises(StoreUnavailableError, match="rds-db:connect"):
        connector(aws, proxy, "somebody_else", authority).read(lambda connection: connection)
    assert proxy.refused == 1


def test_nothing_that_the_functions_say_pins_a_connection(
    database: Database, aws: Aws, serve: Serve, authority: Authority
) -> None:
    ingest = database("memory_ingest")
    proxy = serve(ingest)
    reach = connector(aws, proxy, user_of(ingest), authority)
    store, usage = PgVectorStore(reach, SPACE), PgUsageLedger(reach, "m", 1.0, 1000)
    put(store, (CHUNK, VECTOR), messages=[row(1), row(2, "kept")], key=key_of("chat:1"))
    put(store, moves={CHUNK.id: NOBODYS}, purged=[mid(2)])
    put(store, moves={CHUNK.id: ChunkMove("mika", "live")}, deletes=["0" * 32])
    leased = store.lease("acme", {ITEM: held(store).revision}, 60)
    store.release("acme", leased)
    assert store.search(QUESTION).hits
    assert store.texts("acme", ITEM, [CHUNK.id])
    assert store.passages("acme", "mika", Filters(), 5)
    store.explain("acme", "mika")
    store.indexed_until("acme", "mika", None)
    store.markers("acme", {"mika"}, {"chat:1"})
    request = ForgetRequest("1", "acme", datetime(2026, 11, 27, tzinfo=UTC), "mika", None)
    store.mark(request)
    assert store.items_of(request, "owner") == [key_of("chat:1")]
    store.finish(request, 1)
    assert store.overdue(1.0, 5) == []
    assert store.detail("acme", {ITEM: None})[ITEM].chunks
    store.forgotten("acme", "1")
    store.check()
    assert usage.reserve("acme", 10, date(2026, 11, 27))
    usage.correct("acme", -3, date(2026, 11, 27))
    assert len(proxy.statements) > 40
    assert proxy.pinning() == []


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("SELECT set_config('app.tenant_id', $1, true)", "set_config"),
        ("SET LOCAL lock_timeout = 1", "SET"),
        ("UPDATE ledger SET revision = nextval('ledger_revision')", "sequence"),
        ("SELECT pg_advisory_xact_lock(1)", "advisory lock"),
        ("CREATE TEMP TABLE t ()", "temporary"),
        ("LISTEN news", "PREPARE"),
    ],
)
def test_the_proxy_knows_what_pins(statement: str, why: str) -> None:
    assert [name for name, rule in PINS.items() if rule.search(statement)] == [why]
    assert not [name for name, rule in PINS.items() if rule.search("UPDATE ledger SET revision = 1")]
