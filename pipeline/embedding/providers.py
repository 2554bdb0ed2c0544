"""Makes the embedder that settings describe, and imports no more than that one needs."""

import time

from pipeline.aws import Account
from pipeline.embedding.vectors import Embedder, EmbeddingSpace
from pipeline.errors import EmbeddingNotConfiguredError, SettingsError
from pipeline.secret_texts import api_key_of
from pipeline.settings import EmbeddingSettings


def space_of(chosen: EmbeddingSettings) -> EmbeddingSpace:
    """Return the space that settings describe."""
    return EmbeddingSpace(chosen.model, chosen.dimensions)


def embedder_of(chosen: EmbeddingSettings, account: Account, openai_secret_arn: str | None) -> Embedder:
    """Return the embedder that settings describe; its key is read when it first asks.

    Raises:
        SettingsError: the provider does not make such vectors.
        EmbeddingNotConfiguredError: nothing says where its key is.
    """
    if chosen.provider == "offline":
        from pipeline.embedding.offline import OfflineEmbedder  # noqa: PLC0415  # an extra

        return _of_space(OfflineEmbedder(), space_of(chosen))
    if chosen.provider == "bedrock":
        from pipeline.embedding.bedrock import BedrockEmbedder  # noqa: PLC0415  # not needed elsewhere

        return BedrockEmbedder(chosen, account.bedrock_client(chosen.timeout_seconds), time.sleep)
    from pipeline.embedding.openai import OpenAIEmbedder  # noqa: PLC0415  # not needed offline

    if not openai_secret_arn:
        raise EmbeddingNotConfiguredError("OPENAI_SECRET_ARN is not set; EMBEDDING_PROVIDER openai needs it")
    return OpenAIEmbedder(chosen, lambda: api_key_of(account.read_secret(openai_secret_arn)), time.sleep)


def _of_space(made: Embedder, space: EmbeddingSpace) -> Embedder:
    if made.space != space:
        raise SettingsError(
            f"the offline embedder makes {made.space.model} in {made.space.dimensions} dimensions only"
        )
    return made
