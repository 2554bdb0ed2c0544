"""Schemathesis asks the running function what its OpenAPI document allows, and what it does not.

``SCHEMA_EXAMPLES`` says how many cases each operation gets.
"""

import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_schema_conformance,
    status_code_conformance,
)
from support.chunks import planned
from support.loopback import Loopback

from pipeline.packaging.api_description import describe_api
from pipeline.stores.chunks import Chunk
from pipeline.stores.pgvector.store import PgVectorStore

pytest_plugins = ["schemathesis.pytest.plugin"]  # here only: its import takes longer than most tests
pytestmark = pytest.mark.integration
EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "25"))
IDENTITY = {"x-tenant-id": "acme", "x-user-id": "mika"}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    positive_data_acceptance,
]
REFUSED = ["400", "401", "403", "404", "405", "413"]
config = schemathesis.Config.from_dict(
    {"checks": {"negative_data_rejection": {"expected-statuses": REFUSED}}}
)
schema = schemathesis.openapi.from_dict(describe_api(), config=config)
seen: Counter[str] = Counter()


@pytest.fixture(scope="module", autouse=True)
def counts() -> Iterator[None]:
    yield
    print(f"\nschemathesis: {sum(seen.values())} cases, {dict(sorted(seen.items()))}")


@pytest.fixture
def address(query_function: PgVectorStore, embedder: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TRUSTED_CALLERS", '{"arn:aws:iam::123456789012:role/agent": {"acme": ["mika"]}}')
    metadata = {"key": "chat:1", "kind": "session", "roles": ["user"], "date": "2026-11-22"}
    chunk = Chunk(f"{1:032x}", "mika", "user: the parcel is here", ("m",), "f", None, metadata)
    [vector] = embedder.embed([chunk.text])
    query_function.apply("acme", [planned("s", upserts=[(chunk, vector)])])
    with Loopback() as loopback:
        yield loopback.url


def is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(datetime.fromisoformat(value))
    except ValueError:
        return False


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_described(case: Any, address: str) -> None:
    if isinstance(case.body, dict) and isinstance(case.body.get("time_zone"), str):
        case.body["time_zone"] = "Asia/Tokyo"  # which names of zones there are no schema can say
    if isinstance(case.body, dict) and all(map(is_time, (case.body.get("since"), case.body.get("until")))):
        case.body["until"] = None  # nor that it is later
    answer = case.call(base_url=address, headers=IDENTITY)
    seen[str(answer.status_code)] += 1
    case.validate_response(answer, checks=CHECKS, headers=IDENTITY)
