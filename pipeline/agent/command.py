"""The command ``vector-memory mcp``: settles whose memory is served, and by which way it is reached."""

import argparse
import os

from pipeline.agent.client import MemoryClient
from pipeline.errors import SettingsError


def add_arguments(mcp: argparse.ArgumentParser) -> None:
    """Say which options there are."""
    way = mcp.add_mutually_exclusive_group(required=True)
    way.add_argument("--function", metavar="NAME", help="invoke this function: the output QueryFunctionName")
    way.add_argument("--url", help="sign requests to this function URL: the output QueryUrl")
    way.add_argument(
        "--api", metavar="URL", help="send a token to this HTTP API: the output QueryApiEndpoint"
    )
    way.add_argument("--demo", action="store_true", help="the demo that runs on this machine")
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
    mcp.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until standard input closes."""
    client = client_of(options)
    try:
        from pipeline.agent.mcp_server import serve  # noqa: PLC0415  # an extra
    except ImportError:
        raise SettingsError("the MCP SDK is not installed: install vector-memory[agent]") from None
    serve(client)
    return 0


def client_of(options: argparse.Namespace) -> MemoryClient:
    """Return the client that the options describe.

    Raises:
        SettingsError: nobody is named.
    """
    from pipeline.agent import transports  # noqa: PLC0415  # boto3 takes a while to import

    timeout = float(options.timeout)
    if options.api:
        return MemoryClient(
            transports.BearerTransport(options.api, lambda: _token(options.token_variable), timeout)
        )
    if not options.tenant:
        raise SettingsError("say whose memory: --tenant, and --user if it is not the tenant's own")
    user = options.user or options.tenant
    if options.url:
        return MemoryClient(
            transports.UrlTransport(options.url, options.tenant, user, timeout_seconds=timeout)
        )
    function = os.environ["QUERY_FUNCTION"] if options.demo else options.function
    client = transports.lambda_client(timeout)
    return MemoryClient(transports.LambdaTransport(function, options.tenant, user, client))


def _token(variable: str) -> str:
    token = os.environ.get(variable)
    if not token:
        raise SettingsError(f"{variable} is not set: put the token there")
    return token
