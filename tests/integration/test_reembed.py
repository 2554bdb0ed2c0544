"""Two spaces in one database: filled, switched, forgotten in both, whatever comes in between."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest
from support.deployed_stack import until
from support.two_spaces import NEXT, Queue, Two
from support.words import SPACE

from pipeline.embedding.vectors import EmbeddingSpace, float32
from pipeline.errors import (
    EmbeddingRejectedError,
    EmbeddingUnavailableError,
    SettingsError,
    StoreUnavailableError,
)
from pipeline.operations.pacing.pacer import Pacer
from pipeline.operations.reembed.reembed import Filling, Sent, Side, compare, question_of, refuse_gaps, two
from pipeline.stores.forget_requests import ForgetRequest
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.cutover import drop_standby, make_standby, switch
from pipeline.stores.pgvector.inventory import Inventory
from pipeline.stores.pgvector.migrations import migrate
from pipeline.stores.pgvector.space_copy import SpaceCopy
from pipeline.stores.pgvector.space_progress import Spaces
from pipeline.stores.search_requests import SearchRequest

pytestmark = pytest.mark.integration
REQUEST = ForgetRequest("w", "acme", datetime(2099, 1, 1, tzinfo=UTC), "acme")
TEXTS = ("we ship on Friday", "the cat is called Momo", "rent is due on the first")


@pytest.fixture
def there(database: Callable[..., str]) -> Two:
    return Two(database)


def contents(two_spaces: Two, space: EmbeddingSpace) -> list[str]:
    vector = two_spaces.embedders[space].embed(["anything"])[0]
    hits = two_spaces.store(space).search(SearchRequest("acme", "acme", vector, 100)).hits
    return sorted(hit.content.partition("\n")[2] for hit in hits)


def filling(two_spaces: Two) -> tuple[Queue, Filling]:
    queue = Queue(two_spaces.work)
    spaces = Spaces(Connector(lambda: two_spaces.owner))
    pacer = Pacer(None, lambda: 0.0, lambda _: None)
    fillers = two_spaces.fillers()
    return queue, Filling(
        spaces, two_spaces.layouts, queue, fillers[0], pacer, 10, lambda: 0.0, lambda _: None
    )


def fill(two_spaces: Two) -> Sent:
    return filling(two_spaces)[1].run(*two(two_spaces.register))


def said(*texts: str) -> list[str]:
    return sorted(f"user: {text}" for text in texts)


CATALOG = """
SELECT 'column', attname::text, format_type(atttypid, atttypmod) || attnotnull::text || attstorage::text || COALESCE(pg_get_expr(adbin, adrelid), '')
FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid IN (to_regclass(%(schema)s || '.memories'), to_regclass(%(schema)s || '.memory_words')) AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT 'index', indexname::text, replace(indexdef, %(schema)s || '.', '') FROM pg_indexes
WHERE schemaname = %(schema)s AND tablename IN ('memories', 'memory_words')
UNION ALL SELECT 'policy', tablename || '.' || policyname, permissive || roles::text || cmd::text || COALESCE(qual, '') || COALESCE(with_check, '')
FROM pg_policies WHERE schemaname = %(schema)s AND tablename IN ('memories', 'memory_words')
UNION ALL SELECT 'grant', table_name || '.' || grantee, string_agg(privilege_type, ',' ORDER BY privilege_type)
FROM information_schema.role_table_grants WHERE table_schema = %(schema)s AND table_name IN ('memories', 'memory_words') GROUP BY 2, table_name, grantee
UNION ALL SELECT 'function', proname::text, prosrc FROM pg_proc
WHERE pronamespace = %(schema)s::regnamespace AND proname IN ('drop_words', 'move_words', 'memory_search', 'memory_strategy')
UNION ALL SELECT 'trigger', tgname::text, tgtype::text FROM pg_trigger WHERE tgrelid = to_regclass(%(schema)s || '.memories')
UNION ALL SELECT 'table', relname::text, relrowsecurity::text || relforcerowsecurity::text FROM pg_class
WHERE relnamespace = %(schema)s::regnamespace AND relname IN ('memories', 'memory_words')
ORDER BY 1, 2, 3
"""


def test_a_space_made_later_has_what_migrations_gave_the_first(there: Two) -> None:
    made = there.start()
    with psycopg.connect(there.owner) as owner:
        first, later = (
            owner.execute(CATALOG, {"schema": schema}).fetchall() for schema in ("public", made.schema)
        )
    assert len(first) > 40
    assert later == first


def test_earlier_chunks_are_filled_in_and_later_saves_go_to_both_spaces(there: Two) -> None:
    there.save("chat:1", *TEXTS[:2])
    there.start()
    there.save("chat:2", TEXTS[2])
    assert contents(there, NEXT) == said(TEXTS[2])
    assert fill(there).items == 1
    assert contents(there, NEXT) == contents(there, SPACE) == said(*TEXTS)


def test_filling_again_sends_and_embeds_nothing(there: Two) -> None:
    there.save("chat:1", *TEXTS)
    there.start()
    fill(there)
    embedded = [there.embedders[space].usage.tokens for space in (SPACE, NEXT)]
    assert fill(there).items == 0
    there.work(there.notice(there.table.save("chat:1", *TEXTS), look=True))
    assert [there.embedders[space].usage.tokens for space in (SPACE, NEXT)] == embedded


def test_filling_costs_the_current_space_nothing_and_the_next_each_text_once(there: Two) -> None:
    there.save("chat:1", *TEXTS)
    there.start()
    before = there.embedders[SPACE].usage.tokens
    fill(there)
    assert there.embedders[SPACE].usage.tokens == before
    assert sorted(there.embedders[NEXT].texts) == sorted(there.embedders[SPACE].texts)


def test_after_the_switch_nothing_is_embedded_again(there: Two) -> None:
    there.save("chat:1", *TEXTS)
    there.start()
    fill(there)
    switch(there.owner, newer=True)
    before = [there.embedders[space].usage.tokens for space in (SPACE, NEXT)]
    there.work(there.notice(there.table.save("chat:1", *TEXTS)))
    assert [there.embedders[space].usage.tokens for space in (SPACE, NEXT)] == before
    assert contents(there, NEXT) == said(*TEXTS)


def test_switching_and_going_back_are_each_done_once(there: Two) -> None:
    there.save("chat:1", *TEXTS)
    there.start()
    fill(there)
    moves = [switch(there.owner, newer=newer) for newer in (True, True, False, False)]
    assert [(registered_space.space, already) for registered_space, already in moves] == [
        (NEXT, False),
        (NEXT, True),
        (SPACE, False),
        (SPACE, True),
    ]


def test_after_a_rollback_the_old_space_has_what_was_saved_meanwhile(there: Two) -> None:
    there.save("chat:1", TEXTS[0])
    there.start()
    fill(there)
    switch(there.owner, newer=True)
    there.save("chat:2", TEXTS[1])
    switch(there.owner, newer=False)
    there.save("chat:3", TEXTS[2])
    assert contents(there, SPACE) == contents(there, NEXT) == said(*TEXTS)


def test_starting_twice_makes_one_space(there: Two) -> None:
    assert there.start() == there.start()
    with pytest.raises(SettingsError, match="is standby already"):
        make_standby(there.owner, EmbeddingSpace("third", 16))
    with pytest.raises(SettingsError, match="is the active space"):
        make_standby(there.owner, SPACE)


def test_a_start_that_dies_leaves_nothing(there: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.stores.pgvector.cutover._NOTE", "SELECT %s, %s, %s, %s, 1 / 0")
    with pytest.raises(Exception, match="22012"):
        there.start()
    monkeypatch.undo()
    with psycopg.connect(there.owner) as owner:
        schemas = owner.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'memory_%'").fetchall()
        triggers = owner.execute("SELECT tgname FROM pg_trigger WHERE tgname LIKE 'also_%'").fetchall()
    assert (schemas, triggers) == ([], [])
    assert there.start().space == NEXT


def test_the_new_space_may_have_other_dimensions(there: Two) -> None:
    there.save("chat:1", *TEXTS)
    larger = EmbeddingSpace("larger", 48)
    there.embedders[larger] = type(there.embedders[SPACE])(larger)
    make_standby(there.owner, larger)
    fill(there)
    switch(there.owner, newer=True)
    there.save("chat:2", "later")
    assert contents(there, larger) == contents(there, SPACE) == said(*TEXTS, "later")


@pytest.mark.parametrize("switches", [0, 1, 2])
def test_either_space_may_be_dropped_and_the_other_lives_on(there: Two, switches: int) -> None:
    there.save("chat:1", *TEXTS)
    there.start()
    fill(there)
    for number in range(switches):
        switch(there.owner, newer=number == 0)
    left = SPACE if switches != 1 else NEXT
    dropped = drop_standby(there.owner, settle_seconds=0)
    assert dropped
    assert dropped.space != left
    assert drop_standby(there.owner, settle_seconds=0) is None
    there.save("chat:2", "later")
    assert contents(there, left) == said(*TEXTS, "later")
    assert migrate(there.owner, left) == []
    with pytest.raises(StoreUnavailableError, match="not in space"):
        contents(there, dropped.space)


def test_after_a_drop_another_space_may_be_made_under_a_new_name(there: Two) -> None:
    first = there.start()
    drop_standby(there.owner, settle_seconds=0)
    assert there.start().schema != first.schema


def test_a_space_that_was_asked_a_moment_ago_is_not_dropped(there: Two) -> None:
    there.start()
    switch(there.owner, newer=True)
    with pytest.raises(SettingsError, match="no sooner than 60 s"):
        drop_standby(there.owner)


def test_a_writer_that_knows_less_writes_nothing(there: Two) -> None:
    key = there.table.save("chat:1", TEXTS[0])
    stale = there.reconciler(SPACE)
    stale.store.read("acme", {key.source: set()})
    there.start()
    report = stale.run(there.notice(key))
    assert isinstance(report.failures[key.source], StoreUnavailableError)
    assert contents(there, SPACE) == []
    other = there.table.save("chat:2", TEXTS[1])  # the first one is still leased
    assert stale.run(there.notice(other)).failures == {}
    switch(there.owner, newer=True)
    for reason in ("the spaces changed", "another space is active"):
        late = there.table.save(f"chat:{reason}", TEXTS[2])
        failure = stale.run(there.notice(late)).failures[late.source]
        assert isinstance(failure, StoreUnavailableError)
        assert reason in str(failure)
    assert contents(there, SPACE) == said(TEXTS[1])


def test_a_forget_request_to_forget_is_not_carried_out_by_who_knows_less(there: Two) -> None:
    there.save("chat:1", *TEXTS)
    stale = there.store(SPACE, there.ingest)
    stale.read("acme", {})
    there.start()
    fill(there)
    with pytest.raises(StoreUnavailableError, match="the spaces changed"):
        stale.mark(REQUEST)
    assert stale.markers("acme", {"acme"}, set()).times == {}
    assert there.forget(REQUEST).deleted == 3
    assert contents(there, SPACE) == contents(there, NEXT) == []


@pytest.mark.parametrize("switched", [False, True])
def test_a_forget_request_reaches_both_spaces(there: Two, switched: bool) -> None:
    there.save("chat:1", *TEXTS)
    there.start()
    fill(there)
    if switched:
        switch(there.owner, newer=True)
    edited = there.gone(there.table.save("chat:1", *TEXTS[:2]), "edited", TEXTS[2])
    there.work(there.notice(there.table.save("chat:1", *TEXTS[:2]), edited))
    assert contents(there, SPACE) == contents(there, NEXT) == said(*TEXTS[:2])


def test_a_kept_chunk_comes_over_and_is_forgotten_in_both_spaces(there: Two) -> None:
    key = there.save("chat:1", *TEXTS)
    there.table.save("chat:1", TEXTS[2])
    there.work(there.notice(key, there.gone(key, "capped", *TEXTS[:2])))
    there.start()
    fill(there)
    assert contents(there, NEXT) == said(*TEXTS)
    switch(there.owner, newer=True)
    there.work(there.notice(key, there.everything_gone()))
    assert contents(there, SPACE) == contents(there, NEXT) == said(TEXTS[2])


def test_a_chunk_forgotten_after_the_fill_read_it_is_not_put(there: Two) -> None:
    there.save("chat:1", *TEXTS)
    there.start()
    active, standby = two(there.register)
    copy = SpaceCopy(there.connector, active, standby)
    sources = list(there.table.items)
    rows = copy.behind("acme", sources)
    there.forget(REQUEST)
    vector = float32([1.0] * 16)
    assert copy.put("acme", [(row, vector, "f") for row in rows]) == 0
    assert contents(there, NEXT) == []


def test_a_chunk_deleted_while_the_fill_puts_it_is_gone_from_both_spaces(there: Two) -> None:
    """The put has taken the row's lock and is not committed yet: the delete waits, and then deletes both."""
    there.save("chat:1", TEXTS[0])
    standby = there.start()
    with psycopg.connect(there.owner, autocommit=True) as waiting, psycopg.connect(there.owner) as putting:
        putting.execute("SELECT set_config('app.tenant_id', 'acme', true)")
        putting.execute("SELECT id FROM memories FOR SHARE")
        copied = f"""INSERT INTO {standby.schema}.memories (id, user_id, content, embedding, tenant_id, source, created_at, metadata, members, line_lengths)
                     SELECT id, user_id, content, embedding, tenant_id, source, created_at, metadata, members, line_lengths FROM memories"""
        putting.execute(copied)
        with ThreadPoolExecutor(1) as pool, psycopg.connect(there.owner, autocommit=True) as deleting:
            gone = pool.submit(lambda: deleting.execute("DELETE FROM memories").rowcount)
            blocked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            until(lambda: waiting.execute(blocked).fetchone() != (0,), "the delete waits")
            putting.commit()
            assert gone.result() == 1
    assert contents(there, SPACE) == contents(there, NEXT) == []


def test_a_chunk_of_the_old_space_alone_is_forgotten_there_after_a_switch(there: Two) -> None:
    key = there.save("chat:1", *TEXTS)
    there.start()
    switch(there.owner, newer=True)
    there.table.save("chat:1", *TEXTS[1:])
    there.reconciler(NEXT).run(there.notice(key, there.gone(key, "edited", TEXTS[0])))
    assert contents(there, SPACE) == said(*TEXTS[1:])
    assert there.forget(REQUEST, NEXT).deleted == 2
    assert contents(there, SPACE) == contents(there, NEXT) == []


def test_a_chunk_of_the_old_space_alone_comes_over_after_a_switch(there: Two) -> None:
    key = there.save("chat:1", *TEXTS)
    there.start()
    switch(there.owner, newer=True)
    there.work(there.notice(key, look=True))
    assert contents(there, NEXT) == said(*TEXTS)


def test_the_chat_apps_own_rows_are_counted_and_left_alone(there: Two) -> None:
    insert = "INSERT INTO memories (user_id, content, embedding) VALUES ('mika', 'own', %s)"
    with psycopg.connect(there.owner, options="-c app.tenant_id=acme") as app:
        app.execute(insert, [str([1.0] * 16)])
    there.start()
    assert fill(there).items == 0
    progress = Spaces(Connector(lambda: there.owner)).progress(*two(there.register))
    assert (progress.chunks, progress.own, progress.behind) == (1, 1, 0)


def test_the_standing_counts_what_is_missing(there: Two) -> None:
    there.save("chat:1", *TEXTS)
    there.save("chat:2", "日本語の記憶")
    there.start()
    spaces = Spaces(Connector(lambda: there.owner))
    progress = spaces.progress(*two(there.register))
    assert (progress.chunks, progress.behind, progress.items, progress.overdue) == (4, 4, 2, 0)
    assert progress.tokens > 0
    fill(there)
    assert spaces.progress(*two(there.register)).behind == 0


def test_a_switch_waits_for_what_should_be_there_by_now(there: Two) -> None:
    there.save("chat:1", *TEXTS)
    there.start()
    spaces = Spaces(Connector(lambda: there.owner))
    refuse_gaps(spaces, there.register, newer=True)
    with psycopg.connect(there.owner, autocommit=True) as owner:
        owner.execute("UPDATE ledger SET indexed_at = now() - interval '2 minutes'")
    with pytest.raises(SettingsError, match="lacks 3 chunks"):
        refuse_gaps(spaces, there.register, newer=True)
    fill(there)
    refuse_gaps(spaces, there.register, newer=True)


def test_a_role_that_sees_no_tenant_is_told_so(there: Two, database: Callable[..., str]) -> None:
    with pytest.raises(SettingsError, match="memory_operations"):
        Spaces(Connector(lambda: there.query)).register()
    seeing = database("memory_operations")
    assert Spaces(Connector(lambda: seeing)).register().active


def test_a_provider_of_the_new_space_that_is_down_delays_only_the_new_space(there: Two) -> None:
    there.start()
    down = there.embedders[NEXT]
    works = down.embed

    def fail(_: object) -> list[object]:
        raise EmbeddingUnavailableError("down")

    down.embed = fail  # type: ignore[method-assign,assignment]
    key = there.table.save("chat:1", TEXTS[0])
    notice = there.notice(key)
    report = there.work(notice)
    assert isinstance(report.failures[key.source], EmbeddingUnavailableError)
    assert (contents(there, SPACE), report.indexed) == (said(TEXTS[0]), {key.source})
    down.embed = works  # type: ignore[method-assign]
    assert there.work(notice).failures == {}
    assert contents(there, NEXT) == said(TEXTS[0])


def test_a_text_that_the_new_provider_refuses_fails_alone(there: Two) -> None:
    keys = [there.table.save(f"chat:{number}", text) for number, text in enumerate(TEXTS)]
    there.start()
    embedder = there.embedders[NEXT]
    works = embedder.embed

    def refuse(texts: list[str]) -> object:
        if any("cat" in text for text in texts):
            raise EmbeddingRejectedError("refused (400)")
        return works(texts)

    embedder.embed = refuse  # type: ignore[method-assign,assignment]
    report = there.work({source: one for key in keys for source, one in there.notice(key).items()})
    assert set(report.failures) == {keys[1].source}
    assert isinstance(report.failures[keys[1].source], EmbeddingRejectedError)
    embedder.embed = works  # type: ignore[method-assign]
    assert contents(there, NEXT) == said(TEXTS[0], TEXTS[2])


def test_comparing_a_space_with_its_like_finds_the_same(there: Two) -> None:
    there.save("chat:1", *(f"word{number} again" for number in range(30)))
    there.start()
    fill(there)
    samples = Spaces(Connector(lambda: there.owner)).sample(*two(there.register), 5)
    questions = [question_of(sample) for sample in samples]
    sides = [Side(there.embedders[space], there.store(space)) for space in (SPACE, NEXT)]
    done = compare(questions, *sides)
    assert (len(done.overlaps), done.mean) == (5, pytest.approx(1.0))
    assert done.tokens == 30
    apart = compare(questions, sides[0], Side(there.embedders[SPACE], there.store(NEXT)))
    assert apart.mean < 0.9


def test_the_audit_looks_at_the_space_that_answers(there: Two) -> None:
    key = there.save("chat:1", *TEXTS)
    there.start()
    switch(there.owner, newer=True)
    inventory = Inventory(Connector(lambda: there.owner))
    assert list(inventory.rows([key.source])) == []
    there.work(there.notice(key, look=True))
    assert len(inventory.rows([key.source])) == 3
    assert [source for _, source, *_ in inventory.items()] == [key.source]
    assert len(inventory.messages([key.source])) == 3


def test_imported_vectors_that_no_notice_can_name_are_embedded_on_the_spot(there: Two) -> None:
    there.save("chat:1", *TEXTS)
    with psycopg.connect(there.owner, autocommit=True) as owner:
        owner.execute("UPDATE ledger SET item_key = NULL")
    there.start()
    queue, work = filling(there)
    done = work.run(*two(there.register))
    assert (done.items, done.here, done.failed, queue.sent) == (0, 1, 0, [])
    assert contents(there, NEXT) == said(*TEXTS)
