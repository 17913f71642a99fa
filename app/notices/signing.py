"""Signatures of webhooks as receivers' libraries check them. Source: Standard Webhooks 1.0.0, "Signature scheme"."""

import base64
import hashlib
import hmac
import json
import secrets as random
from collections.abc import Mapping, Sequence
from typing import Any

_PREFIX = "whsec_"
_SECRET_BYTES = 32


def new_secret() -> str:
    """A fresh secret in the form that receivers paste into their library."""
    return _PREFIX + base64.b64encode(random.token_bytes(_SECRET_BYTES)).decode()


def encode(payload: Mapping[str, Any]) -> bytes:
    """The bytes that are signed and sent; the same each time the same payload is sent."""
    return json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def signed_headers(secrets: Sequence[str], *, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a message; `timestamp` is of this attempt, in epoch seconds.

    It is signed with each secret, so that whoever knows one of them can check it.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(secret, signed) for secret in secrets),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"
