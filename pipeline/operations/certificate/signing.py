"""Signs a statement so that whoever has the public key can check it, offline and without us.

The envelope is DSSE (github.com/secure-systems-lab/dsse/blob/master/protocol.md), the signature Ed25519 (RFC 8032): what is
signed is the payload's very bytes and their type, so nothing has to be brought into a canonical form.
"""

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

from pipeline.errors import InvalidRequestError, SettingsError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PAYLOAD_TYPE = "application/vnd.vector-memory.erasure+json"
KEY_ID_DIGITS = 32


def new_private_key() -> bytes:
    """Return a new private key, PEM (PKCS #8, not encrypted)."""
    _, ed25519, serialization = _library()
    key = ed25519.Ed25519PrivateKey.generate()
    pem: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem


def public_pem(private_pem: bytes) -> bytes:
    """Return the public key that belongs to a private one, PEM."""
    _, _, serialization = _library()
    pem: bytes = (
        _private(private_pem)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return pem


def signed(payload: bytes, private_pem: bytes) -> str:
    """Return the envelope, JSON.

    Raises:
        SettingsError: the key is no Ed25519 key in PEM, or the library is missing.
    """
    key = _private(private_pem)
    signature = key.sign(_authenticated(PAYLOAD_TYPE, payload))
    envelope = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": key_id(key.public_key()), "sig": base64.b64encode(signature).decode()}],
    }
    return json.dumps(envelope, indent=2)


def verified(envelope: str, public_key_pem: bytes) -> bytes:
    """Return the payload of an envelope that was signed with the private key of this public one.

    Raises:
        InvalidRequestError: it is no such envelope, was altered, or was signed with another key.
        SettingsError: the key is no Ed25519 public key in PEM, or the library is missing.
    """
    invalid_signature, _, _ = _library()
    key = _public(public_key_pem)
    payload, type_, signatures = _read(envelope)
    if type_ != PAYLOAD_TYPE:
        raise InvalidRequestError(
            "the file is signed, and is no certificate of ours", hint="take a certificate"
        )
    if not signatures:
        raise InvalidRequestError("nobody signed the file", hint="take a certificate")
    own = [signature for id_, signature in signatures if id_ == key_id(key)]
    if not own:
        raise InvalidRequestError(
            "the certificate was signed with another key",
            hint=f"its key is {', '.join(id_ for id_, _ in signatures)}",
        )
    try:
        for signature in own:
            key.verify(signature, _authenticated(type_, payload))
    except invalid_signature:
        raise InvalidRequestError(
            "the signature does not fit: the certificate was altered", hint="ask its issuer for it again"
        ) from None
    return payload


def key_id(key: "Ed25519PublicKey") -> str:
    """Return what names a public key: the beginning of the SHA-256 of its 32 bytes, 32 hex digits."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:KEY_ID_DIGITS]


def _authenticated(type_: str, payload: bytes) -> bytes:
    """Return what DSSE signs: lengths and contents of type and payload."""
    name = type_.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


def _read(envelope: str) -> tuple[bytes, str, list[tuple[str, bytes]]]:
    try:
        fields = json.loads(envelope)
        signatures = [(str(one["keyid"]), _bytes(one["sig"])) for one in fields["signatures"]]
        return _bytes(fields["payload"]), str(fields["payloadType"]), signatures
    except (KeyError, TypeError, ValueError, RecursionError):
        raise InvalidRequestError(
            "the file is no certificate", hint="take one that vector-memory certificate issue wrote"
        ) from None


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _private(pem: bytes) -> "Ed25519PrivateKey":
    _, ed25519, serialization = _library()
    key: Ed25519PrivateKey | None
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        key = None
    if key is None or not isinstance(key, ed25519.Ed25519PrivateKey):
        raise SettingsError(
            "the key is no Ed25519 private key in PEM: make one with vector-memory certificate key"
        )
    return key


def _public(pem: bytes) -> "Ed25519PublicKey":
    _, ed25519, serialization = _library()
    key: Ed25519PublicKey | None
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, TypeError):
        key = None
    if key is None or not isinstance(key, ed25519.Ed25519PublicKey):
        raise SettingsError("the key is no Ed25519 public key in PEM")
    return key


def _library() -> tuple[Any, Any, Any]:
    try:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  # an extra
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  # the same
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415  # the same
    except ImportError:
        raise SettingsError("certificates need an extra: pip install 'vector-memory[certificate]'") from None
    return InvalidSignature, ed25519, serialization
