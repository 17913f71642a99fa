"""Trust for clients that speak plain HTTP to loopback."""

import ssl

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""It trusts nobody, and loads no list of authorities, which takes 15 ms for each client."""
