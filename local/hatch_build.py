"""Names the version of vector-memory that the local stack goes with: its own, since it uses what is inside of it."""

from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class SameVersion(MetadataHookInterface):
    """Adds it to the dependencies; the demo embeds offline."""

    def update(self, metadata: dict[str, Any]) -> None:
        """See the base class."""
        own = f"vector-memory[offline]=={metadata['version']}"
        metadata["dependencies"] = [own, *self.config["dependencies"]]
