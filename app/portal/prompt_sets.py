"""Prompt sets: revisions that are added and never changed."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request

from app.http.contract import refused
from app.http.guards import actor
from app.http.routes import GuardedRoute
from app.pools import prompt_sets
from app.portal.deployment_schemas import NewPromptSet, PromptSetResource, PromptSetSummary
from app.portal.owners import ChangesConfiguration, ConfigurationSession, LooksAtConfiguration, Owner
from app.portal.paging import next_link
from app.portal.schemas import Page

router = APIRouter(prefix="/prompt-sets", tags=["models"], route_class=GuardedRoute)


@router.get("")
async def list_prompt_sets(
    desk: LooksAtConfiguration,
    session: ConfigurationSession,
    *,
    owner: Owner = Owner.TENANT,
    task_type: Annotated[
        str | None, Query(max_length=63, pattern="^[a-z0-9_-]*$", description="Of this task type only.")
    ] = None,
    archived: Annotated[bool, Query(description="With those that were put away.")] = False,
    after: Annotated[UUID | None, Query(description="Id of the last prompt set of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Page[PromptSetSummary]:
    """Revisions of the organisation's prompt sets and of the platform's, the oldest first, without their texts."""
    found = await prompt_sets.page(
        session,
        tenant_id=desk.tenant_id,
        after=after,
        limit=limit + 1,
        task_type=task_type,
        archived=archived,
    )
    shown = [PromptSetSummary.of(one) for one in found[:limit]]
    more = None
    if len(found) > limit:
        given = {"task_type": task_type, "archived": archived, "after": shown[-1].id, "limit": limit}
        more = next_link("/prompt-sets", owner=owner, **given)
    return Page(value=shown, next_link=more)


@router.post("", status_code=201, responses=refused(409))
async def create_prompt_set(
    body: NewPromptSet, request: Request, desk: ChangesConfiguration, session: ConfigurationSession
) -> PromptSetResource:
    """The next revision under a name; pools use it once a revision of theirs names it."""
    made = await prompt_sets.create(
        session,
        tenant_id=desk.tenant_id,
        task_type=body.task_type,
        name=body.name,
        prompts=body.prompts,
        actor=actor(request, desk.caller),
    )
    return PromptSetResource.of(made)


@router.get("/{prompt_set_id}")
async def get_prompt_set(
    prompt_set_id: UUID, desk: LooksAtConfiguration, session: ConfigurationSession
) -> PromptSetResource:
    """A revision with its prompts."""
    found = await prompt_sets.find(session, tenant_id=desk.tenant_id, prompt_set_id=prompt_set_id)
    return PromptSetResource.of(found)
