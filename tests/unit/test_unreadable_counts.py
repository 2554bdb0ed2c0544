"""What cannot be read is counted once an item, and shown wherever an operator looks."""

import json
from dataclasses import replace
from typing import Any

import pytest

from pipeline.ingest.measures import Spent, ingest_measures
from pipeline.ingest.work import Report
from pipeline.operations.audit.audit import AuditReport, repair_notices
from pipeline.operations.items.differences import Finding
from pipeline.operations.status.stack_health import StackHealth, advice, as_text
from pipeline.source.layouts import Layouts


@pytest.fixture
def report(layouts: Layouts) -> Report:
    messages = [{"who": "user", "said": "xylophone"}, {"role": "user", "content": "password: hunter2x"}]
    item: Any = {
        "tenant_id": {"S": "acme"},
        "session_key": {"S": "a"},
        "messages": {"S": json.dumps(messages)},
    }
    document = layouts.parse("t", item)
    assert document
    report = Report(frozenset({'["t", "acme", "a"]'}))
    report.notice(document)
    report.notice(document)  # a conflict: it is read again
    report.notice(replace(document, unreadable=0, redacted=0))
    report.notice(None)
    return report


def test_an_item_that_is_read_twice_counts_once(report: Report) -> None:
    assert (report.unreadable_messages, report.secrets_redacted) == (1, 1)
    assert list(report.unreadable) == ['["t", "acme", "a"]']


def test_the_metrics_carry_the_counts(report: Report) -> None:
    measures = {one.name: one.values for one in ingest_measures(report, {}, Spent(0, 0, 0.0), 0.0)}
    assert (measures["UnreadableMessages"], measures["SecretsRedacted"]) == ([1], [1])


def test_the_status_says_what_to_do() -> None:
    seen = StackHealth(60, unreadable_messages=3)
    [advised] = advice(seen)
    assert (advised.level, advised.what.startswith("3 messages")) == ("act", True)
    assert "audit" in advised.do
    assert "messages not understood" in as_text(seen, [advised])


def test_no_notice_can_mend_a_shape_that_is_not_understood(layouts: Layouts) -> None:
    address = layouts.address("t", {"tenant_id": {"S": "acme"}, "session_key": {"S": "a"}})
    assert address
    source = address.key.source
    report = AuditReport(findings=[Finding("unreadable", "acme", source)], addresses={source: address})
    assert repair_notices(report, 0.0) == []
    report.findings.append(Finding("missing", "acme", source, "c"))
    assert [notice.address for notice in repair_notices(report, 0.0)] == [address]
