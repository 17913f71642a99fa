"""MSAL's confidential clients for our two registrations, and the threads in which MSAL may block."""

import asyncio
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

import msal
import requests

from app.identity import credentials
from app.identity.msal_session import MsalSession
from app.settings import Settings

_THREADS = 16
_RUN_SECONDS = 25.0
"""Discovery and one request of ten seconds each, and a little time to wait for a thread."""

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class MsalClients:
    """Makes clients. One a process; close it on its loop.

    A client is cheap and made for each use: with its own token cache (whose tokens it may see) and its own
    HTTP cache (MSAL keeps a refusal for a minute in that). Making one may ask Entra for a directory's
    addresses, so that belongs into `run` as well.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._credential = credentials.credential(settings)
        self._authority = settings.entra_authority.rstrip("/")
        self._session = MsalSession(settings.entra_ca, connections=_THREADS)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="msal")

    def api(
        self,
        tenant: str,
        token_cache: msal.TokenCache | None = None,
        exclude_scopes: Collection[str] = (),
    ) -> msal.ConfidentialClientApplication:
        """A client of the API's registration, in a directory.

        Raises: ValueError if Entra does not know the directory, `requests.RequestException`,
        `CredentialUnavailable`, `MissingSetting`.
        """
        return self._client(
            self._settings.required("api_client_id"), tenant, token_cache, exclude_scopes=exclude_scopes
        )

    def portal(
        self, tenant: str = "organizations", token_cache: msal.TokenCache | None = None
    ) -> msal.ConfidentialClientApplication:
        """A client of the portal's registration. Raises: as `api`."""
        return self._client(self._settings.required("portal_client_id"), tenant, token_cache)

    async def run(
        self, function: Callable[_Arguments, _Result], *args: _Arguments.args, **kwargs: _Arguments.kwargs
    ) -> _Result:
        """Run something of MSAL's that blocks, in one of a few threads.

        Raises: `TimeoutError` after 25 seconds, waiting for a thread included (the thread ends by its own
        timeouts); `requests.RequestException` where Entra does not answer; whatever the function raises.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_RUN_SECONDS):
                return await loop.run_in_executor(self._pool, partial(function, *args, **kwargs))
        except msal.exceptions.MsalServiceError as error:
            # MSAL's own name for a status that is no answer, such as 503.
            raise requests.HTTPError(type(error).__name__) from None

    async def close(self) -> None:
        """Begin nothing more; what is under way ends by its own timeouts."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._session.close()

    def _client(
        self,
        client_id: str,
        tenant: str,
        token_cache: msal.TokenCache | None,
        *,
        exclude_scopes: Collection[str] = (),
    ) -> msal.ConfidentialClientApplication:
        return msal.ConfidentialClientApplication(
            client_id,
            client_credential=credentials.required(self._credential)(),
            authority=f"{self._authority}/{tenant}",
            http_client=self._session,
            # The issuer is named by our own settings: nobody else is asked whether it exists.
            instance_discovery=False,
            client_capabilities=["CP1"],
            token_cache=token_cache,
            exclude_scopes=list(exclude_scopes),
        )
