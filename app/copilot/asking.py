"""What somebody asks for, found to be known, allowed and whole: the same for jobs, batches, schedules and estimates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.copilot.catalog import task_types
from app.copilot.errors import InvalidParameters, UnknownTaskType, WrongInput
from app.copilot.house_wording import with_wording
from app.copilot.permissions import Asker, require_permission
from app.copilot.types import InlineKind, TaskType
from app.core.crypto import Sealer
from app.core.errors import ErrorDetail
from app.pools.configuration import Configuration
from app.pools.routes import asks_for_member
from app.tenants.members import NOTHING_KNOWN, MemberAttributes, attributes_of


@dataclass(frozen=True)
class Asked:
    """Work that somebody may have done."""

    task_type: TaskType
    parameters: Mapping[str, Any]
    """With defaults filled in."""
    worded: Mapping[str, Any]
    """The same with the organisation's words of today."""
    member: MemberAttributes
    """What routes of the task type may ask of who asks."""


async def check_asked(
    session: AsyncSession,
    sealer: Sealer,
    configuration: Configuration,
    asker: Asker,
    task_type: str,
    parameters: Mapping[str, Any],
    *,
    documents: int,
    inline: InlineKind | None = None,
) -> Asked:
    """Check it; `documents` is how many the work is to be done on at once.

    Raises: `UnknownTaskType`, `TaskTypeNotPermitted`, `InvalidParameters`, `WrongInput`.
    """
    found = find_task_type(task_type)
    await require_permission(session, configuration, asker, found.name)
    checked = checked_parameters(found, parameters)
    # Checked once more: with the organisation's words there may be too many.
    worded = checked_parameters(found, await with_wording(session, sealer, found, checked))
    check_inputs(found, documents, inline)
    member = await attributes_for(
        session, configuration, found.name, tenant_id=asker.tenant_id, member_id=asker.member_id
    )
    return Asked(found, checked, worded, member)


def find_task_type(name: str) -> TaskType:
    """The task type. Raises: `UnknownTaskType`."""
    found = task_types().get(name)
    if found is None:
        raise UnknownTaskType(name, known=sorted(task_types()))
    return found


def checked_parameters(task_type: TaskType, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with defaults filled in. Raises: `InvalidParameters` with each place."""
    try:
        return task_type.parameters.model_validate(dict(parameters)).model_dump(
            mode="json", exclude_none=True
        )
    except ValidationError as error:
        raise InvalidParameters(
            task_type.name,
            [
                ErrorDetail(one["type"], one["msg"], ".".join(["parameters", *map(str, one["loc"])]))
                for one in error.errors(include_input=False, include_url=False)
            ],
        ) from None


def check_inputs(task_type: TaskType, documents: int, inline: InlineKind | None) -> None:
    """As many documents as the task type takes, and of a kind that it takes. Raises: `WrongInput`."""
    wrong = task_type.inputs.wrong(documents, inline)
    if wrong is not None:
        raise WrongInput(task_type.name, wrong)


async def attributes_for(
    session: AsyncSession, configuration: Configuration, task_type: str, *, tenant_id: UUID, member_id: UUID
) -> MemberAttributes:
    """What routes of the task type may ask of a member; no SQL for a tenant whose routes ask nothing."""
    if not asks_for_member(await configuration.routes(tenant_id), task_type):
        return NOTHING_KNOWN
    return await attributes_of(session, tenant_id=tenant_id, member_id=member_id)
