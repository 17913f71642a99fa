"""The file of facts about vendors' protocols and model families: its shape, and reading it.

What the file says are defaults; a provider's or deployment's own row wins. Use `app.pools.defaults`.
"""

from collections.abc import Sequence
from datetime import date
from fnmatch import fnmatchcase
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, model_validator

from app.core.yaml_text import load_yaml
from app.vocabulary import ModelClass

_FILE = Path(__file__).with_name("model_facts.yaml")
Parameter = Literal[
    "temperature", "top_p", "seed", "presence_penalty", "frequency_penalty", "reasoning_effort"
]
Capability = Literal["json_schema", "tools"]


class _Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), ignored_types=(cached_property,)
    )


class Source(_Strict):
    """A page or a package, and when it was read."""

    url: HttpUrl
    edition: str | None = Field(None, min_length=1)
    read: date


class Dialect(_Strict):
    """How a server that speaks OpenAI's chat completions differs from the others; see the file's comments."""

    name: str = Field(min_length=1)
    vendors: list[str] = Field(min_length=1)
    base_url: str | None = None
    output_limit: Literal["max_tokens", "max_completion_tokens"]
    json_mode: Literal["json_schema", "json_object", "none"] = Field("json_schema", alias="json")
    usage_in_stream: Literal["asked", "always"] = "asked"
    reasoning_apart: bool = False
    unthinking: dict[str, Any] | None = None
    grammar: bool = False
    serves_open_models: bool = False
    served_window: int | None = Field(None, gt=0)
    parameters: list[Parameter] | None = None
    sources: list[str] = Field(min_length=1)


class ListPrice(_Strict):
    """What a vendor asks of everybody, in micros of the currency per million tokens."""

    since: date | None = None
    """None: from the beginning."""
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    input_micros: int = Field(gt=0)
    cached_input_micros: int = Field(gt=0)
    output_micros: int = Field(gt=0)
    reasoning_micros: int | None = Field(None, gt=0)
    """None: like other output."""


class Family(_Strict):
    """Models that have these facts in common. `models` are names, or patterns with `*` and `?`."""

    vendor: str = Field(min_length=1)
    models: list[str] = Field(min_length=1)
    model_class: ModelClass
    capabilities: list[Capability]
    languages: list[str] | None = Field(None, min_length=1)
    context_window: int | None = Field(None, gt=0)
    max_output_tokens: int | None = Field(None, gt=0)
    priced_up_to_tokens: int | None = Field(None, gt=0)
    supported_parameters: list[Parameter] | None = None
    prices: list[ListPrice] = Field(default_factory=list)
    released_on: date | None = None
    deprecated_on: date | None = None
    retired_on: date | None = None
    successor: str | None = None
    sources: list[str] = Field(min_length=1)

    @model_validator(mode="after")
    def _dates_are_in_order(self) -> Self:
        known = [day for day in (self.released_on, self.deprecated_on, self.retired_on) if day is not None]
        if known != sorted(known):
            raise ValueError(
                f"{self.models[0]}: released, deprecated, retired: the dates are not in this order"
            )
        since = [price.since or date.min for price in self.prices]
        if since != sorted(set(since)):
            raise ValueError(f"{self.models[0]}: prices: each begins later than the one before it")
        return self

    def has(self, model_name: str) -> bool:
        """Whether a model of this name is one of them; case does not count."""
        lowered = model_name.lower()
        return any(fnmatchcase(lowered, pattern.lower()) for pattern in self.models)

    def price_on(self, day: date) -> ListPrice | None:
        """The price of that day; None where none is known."""
        begun = [price for price in self.prices if price.since is None or price.since <= day]
        return begun[-1] if begun else None


class ModelFacts(_Strict):
    """The whole file."""

    sources: dict[str, Source]
    dialects: list[Dialect]
    families: list[Family]

    @model_validator(mode="after")
    def _refers_to_what_is_there(self) -> Self:
        users: Sequence[Dialect | Family] = [*self.dialects, *self.families]
        named = {source for user in users for source in user.sources}
        if named != self.sources.keys():
            raise ValueError(f"sources: named or used alone: {sorted(named ^ self.sources.keys())}")
        if [dialect.vendors for dialect in self.dialects].count(["*"]) != 1 or self.dialects[-1].vendors != [
            "*"
        ]:
            raise ValueError('dialects: the last one, and no other, is for `vendors: ["*"]`')
        return self


@cache
def model_facts() -> ModelFacts:
    """The file, read once. Raises: `pydantic.ValidationError`."""
    return read(_FILE.read_text(encoding="utf-8"))


def read(text: str) -> ModelFacts:
    """Facts from YAML. Raises: `pydantic.ValidationError`."""
    return ModelFacts.model_validate(load_yaml(text))
