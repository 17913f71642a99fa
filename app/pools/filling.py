"""What an administrator leaves out of a deployment, from the facts about its model."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any

from app.core.errors import ErrorDetail
from app.pools.defaults import ModelDefaults, defaults_for
from app.pools.errors import WrongConfiguration
from app.vocabulary import Lifecycle, ModelClass, ProviderKind

_FACTS = (
    "model_class",
    "capabilities",
    "languages",
    "context_window",
    "max_output_tokens",
    "supported_parameters",
    "lifecycle",
    "deprecated_at",
    "retired_at",
)
_LIMITS = ("context_window", "max_output_tokens")
_UNSAID: Mapping[str, Any] = {
    "model_class": ModelClass.GENERAL,
    "capabilities": [],
    "lifecycle": Lifecycle.ACTIVE,
}
"""Where neither the administrator nor the facts say anything."""


class Unsaid(Enum):
    """A price that nobody has spoken of; None is that there is none."""

    UNSAID = "unsaid"


UNSAID = Unsaid.UNSAID


@dataclass(frozen=True)
class Filled:
    """A deployment's values, whole; its price apart, because that is a row of its own."""

    values: Mapping[str, Any]
    price: Mapping[str, Any] | None
    from_facts: tuple[str, ...]
    """The fields that were left out and are known."""


def fill(
    kind: ProviderKind, vendor: str, said: Mapping[str, Any], *, price_said: bool, on: date | None = None
) -> Filled:
    """The values that were said, and what is known of the model wherever nothing was, as of a day (today).

    A fact that contradicts what was said gives way. Raises: `WrongConfiguration` where a limit is left out that
    nobody knows.
    """
    known = defaults_for(kind, vendor, said["model_name"], on=on)
    facts = {} if known is None else _facts(known, said)
    values = {**_UNSAID, **facts, **said}
    missing = [name for name in _LIMITS if values.get(name) is None]
    if missing:
        raise WrongConfiguration(*(_unknown(name, said["model_name"]) for name in missing))
    price = None if known is None or known.price is None or price_said else asdict(known.price)
    return Filled(values, price, (*facts, *(("price",) if price is not None else ())))


def _facts(known: ModelDefaults, said: Mapping[str, Any]) -> dict[str, Any]:
    facts = {name: getattr(known, name) for name in _FACTS if name not in said}
    facts = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in facts.items()
        if value is not None
    }
    if "max_output_tokens" in facts and said.get("context_window") is not None:
        facts["max_output_tokens"] = min(facts["max_output_tokens"], said["context_window"])
    if _after(facts.get("deprecated_at"), said.get("retired_at")):
        del facts["deprecated_at"]
    if _after(said.get("deprecated_at"), facts.get("retired_at")):
        del facts["retired_at"]
    return facts


def _after(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and other is not None and one > other


def _unknown(name: str, model_name: str) -> ErrorDetail:
    return ErrorDetail(f"{name}_unknown", f"Nothing is known of {model_name}; say its {name}.", target=name)
