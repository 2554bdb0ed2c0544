"""A certificate authority of a test's own, and certificates that it signs."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of a certificate and of its key."""

    certificate: Path
    key: Path


class Authority:
    """Signs. Its own certificate lies in ``root``."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._builder(
            self._name, self._key.public_key(), datetime.now(UTC) - DAY, 30 * DAY
        ).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.root = folder / f"{name}.pem"
        self.root.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def certificate(self, host: str, *, expired: bool = False) -> Certificate:
        """Sign one for ``host``; one that expired did so yesterday."""
        key = ec.generate_private_key(ec.SECP256R1())
        begins, lasts = datetime.now(UTC) - 3 * DAY, 2 * DAY if expired else 20 * DAY
        made = self._builder(x509.Name([]), key.public_key(), begins, lasts).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False
        )
        stem = f"{host}-expired" if expired else host
        files = Certificate(self._folder / f"{stem}.crt", self._folder / f"{stem}.key")
        files.certificate.write_bytes(
            made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        files.key.chmod(0o600)
        return files

    def _builder(
        self, name: x509.Name, key: ec.EllipticCurvePublicKey, begins: datetime, lasts: timedelta
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(begins + lasts)
        )
