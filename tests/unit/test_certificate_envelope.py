"""A certificate is valid as it was signed, and whatever else is brought is refused with a reason."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipeline.errors import InvalidRequestError
from pipeline.operations.certificate import signing

PAYLOAD = b'{"tenant_id": "acme"}'
KEY = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
PUBLIC = signing.public_pem(KEY)


def envelope(change: Callable[[Any], Any]) -> str:
    fields = json.loads(signing.signed(PAYLOAD, KEY))
    change(fields)
    return json.dumps(fields)


def test_a_signed_certificate_is_valid_with_further_signatures_of_others() -> None:
    text = envelope(lambda one: one["signatures"].append({"keyid": "another", "sig": "AAAA"}))
    assert signing.verified(text, PUBLIC) == PAYLOAD


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (envelope(lambda one: one.update(payload=base64.b64encode(b"{}").decode())), "altered"),
        (envelope(lambda one: one["signatures"][0].update(keyid="another")), "another key"),
        (envelope(lambda one: one.update(payloadType="text/plain")), "no certificate"),
        (envelope(lambda one: one.update(signatures=[])), "nobody signed"),
        (envelope(lambda one: one["signatures"][0].update(sig=None)), "no certificate"),
        ("[" * 100_000, "no certificate"),
        ("", "no certificate"),
    ],
    ids=["payload", "key", "type", "unsigned", "no signature", "deep", "empty"],
)
def test_an_altered_certificate_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        signing.verified(text, PUBLIC)
