"""Verifies the v1a signatures of Standard Webhooks: verify(headers, body, public_key), with cryptography (PyPI)."""

import base64
import re
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TOLERANCE = 300  # seconds between the sender's clock and ours


def verify(headers, body, public_key, now=None):
    """Whether body, in bytes, was signed by the owner of public_key, 'whpk_…'; headers by their names in lower case."""
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_")))
    timestamp = headers.get("webhook-timestamp", "")
    if not re.fullmatch("[0-9]{1,15}", timestamp) or abs((now or time.time()) - int(timestamp)) > TOLERANCE:
        return False
    signed = f"{headers.get('webhook-id', '')}.{timestamp}.".encode("utf-8", "surrogatepass") + body
    for signature in headers.get("webhook-signature", "").split():
        version, _, encoded = signature.partition(",")
        if version == "v1a":
            try:
                key.verify(base64.b64decode(encoded, validate=True), signed)
                return True
            except (InvalidSignature, ValueError):
                continue
    return False
