"""Facts for tests, with defaults that pass every hard limit."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any
from uuid import UUID

from app.core.clock import new_id
from app.pools.offers import Offer
from app.pools.values import DeploymentFacts, PoolMemberFacts, Price, ProviderFacts, RevisionFacts
from app.vocabulary import PLATFORM, Lifecycle, MemberPurpose, ModelClass, ProviderKind, Strategy

PRICE = Price(new_id(), "EUR", 1_000_000, 100_000, 4_000_000, 4_000_000)


def provider(**changes: Any) -> ProviderFacts:
    """A provider in the EU."""
    values: dict[str, Any] = {
        "tenant_id": PLATFORM,
        "id": new_id(),
        "name": "provider",
        "kind": ProviderKind.OPENAI_COMPATIBLE,
        "vendor": "acme",
        "base_url": "http://127.0.0.1:1/v1",
        "region": "eu",
        "processor": "Acme",
        "no_training": True,
        "zero_retention": True,
        "contract_until": None,
    }
    return ProviderFacts(**{**values, **changes})


def deployment(name: str = "alpha", **changes: Any) -> DeploymentFacts:
    """A deployment that does everything."""
    values: dict[str, Any] = {
        "tenant_id": PLATFORM,
        "id": new_id(),
        "name": name,
        "model_name": name,
        "model_class": ModelClass.GENERAL,
        "capabilities": frozenset({"json_schema"}),
        "languages": None,
        "context_window": 8192,
        "max_output_tokens": 1024,
        "requests_per_minute": None,
        "tokens_per_minute": None,
        "concurrency": None,
        "lifecycle": Lifecycle.ACTIVE,
        "retired_at": None,
        "price": PRICE,
        **changes,
    }
    values.setdefault("provider", provider(name=f"{name}-provider"))
    return DeploymentFacts(**values)


def member(
    of: DeploymentFacts | None = None,
    *,
    tier: int = 0,
    weight: int = 1,
    purpose: MemberPurpose = MemberPurpose.SERVING,
    parameters: Mapping[str, Any] | None = None,
) -> PoolMemberFacts:
    """A serving member."""
    return PoolMemberFacts(
        id=new_id(),
        deployment=of or deployment(),
        prompt_set_id=new_id(),
        prompts={"system": "Answer."},
        prompt_name="default",
        prompt_revision=1,
        parameters=parameters or {},
        tier=tier,
        weight=weight,
        purpose=purpose,
    )


def offered(offer: Offer, **changes: Any) -> PoolMemberFacts:
    """The member that an offer of the environment becomes; `changes` are its provider's."""
    columns = {field.name for field in fields(ProviderFacts)}
    account = provider(**{**{key: value for key, value in offer.provider if key in columns}, **changes})
    columns = {field.name for field in fields(DeploymentFacts)} - {"provider", "price"}
    said = {key: value for key, value in offer.deployment if key in columns}
    for name in ("capabilities", "supported_parameters"):
        said[name] = None if said[name] is None else frozenset(said[name])
    of = deployment(provider=account, price=None, **said)
    return member(of, parameters=offer.parameters.model_dump(exclude_none=True))


def revision(
    *members: PoolMemberFacts, strategy: Strategy = Strategy.WEIGHTED, tenant_id: UUID = PLATFORM
) -> RevisionFacts:
    """A pool of these members."""
    return RevisionFacts(
        id=new_id(),
        tenant_id=tenant_id,
        pool_id=new_id(),
        pool_name="a-pool",
        number=1,
        task_type="summarize",
        strategy=strategy,
        members=members,
    )
