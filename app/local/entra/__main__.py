"""`python -m app.local.entra --host 127.0.0.1 --port N --state DIR --seed FILE`; prints `ready URL`."""

import argparse
import asyncio
import ipaddress
import os
import socket
import sys
from pathlib import Path

import uvicorn

from app.core.errors import SeedError
from app.local.entra.certificates import certificates
from app.local.entra.people import read_people
from app.local.entra.server import Entra
from app.vocabulary import Environment


def main() -> int:
    """Listen until SIGTERM or SIGINT; 1 with one plain line when it cannot."""
    arguments = _arguments()
    if os.environ.get("SWITCHBOARD_ENV") != Environment.DEVELOPMENT:
        print("entra: needs SWITCHBOARD_ENV=development: it asks for no password", file=sys.stderr)  # noqa: T201
        return 1
    if not _is_loopback(arguments.host):
        print("entra: signs everybody in without a password: --host must be loopback", file=sys.stderr)  # noqa: T201
        return 1
    try:
        people = read_people(arguments.seed)
        files = certificates(arguments.state)
        listening = _listen(arguments.host, arguments.port)
        port = listening.getsockname()[1]
        host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
        entra = Entra(f"https://{host}:{port}", people, arguments.state)
    except (SeedError, OSError, ValueError) as error:
        print(f"entra: {error}", file=sys.stderr)  # noqa: T201
        return 1
    asyncio.run(_serve(entra, listening, files.server))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="entra", description="The development Entra, on loopback.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--state", type=Path, required=True, help="folder of its authority and keys")
    parser.add_argument("--seed", type=Path, required=True, help="configuration file with its people")
    return parser.parse_args()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    """Bind here, so that a taken port is an error in words and port 0 is known before the first token."""
    return socket.create_server(
        (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=128
    )


async def _serve(entra: Entra, listening: socket.socket, certificate: Path) -> None:
    server = uvicorn.Server(
        uvicorn.Config(
            entra,
            ssl_certfile=certificate,
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
        )
    )
    # The socket listens already: whoever reads this line and connects is answered.
    print(f"ready {entra.authority}", flush=True)  # noqa: T201
    await server.serve(sockets=[listening])


if __name__ == "__main__":
    sys.exit(main())
