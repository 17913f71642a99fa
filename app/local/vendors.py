"""Keys and model servers that are on this machine become deployments of the first tier. Development only.

A key stays where it is: the database holds the variable's name. What a vendor's model costs is not known
here, so these calls are counted in tokens and at no cost; set prices with a provider of your own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from sqlalchemy.ext.asyncio import AsyncSession

from app.pools.offers import Offer, import_offers
from app.pools.seed_schema import SeedDeployment, SeedProvider
from app.vocabulary import Environment, ModelClass, ProviderKind

_OLLAMA = "http://127.0.0.1:11434/v1"
_LOOK_SECONDS = 0.5
_AZURE = ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_DEPLOYMENT")


@dataclass(frozen=True)
class _Vendor:
    """A vendor whose key may be in the environment. `<PREFIX>_MODEL` there names another model."""

    name: str
    prefix: str
    processor: str
    base_url: str
    model_name: str
    json_schema: bool = True

    @property
    def key(self) -> str:
        return f"{self.prefix}_API_KEY"


_VENDORS = (
    _Vendor("openai", "OPENAI", "OpenAI", "https://api.openai.com/v1", "gpt-4.1-mini"),
    _Vendor(
        "anthropic",
        "ANTHROPIC",
        "Anthropic",
        "https://api.anthropic.com/v1/",
        "claude-haiku-4-5",
        json_schema=False,
    ),
    _Vendor("xai", "XAI", "xAI", "https://api.x.ai/v1", "grok-4-fast-non-reasoning"),
    _Vendor(
        "deepseek", "DEEPSEEK", "DeepSeek", "https://api.deepseek.com/v1", "deepseek-chat", json_schema=False
    ),
    _Vendor("mistral", "MISTRAL", "Mistral AI", "https://api.mistral.ai/v1", "mistral-small-latest"),
    _Vendor(
        "gemini",
        "GEMINI",
        "Google",
        "https://generativelanguage.googleapis.com/v1beta/openai/",
        "gemini-2.5-flash",
    ),
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
        server = await found_server(_OLLAMA)
        if server is not None:
            offers.append(server)
    await import_offers(session, offers)
    return [_line(offer) for offer in offers]


def found_keys(environment: Mapping[str, str]) -> list[Offer]:
    """A deployment for each vendor whose key is set."""
    offers = []
    for vendor in _VENDORS:
        if environment.get(vendor.key):
            model_name = environment.get(f"{vendor.prefix}_MODEL") or vendor.model_name
            offers.append(
                _offer(
                    vendor.name,
                    vendor.processor,
                    vendor.base_url,
                    model_name,
                    key=vendor.key,
                    json_schema=vendor.json_schema,
                )
            )
    if all(environment.get(name) for name in _AZURE):
        base_url = environment["AZURE_OPENAI_ENDPOINT"].rstrip("/") + "/openai/v1/"
        deployment = environment["AZURE_OPENAI_DEPLOYMENT"]
        offers.append(_offer("azure", "Microsoft", base_url, deployment, key=_AZURE[0], json_schema=True))
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
    return _offer("ollama", "this machine", base_url, min(models), key=None, json_schema=True)


def _offer(
    vendor: str, processor: str, base_url: str, model_name: str, *, key: str | None, json_schema: bool
) -> Offer:
    local = key is None
    return Offer(
        SeedProvider(
            name=f"environment-{vendor}",
            kind=ProviderKind.OPENAI_COMPATIBLE,
            vendor=vendor,
            base_url=base_url,
            region="local" if local else "global",
            processor=processor,
            no_training=local,
            zero_retention=local,
            credential=None if key is None else f"env:{key}",
        ),
        SeedDeployment(
            name=f"environment-{vendor}",
            provider=f"environment-{vendor}",
            model_name=model_name,
            model_class=ModelClass.GENERAL,
            capabilities=["json_schema"] if json_schema else [],
            context_window=8_192 if local else 128_000,
            max_output_tokens=2_048 if local else 8_192,
            concurrency=1 if local else None,
        ),
    )


def _line(offer: Offer) -> str:
    where = offer.provider.credential or offer.provider.base_url
    return (
        f"{offer.deployment.model_name} by {offer.provider.processor} is asked first"
        f" ({where}); --offline leaves it out"
    )
