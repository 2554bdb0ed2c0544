"""A real OpenSearch for the tests, or a word on why there is none."""

from collections.abc import Iterator

import pytest
from support.not_run import not_run

from pipeline.local import opensearch_node
from pipeline.local.opensearch_server import OpenSearchServer


def require_opensearch() -> None:
    """Skip the test where it cannot be started, and fail it where everything must run."""
    if lacking := opensearch_node.missing():
        not_run(f"no real OpenSearch can be started here. Install {', '.join(lacking)}")


def url() -> Iterator[str]:
    """Yield the URL of one that runs."""
    require_opensearch()
    with opensearch_node.running() as named:
        yield named


def engine(request: pytest.FixtureRequest, kind: str) -> str | None:
    """Return what stands behind a server's rules: the URL of the real one, or nothing for the one in memory."""
    return request.getfixturevalue("opensearch_url") if kind == "real" else None


def indices(server: OpenSearchServer) -> list[str]:
    """Return the names of what lies on the server's node."""
    return (
        [one["index"] for one in server.node.ask("GET", "/_cat/indices?format=json")] if server.node else []
    )
