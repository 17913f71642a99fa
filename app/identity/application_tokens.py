"""Access tokens of our own, for vendors that know us by Microsoft Entra (Azure OpenAI, Azure AI Foundry).

They are the API's registration's, in the directory of whoever owns the vendor account; the owner gives it the
role "Cognitive Services OpenAI User" there. A token is used until five minutes before its end.
"""

import asyncio
import time
from typing import Any

import requests

from app.core.logging import get_logger
from app.identity.errors import CredentialUnavailable
from app.identity.msal_clients import MsalClients

_log = get_logger(__name__)
_EARLY_SECONDS = 300.0


class ApplicationTokens:
    """Tokens by directory and scope; of many who ask at once one asks Entra."""

    def __init__(self, msal: MsalClients) -> None:
        self._msal = msal
        self._tokens: dict[tuple[str, str], tuple[str, float]] = {}
        self._asking: dict[tuple[str, str], asyncio.Lock] = {}

    async def token(self, directory: str, scope: str) -> str:
        """A token that is good for some minutes at least. Raises: `CredentialUnavailable`."""
        wanted = (directory, scope)
        token = self._fresh(wanted)
        if token is not None:
            return token
        async with self._asking.setdefault(wanted, asyncio.Lock()):
            return self._fresh(wanted) or await self._ask(*wanted)

    def _fresh(self, wanted: tuple[str, str]) -> str | None:
        token, good_until = self._tokens.get(wanted, ("", 0.0))
        return token if good_until > time.monotonic() else None

    async def _ask(self, directory: str, scope: str) -> str:
        def acquire() -> dict[str, Any]:
            answer: dict[str, Any] = self._msal.api(directory).acquire_token_for_client([scope])
            return answer

        try:
            answer = await self._msal.run(acquire)
        except (requests.RequestException, TimeoutError, ValueError) as error:
            _log.info("no token for a vendor", scope=scope, reason=type(error).__name__)
            raise CredentialUnavailable from error
        token = answer.get("access_token")
        if not token:
            _log.info("no token for a vendor", scope=scope, reason=str(answer.get("error"))[:64])
            raise CredentialUnavailable
        good_for = float(answer.get("expires_in") or 0.0) - _EARLY_SECONDS
        self._tokens[directory, scope] = (token, time.monotonic() + good_for)
        return str(token)
