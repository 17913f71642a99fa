"""TLS for loopback: MSAL refuses plain http, so the development Entra has a certificate authority of its own."""

from dataclasses import dataclass
from pathlib import Path

import trustme

from app.local.entra.keys import write_private


@dataclass(frozen=True)
class Certificates:
    """Files for a server, and the authority that its clients are to trust."""

    ca: Path
    server: Path
    """Private key and chain."""


def certificates(folder: Path) -> Certificates:
    """The authority of this folder, made at the first start; the server's certificate is new each time."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ca_file, key_file, server_file = folder / "ca.pem", folder / "ca-key.pem", folder / "server.pem"
    if ca_file.exists() and key_file.exists():
        authority = trustme.CA.from_pem(ca_file.read_bytes(), key_file.read_bytes())
    else:
        authority = trustme.CA(organization_name="Switchboard development")
        write_private(key_file, authority.private_key_pem.bytes())
        ca_file.write_bytes(authority.cert_pem.bytes())
    server = authority.issue_cert("127.0.0.1", "localhost", "::1")
    write_private(server_file, server.private_key_and_cert_chain_pem.bytes())
    return Certificates(ca_file, server_file)
