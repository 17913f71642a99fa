"""Addresses that a tenant's endpoint may not have."""

import socket

import pytest

from app.core.outbound import AddressRefused, public_socket


def _made(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    where = (address, 443, 0, 0) if ":" in address else (address, 443)
    public_socket((family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", where)).close()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "::1",
        "fe80::1%lo",
        "fd00::1",
        "fec0::1",
        "ff0e::1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::a00:1",
        "2002:a00:1::",
        "::ffff:10.0.0.1",
        "::ffff:8.8.8.8",
        "::10.0.0.1",
        "2001::1",
    ],
)
def test_private_addresses_are_refused_in_whatever_form(address: str) -> None:
    with pytest.raises(AddressRefused):
        _made(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "2a00:1450:4001:80b::200e"])
def test_public_addresses_pass(address: str) -> None:
    try:
        _made(address)
    except AddressRefused:
        raise
    except OSError:
        pytest.skip("no IPv6 on this machine")
