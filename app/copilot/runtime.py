"""What a process that runs steps holds for its whole life: pools, clients, keys, configuration."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from redis.asyncio import Redis

from app.core.database import Database
from app.core.key_encryption import open_wrapping_keys
from app.core.redis import connect
from app.documents.extraction import Extractor
from app.documents.segments import Segment
from app.identity.application_tokens import ApplicationTokens
from app.identity.drive_files import DriveFiles
from app.identity.msal_clients import MsalClients
from app.jobs.events import EventWriter
from app.llm.clients import Clients
from app.llm.loop import ModelCaller
from app.pools.breakers import Breakers
from app.pools.configuration import Configuration
from app.pools.limits import Limits
from app.settings import Settings
from app.tenants.keys import TenantKeys

_SEGMENT_CACHE_JOBS = 2


@dataclass(frozen=True)
class JobText:
    """The segments of a job's documents, and what its steps have worked out of them, by name."""

    segments: tuple[Segment, ...]
    worked_out: dict[str, Any] = field(default_factory=dict)


class SegmentCache:
    """The texts of the last few jobs: the sixty steps of one document read it once a process."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[UUID, UUID], JobText] = OrderedDict()

    def get(self, tenant_id: UUID, job_id: UUID) -> JobText | None:
        """The text of a job, if it is here."""
        return self._entries.get((tenant_id, job_id))

    def put(self, tenant_id: UUID, job_id: UUID, segments: Sequence[Segment]) -> JobText:
        """Remember it, and forget the oldest job's."""
        self._entries[tenant_id, job_id] = kept = JobText(tuple(segments))
        while len(self._entries) > _SEGMENT_CACHE_JOBS:
            self._entries.popitem(last=False)
        return kept

    def forget(self, tenant_id: UUID, job_id: UUID) -> None:
        """The job has ended."""
        self._entries.pop((tenant_id, job_id), None)


@dataclass(frozen=True)
class Runtime:
    """Everything a step may need; made on the loop that uses it."""

    database: Database
    lookups: Database
    redis: Redis
    keys: TenantKeys
    configuration: Configuration
    clients: Clients
    caller: ModelCaller
    events: EventWriter
    max_attempts: int
    needs_user_seconds: float
    job_deadline_seconds: float
    extractor: Extractor
    msal: MsalClients | None
    files: DriveFiles | None
    """None where nobody may be acted for: without an app registration."""
    segments: SegmentCache = field(default_factory=SegmentCache)

    @classmethod
    def open(cls, settings: Settings) -> "Runtime":
        """Make the clients; nothing connects yet. Raises: `MissingSetting`, `SealBroken`."""
        database = Database(settings.required("database_url"), application_name="switchboard-worker")
        # Past a pooler's connections: a step that holds one may wait for a lookup.
        lookups = Database(settings.direct_url(), pool_size=2, application_name="switchboard-lookups")
        redis = connect(settings.required("redis_url"))
        keys = TenantKeys(lookups, open_wrapping_keys(settings))
        msal = MsalClients(settings) if settings.api_client_id else None
        clients = Clients(
            database,
            keys,
            settings.env,
            tokens=ApplicationTokens(msal) if msal is not None else None,
            operator_directory=settings.operator_tenant,
        )
        return cls(
            database=database,
            lookups=lookups,
            redis=redis,
            keys=keys,
            configuration=Configuration(lookups),
            clients=clients,
            caller=ModelCaller(database, Breakers(redis), Limits(redis), clients),
            events=EventWriter(redis),
            max_attempts=settings.max_attempts,
            needs_user_seconds=settings.needs_user_seconds,
            job_deadline_seconds=settings.job_deadline_seconds,
            extractor=Extractor(settings),
            msal=msal,
            files=DriveFiles(settings, msal, lookups, keys) if msal is not None else None,
        )

    async def close(self) -> None:
        """Close clients and pools."""
        await self.configuration.close()
        if self.files is not None and self.msal is not None:
            await self.files.close()
            await self.msal.close()
        await asyncio.gather(
            self.clients.close(),
            self.extractor.close(),
            self.redis.aclose(),
            self.keys.close(),
            self.lookups.close(),
            self.database.close(),
        )
