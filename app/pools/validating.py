"""What keeps a revision from serving, each with its place. A draft with a problem is not published."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import now
from app.core.errors import ErrorDetail
from app.pools.pool_errors import RevisionNotFound
from app.pools.pool_repository import PoolAdministration
from app.pools.repository import PoolRepository
from app.pools.selection import in_words, standing_exclusion
from app.pools.values import PoolMemberFacts, RevisionFacts
from app.tenants.policy import Policy, load_policy
from app.vocabulary import MemberPurpose

NOBODY = "no_member_eligible"


async def validate(
    session: AsyncSession, *, tenant_id: UUID, pool_id: UUID, number: int
) -> list[ErrorDetail]:
    """Everything that is wrong with a revision today. Raises: `PoolNotFound`, `RevisionNotFound`."""
    queries = PoolAdministration(session, tenant_id)
    pool = await queries.pool(pool_id)
    revision = await queries.revision(pool, number)
    facts = await PoolRepository(session, tenant_id).revision(revision.id)
    if facts is None:
        raise RevisionNotFound(number)
    made_of = await queries.made_of(pool.tenant_id, [revision.id])
    policy = await load_policy(session, tenant_id)
    return problems_of(facts, made_of, policy, at=now())


def problems_of(
    revision: RevisionFacts,
    made_of: Mapping[UUID, tuple[bool, bool, str]],
    policy: Policy,
    *,
    at: datetime,
) -> list[ErrorDetail]:
    """The same from facts; `made_of` is what `PoolAdministration.made_of` gives."""
    if not revision.members:
        return [ErrorDetail("no_members", "the revision has no members", "members")]
    found: list[ErrorDetail] = []
    for position, member in enumerate(revision.members):
        found += _of_member(f"members[{position}]", member, made_of[member.id], revision.task_type)
    found += _of_money(revision)
    found += _of_tiers(revision)
    reasons = [
        f"{member.deployment.name} {in_words(reason)}"
        for member in revision.members
        if (reason := standing_exclusion(member, policy, now=at)) is not None
    ]
    if len(reasons) == len(revision.members):
        found.append(
            ErrorDetail(
                NOBODY, f"no member may serve your organisation today: {'; '.join(reasons)}", "members"
            )
        )
    return found


def _of_member(
    place: str, member: PoolMemberFacts, made_of: tuple[bool, bool, str], task_type: str
) -> Iterator[ErrorDetail]:
    deployment = member.deployment
    deployment_archived, provider_archived, prompts_for = made_of
    if deployment_archived:
        yield ErrorDetail(
            "archived_deployment", f"the deployment {deployment.name} is archived", f"{place}.deployment_id"
        )
    if provider_archived:
        yield ErrorDetail(
            "archived_provider",
            f"the provider {deployment.provider.name} of {deployment.name} is archived",
            f"{place}.deployment_id",
        )
    if prompts_for != task_type:
        yield ErrorDetail(
            "other_task_type",
            f"the prompt set {member.prompt_name} is for {prompts_for}, the pool for {task_type}",
            f"{place}.prompt_set_id",
        )
    known = deployment.supported_parameters
    for name in sorted(member.parameters.keys() - known if known is not None else ()):
        yield ErrorDetail(
            "unsupported_parameter",
            f"the model of {deployment.name} does not support {name}",
            f"{place}.parameters.{name}",
        )


def _of_money(revision: RevisionFacts) -> Iterator[ErrorDetail]:
    """A budget is in one currency, so a pool is as well; what has no price costs nothing."""
    first: str | None = None
    for position, member in enumerate(revision.members):
        price = member.deployment.price
        if price is None:
            continue
        first = first or price.currency
        if price.currency != first:
            yield ErrorDetail(
                "currency_mix",
                f"{member.deployment.name} is priced in {price.currency}, others in {first}",
                f"members[{position}].deployment_id",
            )


def _of_tiers(revision: RevisionFacts) -> Iterator[ErrorDetail]:
    """A tier is asked in its turn, so somebody in it has to serve."""
    serving: defaultdict[int, int] = defaultdict(int)
    first: dict[int, int] = {}
    for position, member in enumerate(revision.members):
        first.setdefault(member.tier, position)
        serving[member.tier] += member.weight if member.purpose is MemberPurpose.SERVING else 0
    for tier, position in first.items():
        if not serving[tier]:
            yield ErrorDetail(
                "empty_tier", f"no member of tier {tier} serves with a weight", f"members[{position}].tier"
            )
