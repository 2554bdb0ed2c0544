"""Memory in the hands of agents: a client, tools for function calling, an MCP server."""
