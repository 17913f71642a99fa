"""What the tests of the development Entra and Graph share."""

from collections.abc import Iterator

import httpx
import pytest
import requests

from tests.entra import RunningEntra
from tests.local.entra_clients import browser_of, session_of


@pytest.fixture
def fresh_entra(entra: RunningEntra) -> RunningEntra:
    """The Entra of this test process as it is at its start."""
    entra.reset()
    return entra


@pytest.fixture
def surfer(fresh_entra: RunningEntra) -> Iterator[httpx.Client]:
    """A browser that follows nothing by itself."""
    with browser_of(fresh_entra) as client:
        yield client


@pytest.fixture
def wire(fresh_entra: RunningEntra) -> Iterator[requests.Session]:
    """What MSAL talks through."""
    with session_of(fresh_entra) as opened:
        yield opened
