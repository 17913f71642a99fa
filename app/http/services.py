"""What the API process holds for its whole life."""

import asyncio
import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from fastapi import Request
from redis.asyncio import Redis

from app.core.database import Database
from app.core.key_encryption import open_wrapping_keys
from app.core.listener import Listener
from app.core.redis import connect
from app.documents.extraction import Extractor
from app.http.places import Places
from app.http.rate_limits import RateLimits
from app.http.sign_in_limits import SignInLimits
from app.identity.application_tokens import ApplicationTokens
from app.identity.authenticate import Authenticator
from app.identity.drive_files import DriveFiles
from app.identity.id_tokens import IdTokens
from app.identity.keys import SigningKeys
from app.identity.msal_clients import MsalClients
from app.identity.onboarding import Onboarding
from app.identity.portal_sign_in import PortalSignIn
from app.identity.sessions import Sessions
from app.identity.tokens import AccessTokens
from app.jobs.events import EventHub
from app.jobs.notify import CONFIGURATION, PEOPLE
from app.pools.configuration import Configuration
from app.settings import Settings
from app.tenants.app_clients import AppClients
from app.tenants.directory import TenantDirectory
from app.tenants.keys import TenantKeys

if TYPE_CHECKING:
    from app.llm.clients import Clients


@dataclass(frozen=True)
class Services:
    """Clients and caches of the API; made on the loop that serves requests."""

    settings: Settings
    database: Database
    lookups: Database
    redis: Redis
    signing_keys: SigningKeys
    directory: TenantDirectory
    programs: AppClients
    authenticator: Authenticator
    keys: TenantKeys
    configuration: Configuration
    extractor: Extractor
    hub: EventHub
    listener: Listener
    uploads: Places
    streams: Places
    rate_limits: RateLimits
    sign_in_limits: SignInLimits
    msal: MsalClients
    files: DriveFiles
    sessions: Sessions
    sign_in: PortalSignIn
    onboarding: Onboarding
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process begins to stop: what would go on for long ends by itself."""

    @classmethod
    def open(cls, settings: Settings) -> "Services":
        """Make the clients; nothing connects yet. Raises: `MissingSetting`, `SealBroken`."""
        connections = settings.api_database_connections
        database = Database(
            settings.required("database_url"), pool_size=connections, application_name="switchboard-api"
        )
        # Lookups have connections of their own, past a pooler's: a request that holds one may wait for a lookup.
        lookups = Database(
            settings.direct_url(), pool_size=max(1, connections // 4), application_name="switchboard-lookups"
        )
        redis = connect(settings.required("redis_url"))
        signing_keys = SigningKeys(settings.entra_authority, ca=settings.entra_ca)
        keys = TenantKeys(lookups, open_wrapping_keys(settings))
        directory, programs = TenantDirectory(lookups, keys), AppClients(lookups)
        tokens = AccessTokens(
            signing_keys,
            authority=settings.entra_authority,
            audience=settings.required("api_client_id"),
            client_ids=settings.addin_client_ids,
        )
        configuration = Configuration(lookups)
        msal, sessions = MsalClients(settings), Sessions(redis)
        return cls(
            settings=settings,
            database=database,
            lookups=lookups,
            redis=redis,
            signing_keys=signing_keys,
            directory=directory,
            programs=programs,
            authenticator=Authenticator(
                tokens,
                directory,
                app_clients=programs,
                operator_tenant=settings.operator_tenant,
            ),
            keys=keys,
            configuration=configuration,
            extractor=Extractor(settings),
            hub=EventHub(redis),
            listener=Listener(
                settings.direct_url(),
                # A trigger of the table of tenants tells there, too.
                {
                    CONFIGURATION: partial(_tell_each, (configuration.changed, directory.changed)),
                    PEOPLE: partial(_tell_each, (directory.changed, programs.changed)),
                },
            ),
            # Of each a few pieces of 4 MiB are in memory, then what a reader found in it.
            uploads=Places("uploads", most=8, most_each=3),
            streams=Places("event streams", most=2000, most_each=20),
            rate_limits=RateLimits(redis, settings),
            sign_in_limits=SignInLimits(
                settings.rate_limit_sign_ins, most_starts=settings.rate_limit_sign_in_starts
            ),
            msal=msal,
            files=DriveFiles(settings, msal, lookups, keys),
            sessions=sessions,
            sign_in=PortalSignIn(
                redis,
                sessions,
                msal,
                IdTokens(signing_keys, settings.entra_authority, settings.portal_client_id),
                origin=settings.portal_origin,
                configured=bool(settings.portal_client_id and settings.portal_origin),
            ),
            onboarding=Onboarding(
                database,
                redis,
                msal,
                tokens,
                authority=settings.entra_authority,
                portal_client_id=settings.portal_client_id,
                api_client_id=settings.api_client_id,
                anybody=settings.onboarding_is_open,
            ),
        )

    async def model_clients(self) -> "Clients":
        """Clients that call models, for one look at them; close them. They know of keys what is known now."""
        # Vendors' libraries take seconds of CPU to import, and most processes never call a model.
        made = await asyncio.to_thread(importlib.import_module, "app.llm.clients")
        clients: Clients = made.Clients(
            self.lookups,
            self.keys,
            self.settings.env,
            tokens=ApplicationTokens(self.msal),
            operator_directory=self.settings.operator_tenant,
        )
        return clients

    def forget_people(self) -> None:
        """Ask for everybody and every program anew at once: call it when a change is committed."""
        self.directory.changed()
        self.programs.changed()

    def start(self) -> None:
        """Begin to listen, to read events and to keep children ready."""
        self.signing_keys.start()
        self.configuration.start()
        self.listener.start()
        self.hub.start()
        self.extractor.start()

    async def close(self) -> None:
        """Stop everything that `start` began."""
        await asyncio.gather(
            self.signing_keys.close(), self.listener.close(), self.hub.close(), self.extractor.close()
        )
        await self.configuration.close()
        await self.files.close()
        await self.msal.close()
        await self.keys.close()
        await self.redis.aclose()
        await self.database.close()
        await self.lookups.close()


def _tell_each(handlers: Iterable[Callable[[str], None]], payload: str) -> None:
    for handler in handlers:
        handler(payload)


async def services(request: Request) -> Services:
    """The services of this process."""
    found: Services = request.app.state.services
    return found
