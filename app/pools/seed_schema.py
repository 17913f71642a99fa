"""The shape of `platform:` in the configuration file. An unknown or misspelt field is an error with its place."""

from collections.abc import Collection
from dataclasses import asdict
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from app.core.errors import SeedError
from app.pools.defaults import defaults_for
from app.pools.routes import plain_language
from app.tenants.members import tidy
from app.vocabulary import (
    Authentication,
    Lane,
    Lifecycle,
    MemberPurpose,
    ModelClass,
    OfficeHost,
    ProviderKind,
    Strategy,
)

FILE = "infra/seed.yaml"
_MOST_TOKENS = 1_000_000_000
_MOST = 2**31 - 1
"""What a column of whole numbers holds."""
_WORD = r"^[^\x00-\x1f\x7f]+$"
_NAME = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class ProviderTerms(_Strict):
    """A vendor account without its key."""

    name: str = _NAME
    kind: ProviderKind
    vendor: str = Field(max_length=200, pattern=_WORD)
    base_url: str | None = Field(None, max_length=2048, pattern=_WORD)
    region: str = Field(max_length=200, pattern=_WORD)
    processor: str = Field(max_length=200, pattern=_WORD)
    no_training: bool = False
    zero_retention: bool = False
    contract_until: AwareDatetime | None = None
    authentication: Authentication = Authentication.KEY
    api_version: str | None = Field(None, pattern=r"^[A-Za-z0-9.-]{1,32}$")


class SeedProvider(ProviderTerms):
    """A vendor account. A `base_url` of the form `${NAME}` is taken from the environment."""

    credential: str | None = Field(None, pattern=r"^env:[A-Z][A-Z0-9_]*$")


class SeedPrice(_Strict):
    """Micros of the currency per million tokens."""

    currency: str = Field("EUR", pattern=r"^[A-Z]{3}$")
    input_micros: int = Field(ge=0, le=_MOST)
    cached_input_micros: int = Field(ge=0, le=_MOST)
    output_micros: int = Field(ge=0, le=_MOST)
    reasoning_micros: int = Field(ge=0, le=_MOST)


class SeedDeployment(_Strict):
    """A place that serves a model. What is left out is taken from the facts about the model (`with_defaults`)."""

    name: str = _NAME
    provider: str
    model_name: str = Field(max_length=200, pattern=_WORD)
    model_class: ModelClass = ModelClass.GENERAL
    capabilities: list[Literal["json_schema", "grammar", "tools"]] = Field(default_factory=list)
    languages: list[Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]] | None = Field(None, min_length=1)
    context_window: int | None = Field(None, gt=0, le=_MOST)
    max_output_tokens: int | None = Field(None, gt=0, le=_MOST)
    requests_per_minute: int | None = Field(None, gt=0, le=_MOST)
    tokens_per_minute: int | None = Field(None, gt=0, le=_MOST)
    concurrency: int | None = Field(None, gt=0, le=_MOST)
    lifecycle: Lifecycle = Lifecycle.ACTIVE
    deprecated_at: AwareDatetime | None = None
    retired_at: AwareDatetime | None = None
    supported_parameters: list[Annotated[str, Field(max_length=63, pattern=_WORD)]] | None = None
    price: SeedPrice | None = None


class SeedParameters(_Strict):
    """What a member sends along with each request."""

    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high"] | None = None


class SeedMember(_Strict):
    """A deployment in a pool."""

    deployment: str
    prompt_set: str
    parameters: SeedParameters = SeedParameters()
    tier: int = Field(0, ge=0, le=99)
    weight: int = Field(1, ge=0, le=1_000_000)
    purpose: MemberPurpose = MemberPurpose.SERVING


class SeedPool(_Strict):
    """A pool and its members."""

    name: str = _NAME
    task_type: str = Field(min_length=1)
    strategy: Strategy = Strategy.WEIGHTED
    members: list[SeedMember] = Field(min_length=1)


class SeedConditions(_Strict):
    """What a route depends on; kept as it is compared.

    A language without region and script, in lower case, as a document's is told; a department with no blank too many.
    """

    lane: Lane | None = None
    language: str | None = Field(None, pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", max_length=35)
    host: OfficeHost | None = None
    min_tokens: int | None = Field(None, ge=0, le=_MOST_TOKENS)
    max_tokens: int | None = Field(None, gt=0, le=_MOST_TOKENS)
    group: UUID | None = None
    department: str | None = Field(
        None, pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$", max_length=200
    )

    @field_validator("language", mode="before")
    @classmethod
    def _stripped(cls, said: object) -> object:
        return said.strip() if isinstance(said, str) else said

    @field_validator("language")
    @classmethod
    def _plain(cls, said: str | None) -> str | None:
        return None if said is None else plain_language(said)

    @field_validator("department")
    @classmethod
    def _tidy(cls, said: str | None) -> str | None:
        return None if said is None else tidy(said)


class SeedRoute(_Strict):
    """Which pool serves what."""

    name: str = _NAME
    task_type: str = Field(min_length=1)
    conditions: SeedConditions = SeedConditions()
    pool: str


class SeedRest(_Strict):
    """Members for every task type that has prompts and no pool of its own here.

    Each gets a pool of its name and a route to it; without members it serves once some are added, by an
    administrator or by the environment of a development machine.
    """

    members: list[SeedMember] = Field(default_factory=list)


class SeedPlatform(_Strict):
    """All of it."""

    providers: list[SeedProvider] = Field(default_factory=list)
    deployments: list[SeedDeployment] = Field(default_factory=list)
    pools: list[SeedPool] = Field(default_factory=list)
    routes: list[SeedRoute] = Field(default_factory=list)
    every_other_task_type: SeedRest | None = None


def parse(platform: dict[str, Any]) -> SeedPlatform:
    """Read `platform:` and check its references. Raises: `SeedError` naming the place."""
    try:
        seed = SeedPlatform.model_validate(platform)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise wrong(_place(first["loc"]), f"{first['msg'][:1].lower()}{first['msg'][1:]}") from error
    _unique(seed)
    _references(seed)
    return seed.model_copy(update={"deployments": _whole(seed)})


def with_rest(seed: SeedPlatform, task_types: Collection[str]) -> SeedPlatform:
    """The same with a pool and a route for each of these task types that has none (`every_other_task_type`)."""
    if seed.every_other_task_type is None:
        return seed
    named = {pool.task_type for pool in seed.pools} | {route.task_type for route in seed.routes}
    rest = sorted(set(task_types) - named)
    members = seed.every_other_task_type.members
    # Not validated: a pool that the file names must have members, these may wait for some.
    pools = [
        SeedPool.model_construct(
            name=_name_of(one), task_type=one, strategy=Strategy.WEIGHTED, members=members
        )
        for one in rest
    ]
    routes = [SeedRoute(name=_name_of(one), task_type=one, pool=_name_of(one)) for one in rest]
    whole = seed.model_copy(update={"pools": [*seed.pools, *pools], "routes": [*seed.routes, *routes]})
    _unique(whole)
    return whole


def _name_of(task_type: str) -> str:
    return task_type.replace("_", "-")


def with_defaults(deployment: SeedDeployment, provider: SeedProvider) -> SeedDeployment:
    """The deployment with what is known of its model wherever nothing is said; limits may still be None."""
    known = defaults_for(provider.kind, provider.vendor, deployment.model_name)
    if known is None:
        return deployment
    facts = {
        **{name: getattr(known, name) for name in _FACTS},
        **{name: _listed(getattr(known, name)) for name in _LISTS},
        "price": None if known.price is None else SeedPrice(**asdict(known.price)),
    }
    said = deployment.model_fields_set
    return deployment.model_copy(update={name: value for name, value in facts.items() if name not in said})


_FACTS = ("model_class", "context_window", "max_output_tokens", "lifecycle", "deprecated_at", "retired_at")
_LISTS = ("capabilities", "languages", "supported_parameters")


def _listed(values: tuple[str, ...] | None) -> list[str] | None:
    return None if values is None else list(values)


def _whole(seed: SeedPlatform) -> list[SeedDeployment]:
    providers = {provider.name: provider for provider in seed.providers}
    whole = [with_defaults(one, providers[one.provider]) for one in seed.deployments]
    for index, one in enumerate(whole):
        for field in ("context_window", "max_output_tokens"):
            if getattr(one, field) is None:
                raise wrong(
                    f"deployments[{index}].{field}", f"nothing is known of {one.model_name}; say it here"
                )
    return whole


def wrong(place: str, what: str) -> SeedError:
    """The error for a place such as `pools[0].members[1].tier`."""
    return SeedError(f"{FILE}: platform{'.' if place else ''}{place}: {what}")


def _place(location: tuple[int | str, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".")


def _unique(seed: SeedPlatform) -> None:
    for kind in ("providers", "deployments", "pools", "routes"):
        seen: set[str] = set()
        for index, item in enumerate(getattr(seed, kind)):
            if item.name in seen:
                raise wrong(f"{kind}[{index}].name", f"{item.name} is there twice; choose another name")
            seen.add(item.name)


def _references(seed: SeedPlatform) -> None:
    providers = {provider.name for provider in seed.providers}
    deployments = {deployment.name for deployment in seed.deployments}
    pools = {pool.name: pool for pool in seed.pools}
    for index, deployment in enumerate(seed.deployments):
        _known(f"deployments[{index}].provider", deployment.provider, providers, "provider")
    rest = seed.every_other_task_type
    for position, member in enumerate(rest.members if rest is not None else ()):
        place = f"every_other_task_type.members[{position}].deployment"
        _known(place, member.deployment, deployments, "deployment")
    for index, pool in enumerate(seed.pools):
        for position, member in enumerate(pool.members):
            place = f"pools[{index}].members[{position}].deployment"
            _known(place, member.deployment, deployments, "deployment")
    for index, route in enumerate(seed.routes):
        _known(f"routes[{index}].pool", route.pool, pools, "pool")
        if pools[route.pool].task_type != route.task_type:
            serves = pools[route.pool].task_type
            raise wrong(f"routes[{index}].task_type", f"the pool {route.pool} serves {serves}")


def _known(place: str, name: str, names: set[str] | dict[str, SeedPool], kind: str) -> None:
    if name not in names:
        known = ", ".join(sorted(names)) or "none"
        raise wrong(place, f"there is no {kind} {name}; known are: {known}")
