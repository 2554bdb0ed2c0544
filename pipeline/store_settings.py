"""Which store, and where it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pipeline.errors import SettingsError

StoreName = Literal["pgvector", "dynamodb", "opensearch"]
Generation = Literal["classic", "nextgen"]
LOGINS: Mapping[StoreName, tuple[str, ...]] = {
    "pgvector": ("database_secret_arn",),
    "dynamodb": (),
    "opensearch": (),
}
"""Store → settings that a function needs to log in to it, unless DATABASE_URL says it all. The others know its role."""


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where memory is kept. pgvector needs none but the name.

    Args:
        ledger_table: the ledger, for stores other than pgvector.
        vector_table: chunks and vectors, for ``dynamodb``.
        endpoint: of the collection, for ``opensearch``: https, or http on loopback.
        generation: of the collection.
        index: in the collection.
    """

    name: StoreName = "pgvector"
    ledger_table: str | None = None
    vector_table: str | None = None
    endpoint: str | None = None
    generation: Generation = "classic"
    index: str = "memories"

    def require(self, name: str) -> str:
        """Return the setting called ``name``.

        Raises:
            SettingsError: it is not set.
        """
        value = getattr(self, name)
        if not value:
            variable = "OPENSEARCH_ENDPOINT" if name == "endpoint" else name.upper()
            raise SettingsError(f"{variable} is not set; STORE={self.name} needs it (see template.yaml)")
        return str(value)
