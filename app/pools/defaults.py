"""What a deployment is by default: facts about its model, for whoever leaves something out."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import lru_cache

from app.core.clock import now
from app.pools.model_facts import Dialect, Family, ListPrice, model_facts
from app.vocabulary import Lifecycle, ModelClass, ProviderKind

_OWN_VENDOR = {
    ProviderKind.OPENAI: "openai",
    ProviderKind.ANTHROPIC: "anthropic",
    ProviderKind.GOOGLE: "google",
}
_AZURE = frozenset({ProviderKind.AZURE_OPENAI, ProviderKind.AZURE_FOUNDRY})
_MICROSOFT = "microsoft"
_OPEN = "open"
_SHARE = 4
"""Of the window, the output's part is one in so many."""


@dataclass(frozen=True)
class DefaultPrice:
    """A vendor's list price, in micros of the currency per million tokens."""

    currency: str
    input_micros: int
    cached_input_micros: int
    output_micros: int
    reasoning_micros: int


@dataclass(frozen=True)
class ModelDefaults:
    """Defaults of a deployment, under the names of its columns. None: not known, so it must be said."""

    model_class: ModelClass
    capabilities: tuple[str, ...]
    languages: tuple[str, ...] | None
    """None: any."""
    context_window: int | None
    """Input and output together. No more than the list price holds for: longer calls would cost more than is
    reserved for them.
    """
    max_output_tokens: int | None
    """At most a quarter of the window: all of it is kept free for the answer, and some vendors allow the whole."""
    supported_parameters: tuple[str, ...] | None
    price: DefaultPrice | None
    lifecycle: Lifecycle
    deprecated_at: datetime | None
    retired_at: datetime | None
    """At the beginning of the day, UTC."""
    successor: str | None
    """Name of the model that the vendor recommends instead."""
    sources: tuple[str, ...]
    """Addresses of the pages that say so."""


def dialect_for(kind: ProviderKind, vendor: str) -> Dialect:
    """How this provider's server speaks OpenAI's protocol; the last one in the file where nobody knows."""
    wanted = "openai" if kind is ProviderKind.OPENAI or kind in _AZURE else vendor.lower()
    dialects = model_facts().dialects
    return next((one for one in dialects if wanted in one.vendors), dialects[-1])


def defaults_for(
    kind: ProviderKind, vendor: str, model_name: str, *, on: date | None = None
) -> ModelDefaults | None:
    """What is known of a model at a provider, as of a day (today); None where nothing is.

    Azure names deployments as their owners like, sells at prices and ends models at dates of its own: there a
    name that is a known model's gives limits and abilities alone. The same goes for open models, wherever they
    are served.
    """
    return _defaults(kind, vendor.lower(), model_name, on or now().date())


@lru_cache(maxsize=256)
def _defaults(kind: ProviderKind, vendor: str, model_name: str, day: date) -> ModelDefaults | None:
    dialect = dialect_for(kind, vendor)
    own = _OWN_VENDOR.get(kind, vendor)
    if kind in _AZURE:
        family, elsewhere = _family(_MICROSOFT, model_name), False
        if family is None:
            family, elsewhere = _family(None, model_name), True
    else:
        family, elsewhere = _family(own, model_name), False
        if family is None and kind is ProviderKind.OPENAI_COMPATIBLE and dialect.serves_open_models:
            family, elsewhere = _family(_OPEN, model_name), True
    if family is None:
        return None
    price = None if elsewhere else family.price_on(day)
    priced = family.priced_up_to_tokens if price else None
    window = _least(family.context_window, priced, dialect.served_window)
    return ModelDefaults(
        model_class=family.model_class,
        capabilities=_capabilities(kind, family, dialect),
        languages=None if family.languages is None else tuple(family.languages),
        context_window=window,
        max_output_tokens=_least(family.max_output_tokens, window // _SHARE if window else None),
        supported_parameters=_parameters(kind, family, dialect),
        price=None if price is None else _price(price),
        lifecycle=Lifecycle.ACTIVE if elsewhere else _lifecycle(family, day),
        deprecated_at=None if elsewhere else _begin(family.deprecated_on),
        retired_at=None if elsewhere else _begin(family.retired_on),
        successor=None if elsewhere else family.successor,
        sources=tuple(str(model_facts().sources[name].url) for name in family.sources),
    )


def _family(vendor: str | None, model_name: str) -> Family | None:
    """The family of a vendor (None: any that sells its own models) to which the name belongs."""
    for family in model_facts().families:
        if (family.vendor == vendor or (vendor is None and family.vendor != _OPEN)) and family.has(
            model_name
        ):
            return family
    return None


def _capabilities(kind: ProviderKind, family: Family, dialect: Dialect) -> tuple[str, ...]:
    compatible = kind is ProviderKind.OPENAI_COMPATIBLE
    return (*family.capabilities, *(("grammar",) if compatible and dialect.grammar else ()))


def _parameters(kind: ProviderKind, family: Family, dialect: Dialect) -> tuple[str, ...] | None:
    if family.supported_parameters is not None:
        return tuple(family.supported_parameters)
    if kind is ProviderKind.OPENAI_COMPATIBLE and dialect.parameters is not None:
        return tuple(dialect.parameters)
    return None


def _lifecycle(family: Family, day: date) -> Lifecycle:
    if family.retired_on is not None and family.retired_on <= day:
        return Lifecycle.RETIRED
    if family.retired_on is not None or (family.deprecated_on is not None and family.deprecated_on <= day):
        return Lifecycle.DEPRECATED
    return Lifecycle.ACTIVE


def _price(price: ListPrice) -> DefaultPrice:
    return DefaultPrice(
        price.currency,
        price.input_micros,
        price.cached_input_micros,
        price.output_micros,
        price.reasoning_micros or price.output_micros,
    )


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _begin(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), tzinfo=UTC)
