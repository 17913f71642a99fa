"""The signing keys of the development Entra, in a file so that tokens outlive a restart."""

import base64
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

_PEM = re.compile(rb"-----BEGIN PRIVATE KEY-----.+?-----END PRIVATE KEY-----\n?", re.DOTALL)


@dataclass(frozen=True)
class SigningKey:
    """A private key and its public name."""

    kid: str
    key: rsa.RSAPrivateKey

    @classmethod
    def new(cls) -> "SigningKey":
        """A fresh key."""
        return cls.of(rsa.generate_private_key(65537, 2048))

    @classmethod
    def of(cls, key: rsa.RSAPrivateKey) -> "SigningKey":
        """Name a key by the hash of its public half."""
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return cls(encode(hashlib.sha256(public).digest()[:20]), key)

    def pem(self) -> bytes:
        """The private key for the file."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def public(self, issuer: str) -> dict[str, str]:
        """The JSON Web Key that Entra publishes; `issuer` says who may sign with it."""
        numbers = self.key.public_key().public_numbers()
        return {
            "kty": "RSA",
            "use": "sig",
            "kid": self.kid,
            "x5t": self.kid,
            "n": encode(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")),
            "e": encode(numbers.e.to_bytes(3, "big")),
            "issuer": issuer,
        }

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A signed token."""
        return jwt.encode(dict(claims), self.key, algorithm="RS256", headers={"kid": self.kid})


class KeyStore:
    """The published keys, newest first; the newest signs."""

    def __init__(self, file: Path) -> None:
        self._file = file
        known = _PEM.findall(file.read_bytes()) if file.exists() else []
        self.keys = [SigningKey.of(_load(pem)) for pem in known]
        if not self.keys:
            self.rotate()

    @property
    def current(self) -> SigningKey:
        """The key that signs now."""
        return self.keys[0]

    def rotate(self, *, drop_old: bool = False) -> SigningKey:
        """Sign with a new key from now on; `drop_old` withdraws the others."""
        self.keys = [SigningKey.new(), *([] if drop_old else self.keys)]
        write_private(self._file, b"".join(key.pem() for key in self.keys))
        return self.current


def _load(pem: bytes) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("a signing key is an RSA key")
    return key


def write_private(file: Path, content: bytes) -> None:
    """Write a file that only its owner can read, in one step."""
    scratch = file.with_name(f"{file.name}.new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as handle:
        handle.write(content)
    scratch.replace(file)


def encode(content: bytes) -> str:
    """URL-safe base64 without padding, as tokens have it."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
