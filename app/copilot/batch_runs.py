"""Starting the batches whose time has come: what the reaper's schedule does."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from app.copilot.batch_requests import BatchSubmission, Folder, submit_batch
from app.copilot.sealed_json import open_json
from app.core.clock import now
from app.core.crypto import Sealer
from app.core.database import Database
from app.core.errors import AppError
from app.core.logging import get_logger
from app.identity.graph import DriveItemRef
from app.jobs import batch_schedules
from app.jobs.batch_schedules import ScheduleView
from app.pools.configuration import Configuration
from app.tenants.keys import TenantKeys
from app.vocabulary import OfficeHost, Role

_log = get_logger(__name__)


@dataclass(frozen=True)
class ScheduledRequest:
    """What is done each time: the work, the folder, and the roles that its member had when they asked for it."""

    task_type: str
    parameters: Mapping[str, Any]
    host: OfficeHost
    folder: Folder
    roles: Collection[Role]

    def as_json(self) -> dict[str, Any]:
        """To be sealed."""
        return {**asdict(self), "parameters": dict(self.parameters), "roles": sorted(self.roles)}

    @classmethod
    def opened(cls, sealer: Sealer, schedule: ScheduleView) -> "ScheduledRequest":
        """That of a schedule. Raises: `SealBroken`."""
        found = open_json(sealer, batch_schedules.request_place(schedule.id), schedule.sealed_request)
        folder = found["folder"]
        return cls(
            task_type=found["task_type"],
            parameters=found["parameters"],
            host=OfficeHost(found["host"]),
            folder=Folder(DriveItemRef(**folder["ref"]), folder["include_subfolders"]),
            roles=frozenset(map(Role, found["roles"])),
        )


@dataclass(frozen=True)
class BatchRuns:
    """Starts each batch in a transaction with the next time of its schedule; run twice at once, it starts none twice."""

    system: Database
    app: Database
    keys: TenantKeys

    async def run(self) -> str | None:
        """One round; gives figures, or None if nothing was due. Raises the last error, after all had their turn."""
        async with self.system.system() as session:
            found = await batch_schedules.due(session)
        if not found:
            return None
        started, failed = 0, None
        configuration = Configuration(self.app)
        try:
            for tenant_id, schedule_id in found:
                try:
                    started += await self._start(configuration, tenant_id, schedule_id)
                except (SQLAlchemyError, OSError) as error:
                    _log.info("batch not started", tenant_id=str(tenant_id), reason=type(error).__name__)
                    failed = error
        finally:
            await configuration.close()
        if failed is not None:
            raise failed
        return f"{started} batches started"

    async def _start(self, configuration: Configuration, tenant_id: UUID, schedule_id: UUID) -> bool:
        sealer = await self.keys.sealer(tenant_id)
        async with self.app.tenant(tenant_id) as session:
            schedule = await batch_schedules.take(session, tenant_id=tenant_id, schedule_id=schedule_id)
            if schedule is None:
                return False
            batch_id: UUID | None = None
            error: str | None = None
            if await batch_schedules.is_under_way(
                session, tenant_id=tenant_id, batch_id=schedule.last_batch_id
            ):
                error = batch_schedules.STILL_RUNNING
            else:
                try:
                    async with session.begin_nested():
                        batch_id = await _submit(session, sealer, configuration, tenant_id, schedule)
                except AppError as refused:
                    error = refused.code
            await batch_schedules.went(
                session, schedule, tenant_id=tenant_id, now=now(), batch_id=batch_id, error=error
            )
        if error is not None:
            _log.info("batch not started", schedule_id=str(schedule_id), reason=error)
        return batch_id is not None


async def _submit(
    session: AsyncSession,
    sealer: Sealer,
    configuration: Configuration,
    tenant_id: UUID,
    schedule: ScheduleView,
) -> UUID:
    request = ScheduledRequest.opened(sealer, schedule)
    return await submit_batch(
        session,
        sealer,
        configuration,
        BatchSubmission(
            task_type=request.task_type,
            parameters=request.parameters,
            host=request.host,
            folder=request.folder,
            graph_session_id=schedule.graph_session_id,
            schedule_id=schedule.id,
        ),
        tenant_id=tenant_id,
        member_id=schedule.member_id,
        roles=request.roles,
    )
