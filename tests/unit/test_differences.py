"""What the audit calls missing, stale, extra and astray."""

from collections.abc import Sequence

import pytest

from pipeline.embedding.vectors import Space
from pipeline.ingest.chunking import Chunker
from pipeline.operations.audit import AuditReport, repair_notices
from pipeline.operations.differences import Finding, differences
from pipeline.source.documents import Document, Entry, ItemKey
from pipeline.source.layouts import Address
from pipeline.stores.inventory import StoredChunk

KEY = ItemKey("sessions", "tenant_id", "acme", "session_key", "chat:1")
ADDRESS = Address(KEY, "acme", "acme", "session")
CHUNKER = Chunker(frozenset({"system"}), 256, lambda text, _: [text], Space("test-words", 16))


def session(*names: str) -> Document:
    return Document(KEY, "acme", "acme", "session", tuple(Entry(name, "user", name * 40) for name in names))


def rows(document: Document, *retained: str) -> list[StoredChunk]:
    return [
        StoredChunk(
            "acme",
            KEY.source,
            chunk.id,
            chunk.user_id,
            chunk.text,
            chunk.members,
            chunk.members[0] in retained,
        )
        for chunk in CHUNKER.chunks(document)
    ]


def kinds(
    document: Document | None, stored: Sequence[StoredChunk], banned: frozenset[str] = frozenset()
) -> list[str]:
    return sorted(found.kind for found in differences("acme", KEY.source, document, stored, CHUNKER, banned))


def test_an_item_that_is_indexed_as_it_is_shows_nothing() -> None:
    assert kinds(session("a", "b"), rows(session("a", "b"))) == []


def test_a_row_that_is_not_there_is_missing() -> None:
    assert kinds(session("a", "b"), rows(session("a", "b"))[1:]) == ["missing"]


@pytest.mark.parametrize("field", ["content", "user_id"])
def test_a_row_with_another_text_or_user_is_stale(field: str) -> None:
    [row] = rows(session("a"))
    values = {name: getattr(row, name) for name in row.__slots__} | {field: "other"}
    assert kinds(session("a"), [StoredChunk(**values)]) == ["stale"]


def test_a_row_nothing_accounts_for_is_extra() -> None:
    assert kinds(session("a"), rows(session("a", "b"))) == ["extra"]


def test_a_retained_row_is_no_finding_and_what_it_holds_is_not_missing() -> None:
    assert kinds(session("b"), rows(session("a", "b"), "a")) == []
    assert kinds(None, rows(session("a"), "a")) == []


def test_a_mark_of_retention_on_a_row_the_item_has_whole_hides_nothing() -> None:
    assert kinds(session("a"), rows(session("a", "b"), "b")) == []
    [row] = rows(session("a"), "a")
    wrong = StoredChunk(row.tenant_id, row.source, row.id, row.user_id, "other", row.members, retained=True)
    assert kinds(session("a"), [wrong]) == ["stale"]


def test_a_copy_under_another_tenant_is_astray() -> None:
    [row] = rows(session("a"))
    copy = StoredChunk("zenith", row.source, row.id, row.user_id, row.content, row.members, retained=False)
    assert kinds(session("a"), [row, copy]) == ["wrong_tenant"]


def test_what_a_marker_covers_must_not_be_there() -> None:
    assert kinds(session("a"), [], frozenset({"a"})) == []
    assert kinds(session("a"), rows(session("a")), frozenset({"a"})) == ["extra"]


def notices(*found: Finding, assume: str = "list") -> list[tuple[int, int]]:
    report = AuditReport(findings=list(found), addresses={KEY.source: ADDRESS})
    return [(len(notice.facts), len(notice.doubts)) for notice in repair_notices(report, assume, 1.0)]  # type: ignore[arg-type]


def test_a_repair_doubts_what_is_stale_or_extra_and_forgets_what_vanished() -> None:
    assert notices(
        Finding("missing", "acme", KEY.source, "1"), Finding("stale", "acme", KEY.source, "2")
    ) == [(0, 1)]
    assert notices(Finding("vanished", "acme", KEY.source)) == [(1, 0)]
    assert notices(Finding("wrong_tenant", "zenith", KEY.source, "1")) == []


def test_what_may_have_expired_waits_for_a_decision() -> None:
    gone = Finding("expired", "acme", KEY.source)
    assert notices(gone) == []
    assert notices(gone, assume="expired") == [(0, 0)]
    assert notices(gone, assume="deleted") == [(1, 0)]
