"""Where clients for tenants' addresses really connect to: every socket is recorded, none leaves loopback.

Below the rules for addresses, which are tested by themselves, so that each would be enough alone.
"""

import socket
from collections.abc import Iterator, Sequence

import aiohttp
import httpx2
import pytest
import requests
from aiohttp.abc import AbstractResolver, ResolveResult

from app.core.outbound import connector
from app.llm.providers.guard import http_client, unused_client
from tests.core.doors_of_this_machine import LoopbackDoor

_PUBLIC, _ALSO_PUBLIC = "93.184.215.14", "2606:4700:4700::1111"


@pytest.fixture
def door() -> Iterator[LoopbackDoor]:
    with LoopbackDoor() as listening:
        yield listening


_REACHES: dict[str, str] = {
    "loopback": "http://127.0.0.1:{port}/",
    "one decimal number": "http://2130706433:{port}/",
    "octal": "http://0177.0.0.1:{port}/",
    "hexadecimal": "http://0x7f.0.0.1:{port}/",
    "hexadecimal, one number": "http://0x7f000001:{port}/",
    "short form": "http://127.1:{port}/",
    "this host": "http://0.0.0.0:{port}/",
    "this host, one number": "http://0:{port}/",
    "IPv6 loopback": "http://[::1]:{port}/",
    "IPv6 of no host": "http://[::]:{port}/",
    "IPv4-mapped": "http://[::ffff:127.0.0.1]:{port}/",
    "IPv4-mapped in hexadecimal": "http://[::ffff:7f00:1]:{port}/",
    "localhost": "http://localhost:{port}/",
    "localhost in capitals": "http://LOCALHOST:{port}/",
    "a user that looks like the host": "http://api.vendor.example@127.0.0.1:{port}/",
}
"""Each of these really gets to this machine by a client without the guard: that is tested, too."""
_LEADS_INSIDE = {
    "metadata of clouds": "http://169.254.169.254:{port}/",
    "metadata of Azure's hosts": "http://168.63.129.16:{port}/",
    "carrier-grade NAT": "http://100.64.0.1:{port}/",
    "private": "http://10.0.0.1:{port}/",
    "multicast": "http://224.0.0.1:{port}/",
    "IPv4-compatible": "http://[::127.0.0.1]:{port}/",
    "NAT64": "http://[64:ff9b::7f00:1]:{port}/",
    "6to4": "http://[2002:7f00:1::]:{port}/",
    "unique local": "http://[fd00:ec2::254]:{port}/",
    "a zone": "http://[fe80::1%25lo]:{port}/",
    "full-width digits": "http://１２７.０.０.１:{port}/",
    "ideographic full stop": "http://127。0。0。1:{port}/",
    "backslash": "http://127.0.0.1:{port}\\@api.vendor.example/",
    "a dot at the end": "http://127.0.0.1.:{port}/",
    "a file": "file:///etc/passwd",
    "gopher": "gopher://127.0.0.1:{port}/",
    "a socket": "unix:///var/run/docker.sock",
}
_ALL = {**_REACHES, **_LEADS_INSIDE}


@pytest.mark.parametrize("trick", _REACHES)
def test_without_the_guard_the_trick_works(trick: str, door: LoopbackDoor) -> None:
    with requests.Session() as session:
        session.trust_env = False
        try:
            session.get(_REACHES[trick].format(port=door.port), allow_redirects=False, timeout=5)
        except requests.ConnectionError:
            if "[" in _REACHES[trick]:
                pytest.skip("no IPv6 on this machine")
            raise
    assert door.requests == ["GET / HTTP/1.1"]


@pytest.mark.parametrize("trick", _ALL)
async def test_the_asynchronous_client_gets_to_no_place_inside(
    trick: str, door: LoopbackDoor, recorded_connects: list[str]
) -> None:
    async with aiohttp.ClientSession(connector=connector(private_allowed=False), trust_env=False) as session:
        with pytest.raises((aiohttp.ClientError, ValueError)):
            await session.get(_ALL[trick].format(port=door.port))

    assert door.requests == []
    assert [one for one in recorded_connects if not one.startswith("look-up of")] == []


@pytest.mark.parametrize("trick", _ALL)
async def test_the_model_client_of_a_tenant_gets_to_no_place_inside(
    trick: str, door: LoopbackDoor, recorded_connects: list[str]
) -> None:
    async with http_client(private_allowed=False) as client:
        for url in (_ALL[trick], _ALL[trick].replace("http://", "https://")):
            with pytest.raises((httpx2.TransportError, httpx2.InvalidURL, ValueError)):
                await client.post(url.format(port=door.port), json={})

    assert door.requests == []
    assert recorded_connects == []


async def test_the_platforms_own_endpoint_may_be_on_this_machine_and_its_redirect_is_not_followed(
    door: LoopbackDoor,
) -> None:
    async with http_client(private_allowed=True) as client:
        answer = await client.post(f"http://127.0.0.1:{door.port}/v1", json={})

    assert answer.status_code == 302
    assert door.requests == ["POST /v1 HTTP/1.1"]


def test_nothing_goes_out_by_the_model_clients_synchronous_half(door: LoopbackDoor) -> None:
    with unused_client() as client, pytest.raises(httpx2.UnsupportedProtocol):
        client.get(f"http://127.0.0.1:{door.port}/")

    assert door.requests == []


async def test_a_proxy_in_the_environment_is_not_used(
    door: LoopbackDoor, recorded_connects: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{door.port}")
        monkeypatch.setenv(name.lower(), f"http://127.0.0.1:{door.port}")
    async with http_client(private_allowed=False) as client:
        with pytest.raises(httpx2.TransportError):
            await client.get(f"https://{_PUBLIC}/")

    assert door.requests == []
    assert recorded_connects == [f"{_PUBLIC}:443"]


class _Names(AbstractResolver):
    """Answers look-ups from a list, one after the other, and counts them."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        self.asked.append(host)
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": socket.IPPROTO_TCP,
                "flags": socket.AI_NUMERICHOST,
            }
            for address in self._answers.pop(0)
        ]

    async def close(self) -> None:
        """Nothing is open."""


_INSIDE = {
    "loopback": ["127.0.0.1"],
    "metadata": ["169.254.169.254"],
    "several, all inside": ["10.0.0.1", "127.0.0.1", "::1"],
    "mapped": ["::ffff:127.0.0.1"],
}


@pytest.mark.parametrize("where", _INSIDE)
async def test_a_name_that_leads_inside_is_not_connected_to(
    where: str, door: LoopbackDoor, recorded_connects: list[str]
) -> None:
    names = _Names(_INSIDE[where])
    async with http_client(private_allowed=False, resolver=names) as client:
        with pytest.raises(httpx2.TransportError):
            await client.get(f"https://api.vendor.example:{door.port}/")

    assert names.asked == ["api.vendor.example"]
    assert door.requests == []
    assert recorded_connects == []


_PARTLY_INSIDE = {
    "the public one first": [_PUBLIC, "127.0.0.1"],
    "the public one last": ["10.0.0.1", _PUBLIC],
    "inside by IPv6 only": [_PUBLIC, _ALSO_PUBLIC, "::ffff:127.0.0.1"],
}


@pytest.mark.parametrize("where", _PARTLY_INSIDE)
async def test_a_name_with_one_address_inside_is_refused_as_a_whole(
    where: str, door: LoopbackDoor, recorded_connects: list[str]
) -> None:
    names = _Names(_PARTLY_INSIDE[where])
    async with http_client(private_allowed=False, resolver=names) as client:
        with pytest.raises(httpx2.TransportError):
            await client.get(f"https://api.vendor.example:{door.port}/")

    assert names.asked == ["api.vendor.example"]
    assert door.requests == []
    assert recorded_connects == []


async def test_of_several_public_addresses_each_is_tried(
    door: LoopbackDoor, recorded_connects: list[str]
) -> None:
    both = [_PUBLIC, _ALSO_PUBLIC]
    async with http_client(private_allowed=False, resolver=_Names(both)) as client:
        with pytest.raises(httpx2.TransportError):
            await client.get(f"https://api.vendor.example:{door.port}/")

    assert {one.rpartition(":")[0] for one in recorded_connects} == set(both)


async def test_a_name_that_is_rebound_is_judged_at_each_connect_and_pinned(
    door: LoopbackDoor, recorded_connects: list[str]
) -> None:
    names = _Names([_PUBLIC], ["127.0.0.1"], [_ALSO_PUBLIC])
    joined = connector(private_allowed=False, resolver=names)
    async with aiohttp.ClientSession(connector=joined, trust_env=False) as session:
        for _ in range(3):
            # What is cached of names is judged as well; here every connect asks anew.
            joined.clear_dns_cache()
            with pytest.raises(aiohttp.ClientConnectionError):
                await session.get(f"http://api.vendor.example:{door.port}/")

    assert len(names.asked) == 3
    assert door.requests == []
    assert recorded_connects[0] == f"{_PUBLIC}:{door.port}"
    assert set(recorded_connects[1:]) <= {f"{_ALSO_PUBLIC}:{door.port}"}
