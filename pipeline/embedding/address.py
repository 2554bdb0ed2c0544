"""Where an API that speaks OpenAI's calls is, and how it wants its key. Pure."""

from urllib.parse import parse_qsl, urlsplit

_AZURE_HOSTS = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")


def embeddings_url(base_url: str) -> str:
    """Return where to post to: the path goes before the base URL's query, and is not added twice."""
    parts = urlsplit(base_url)
    path = parts.path.rstrip("/").removesuffix("/embeddings")
    return parts._replace(path=f"{path}/embeddings").geturl()


def without_query(base_url: str) -> tuple[str, dict[str, str]]:
    """Return the base URL without its query, and the query."""
    parts = urlsplit(base_url)
    return parts._replace(query="").geturl(), dict(parse_qsl(parts.query))


def key_header(base_url: str, key: str) -> dict[str, str]:
    """Return the header with the key: Azure has one of its own, and refuses both at once."""
    parts = urlsplit(base_url)
    azure = (parts.hostname or "").endswith(_AZURE_HOSTS) or "api-version" in dict(parse_qsl(parts.query))
    return {"api-key": key} if azure else {"Authorization": f"Bearer {key}"}
