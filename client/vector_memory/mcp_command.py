"""The command ``vector-memory-mcp``: settles whose memory is served, and by which way it is reached."""

import argparse
import os
import sys
from collections.abc import Sequence

from vector_memory.client import MemoryClient
from vector_memory.errors import SettingsError, VectorMemoryError
from vector_memory.transports import BearerTransport, checked_timeout, safe_url
from vector_memory.version import VERSION


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="vector-memory-mcp", description="Serve one user's memory to an agent, by MCP."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    add_arguments(parser)
    try:
        return run(parser.parse_args(arguments))
    except VectorMemoryError as error:
        print(f"vector-memory-mcp: {error}", file=sys.stderr)  # noqa: T201  # a command line prints
        return 2


def add_arguments(mcp: argparse.ArgumentParser) -> "argparse._MutuallyExclusiveGroup":
    """Say which options there are; return the group of those that say by which way memory is reached."""
    way = mcp.add_mutually_exclusive_group(required=True)
    way.add_argument("--function", metavar="NAME", help="invoke this function: the output QueryAliasArn")
    way.add_argument("--url", help="sign requests to this function URL: the output QueryUrl")
    way.add_argument(
        "--api", metavar="URL", help="send a token to this HTTP API: the output QueryApiEndpoint"
    )
    mcp.add_argument("--tenant", help="whose memory; with --api the token says it")
    mcp.add_argument("--user", help="the user within the tenant (default: the tenant's own)")
    mcp.add_argument(
        "--token-variable",
        metavar="NAME",
        default="VECTOR_MEMORY_TOKEN",
        help="environment variable that holds the token (default: %(default)s)",
    )
    mcp.add_argument(
        "--timeout", type=float, default=10.0, metavar="SECONDS", help="of one try (default: 10)"
    )
    return way


def run(options: argparse.Namespace) -> int:
    """Serve until standard input closes."""
    client = client_of(options)
    try:
        from vector_memory.mcp_server import serve  # noqa: PLC0415  # an extra
    except ImportError:
        raise SettingsError("the MCP SDK is not installed: pip install 'vector-memory-client[mcp]'") from None
    serve(client)
    return 0


def client_of(options: argparse.Namespace) -> MemoryClient:
    """Return the client that the options describe.

    Raises:
        SettingsError: nobody is named, there is no token, or a value is none.
    """
    timeout = checked_timeout(options.timeout)
    if options.api or options.url:
        safe_url(options.api or options.url)
    if options.api:
        _token(options.token_variable)  # what is not set now is not set later
        return MemoryClient(BearerTransport(options.api, lambda: _token(options.token_variable), timeout))
    if not options.tenant:
        raise SettingsError("say whose memory: --tenant, and --user if it is not the tenant's own")
    return _over_aws(options, options.user or options.tenant, timeout)


def _over_aws(options: argparse.Namespace, user: str, timeout: float) -> MemoryClient:
    try:
        from vector_memory import aws  # noqa: PLC0415  # an extra, and boto3 takes a while to import
    except ImportError:
        raise SettingsError("boto3 is not installed: pip install 'vector-memory-client[aws]'") from None
    if options.url:
        return MemoryClient(aws.UrlTransport(options.url, options.tenant, user, timeout_seconds=timeout))
    function = aws.LambdaTransport(options.function, options.tenant, user, aws.lambda_client(timeout))
    return MemoryClient(function)


def _token(variable: str) -> str:
    token = os.environ.get(variable)
    if not token:
        raise SettingsError(f"{variable} is not set: put the token there")
    return token


if __name__ == "__main__":
    sys.exit(main())
