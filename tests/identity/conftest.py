"""A running Entra, what verifies its tokens, and the seed's tenants in a fresh database."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.identity.keys import SigningKeys
from app.identity.tokens import AccessTokens
from app.local.entra.registrations import ADDIN_CLIENT_ID, API_CLIENT_ID
from tests.conftest import TestDatabase
from tests.entra import RunningEntra
from tests.imported import tenants_imported


@pytest.fixture(scope="session")
def running_entra(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEntra]:
    """One Entra per test process."""
    with RunningEntra(tmp_path_factory.mktemp("entra")) as running:
        yield running


@pytest.fixture
def entra(running_entra: RunningEntra) -> RunningEntra:
    """Entra as it is at its start."""
    running_entra.reset()
    return running_entra


@dataclass
class Clock:
    """A monotonic clock that a test moves, in seconds."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
async def keys(entra: RunningEntra, clock: Clock) -> AsyncIterator[SigningKeys]:
    """The key cache, empty."""
    cache = SigningKeys(entra.url, ca=entra.ca, clock=clock)
    yield cache
    await cache.close()


@pytest.fixture
def tokens(entra: RunningEntra, keys: SigningKeys) -> AccessTokens:
    """What the add-in door believes."""
    return access_tokens(entra.url, keys)


def access_tokens(authority: str, keys: SigningKeys) -> AccessTokens:
    """The door's rules over a key cache."""
    return AccessTokens(keys, authority=authority, audience=API_CLIENT_ID, client_ids=[ADDIN_CLIENT_ID])


@pytest.fixture
async def customers(database: TestDatabase) -> TestDatabase:
    """A database in which the seed's tenants are customers."""
    await tenants_imported(database)
    return database


@pytest.fixture
def other_authority(tmp_path: Path) -> Iterator[RunningEntra]:
    """Another issuer with keys of its own, such as another cloud."""
    with RunningEntra(tmp_path / "other") as running:
        yield running
