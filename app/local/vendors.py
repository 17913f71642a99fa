"""Keys and model servers that are on this machine become deployments of the first tier. Development only.

A key stays where it is: the database holds the variable's name. Limits and list prices come from the facts about
the model (app/pools/model_facts.yaml); what is not known there is taken to be small, and at no cost.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
from sqlalchemy.ext.asyncio import AsyncSession

from app.pools.defaults import dialect_for
from app.pools.offers import Offer, import_offers
from app.pools.seed_schema import SeedDeployment, SeedParameters, SeedProvider, with_defaults
from app.vocabulary import Environment, ProviderKind

_LOOK_SECONDS = 0.5
_AZURE = ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_DEPLOYMENT")
_CAUTIOUS = {"context_window": 32_768, "max_output_tokens": 4_096}
"""Of a vendor's model of which nothing is known; what does not fit goes to the next tier."""
_LOCAL = {"context_window": 4_096, "max_output_tokens": 2_048}
"""Of a server on this machine, whose window nobody has told us."""


@dataclass(frozen=True)
class _Vendor:
    """A vendor whose key may be in the environment. `<PREFIX>_MODEL` there names another model."""

    name: str
    prefix: str
    processor: str
    model_name: str
    kind: ProviderKind = ProviderKind.OPENAI_COMPATIBLE
    base_url: str | None = None
    """None: the protocol's or the vendor's one address."""
    parameters: SeedParameters = field(default_factory=SeedParameters)
    """For `model_name`."""

    @property
    def key(self) -> str:
        return f"{self.prefix}_API_KEY"


_UNTHINKING = SeedParameters(reasoning_effort="none")
_VENDORS = (
    # They would think before they write, and that counts as output.
    _Vendor(
        "openai",
        "OPENAI",
        "OpenAI",
        "gpt-6-luna",
        ProviderKind.OPENAI,
        "https://api.openai.com/v1",
        _UNTHINKING,
    ),
    _Vendor("anthropic", "ANTHROPIC", "Anthropic", "claude-haiku-4-5", ProviderKind.ANTHROPIC),
    _Vendor("xai", "XAI", "xAI", "grok-4.20-0309-non-reasoning"),
    _Vendor("deepseek", "DEEPSEEK", "DeepSeek", "deepseek-flash", parameters=_UNTHINKING),
    _Vendor("mistral", "MISTRAL", "Mistral AI", "mistral-small-latest"),
    _Vendor("meta", "META", "Meta", "muse-spark-1.3"),
    _Vendor("google", "GEMINI", "Google", "gemini-3.5-flash-lite", ProviderKind.GOOGLE),
)


async def announce_vendors(
    session: AsyncSession,
    environment: Mapping[str, str],
    offline: bool,  # noqa: FBT001 - its caller's order
) -> list[str]:
    """Import what this machine offers, or take it out again; gives lines to show. In the owner's role.

    Offline, or outside development, nothing is offered.
    """
    offers: list[Offer] = []
    if not offline and environment.get("SWITCHBOARD_ENV") == Environment.DEVELOPMENT:
        offers = found_keys(environment)
        server = await found_server(_ollama())
        if server is not None:
            offers.append(server)
    await import_offers(session, offers)
    return [_line(offer) for offer in offers]


def _ollama() -> str:
    return dialect_for(ProviderKind.OPENAI_COMPATIBLE, "ollama").base_url or ""


def found_keys(environment: Mapping[str, str]) -> list[Offer]:
    """A deployment for each vendor whose key is set."""
    offers = []
    for vendor in _VENDORS:
        if environment.get(vendor.key):
            model_name = environment.get(f"{vendor.prefix}_MODEL") or vendor.model_name
            account = _account(vendor.kind, vendor.name, vendor.processor, vendor.base_url, key=vendor.key)
            parameters = vendor.parameters if model_name == vendor.model_name else SeedParameters()
            offers.append(Offer(account, _deployment(account, model_name), parameters))
    if all(environment.get(name) for name in _AZURE):
        base_url = environment["AZURE_OPENAI_ENDPOINT"].rstrip("/") + "/openai/v1/"
        account = _account(ProviderKind.AZURE_OPENAI, "azure", "Microsoft", base_url, key=_AZURE[0])
        offers.append(Offer(account, _deployment(account, environment["AZURE_OPENAI_DEPLOYMENT"])))
    return offers


async def found_server(base_url: str) -> Offer | None:
    """The first model of an OpenAI-compatible server on this machine; None where nobody answers."""
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=_LOOK_SECONDS) as client:
            answer = await client.get(f"{base_url}/models")
            models = [model["id"] for model in answer.raise_for_status().json()["data"]]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None
    if not models:
        return None
    account = _account(ProviderKind.OPENAI_COMPATIBLE, "ollama", "this machine", base_url, key=None)
    return Offer(account, _deployment(account, min(models)))


def _account(
    kind: ProviderKind, vendor: str, processor: str, base_url: str | None, *, key: str | None
) -> SeedProvider:
    local = key is None
    if base_url is None and kind is ProviderKind.OPENAI_COMPATIBLE:
        base_url = dialect_for(kind, vendor).base_url
    return SeedProvider(
        name=f"environment-{vendor}",
        kind=kind,
        vendor=vendor,
        base_url=base_url,
        region="local" if local else "global",
        processor=processor,
        no_training=local,
        zero_retention=local,
        credential=None if key is None else f"env:{key}",
    )


def _deployment(account: SeedProvider, model_name: str) -> SeedDeployment:
    local = account.credential is None
    named = SeedDeployment(
        name=account.name, provider=account.name, model_name=model_name, concurrency=1 if local else None
    )
    known = with_defaults(named, account)
    # Without a schema no task would ask it: an answer that does not fit is refused, and the next one asked.
    capabilities = known.capabilities or ["json_schema"]
    guesses = _LOCAL if local else _CAUTIOUS
    limits = {field: getattr(known, field) or guess for field, guess in guesses.items()}
    return known.model_copy(update={**limits, "capabilities": capabilities})


def _line(offer: Offer) -> str:
    where = offer.provider.credential or offer.provider.base_url
    return (
        f"{offer.deployment.model_name} by {offer.provider.processor} is asked first"
        f" ({where}); --offline leaves it out"
    )
