"""The shape of a tenant's configuration file. What is the platform's is named `platform/NAME`; no key is in it.

Every list is whole: what it does not name is archived, or deleted where nothing refers to it.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent

from app.core.errors import ErrorDetail, TooLarge, Unprocessable
from app.core.yaml_text import LOADER, load_yaml
from app.pools.seed_schema import (
    ProviderTerms,
    SeedDeployment,
    SeedMember,
    SeedPrice,
    SeedRoute,
)
from app.vocabulary import ModelClass, Role, Strategy

MOST_BYTES = 512 * 1024
"""Hundreds of pools fit, and it is read in a fraction of a second."""
_DEEPEST = 20
_NAME = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")
_Word = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$"),
]
_Prompt = Annotated[str, StringConstraints(max_length=100_000, pattern=r"^[^\x00]*$")]


class InvalidConfiguration(Unprocessable):
    """The file is wrong; `details` names each place."""

    code = "invalid_configuration"
    title = "The configuration is not right"

    def __init__(self, details: list[ErrorDetail]) -> None:
        shown = "; ".join(f"{one.target or 'the file'}: {one.message}" for one in details[:5])
        more = f"; and {len(details) - 5} more" if len(details) > 5 else ""
        super().__init__(f"Nothing was imported: {shown}{more}.", details=details[:100])


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class FileProvider(ProviderTerms):
    """A vendor account of the tenant's own, without its key."""

    archived: bool = False


class FileDeployment(SeedDeployment):
    """A deployment of the tenant's own, at a provider of its own."""

    context_window: int = Field(gt=0, lt=2**31)
    max_output_tokens: int = Field(gt=0, lt=2**31)
    successor: str | None = None
    archived: bool = False


class FilePrice(SeedPrice):
    """A price of the tenant's own for a deployment of the platform's."""

    deployment: str


class FilePromptSet(_Strict):
    """One revision of the prompts of a task type."""

    task_type: str = Field(min_length=1, max_length=64)
    name: str = _NAME
    revision: int = Field(ge=1, le=1_000_000)
    prompts: dict[_Word, _Prompt]


class FileMember(SeedMember):
    """A member; `prompt_set` is `NAME@REVISION`."""


class FilePool(_Strict):
    """A pool with what its published revision holds; without members it has published nothing."""

    name: str = _NAME
    task_type: str = Field(min_length=1, max_length=64)
    strategy: Strategy = Strategy.WEIGHTED
    members: list[FileMember] = Field(default_factory=list, max_length=50)


class FilePolicy(_Strict):
    """Where the tenant's text may go; a list of null allows everything."""

    allowed_regions: list[_Word] | None = None
    allowed_processors: list[_Word] | None = None
    allowed_vendors: list[_Word] | None = None
    allowed_model_classes: list[ModelClass] | None = None
    require_no_training: bool = False
    require_zero_retention: bool = False


class FilePermission(_Strict):
    """Who may use a task type."""

    task_type: str = Field(min_length=1, max_length=64)
    groups: list[UUID] | None = None
    departments: list[_Word] | None = None
    roles: list[Role] | None = None
    programs: bool = True


class ConfigurationFile(_Strict):
    """All of it."""

    version: Literal[1] = 1
    providers: list[FileProvider] = Field(default_factory=list, max_length=200)
    deployments: list[FileDeployment] = Field(default_factory=list, max_length=500)
    prices: list[FilePrice] = Field(default_factory=list, max_length=500)
    prompt_sets: list[FilePromptSet] = Field(default_factory=list, max_length=1000)
    pools: list[FilePool] = Field(default_factory=list, max_length=200)
    routes: list[SeedRoute] = Field(default_factory=list, max_length=200)
    policy: FilePolicy = FilePolicy()
    task_permissions: list[FilePermission] = Field(default_factory=list, max_length=100)


def read_file(content: bytes) -> ConfigurationFile:
    """Parse a file. Raises: `TooLarge`, `InvalidConfiguration` with every place."""
    if len(content) > MOST_BYTES:
        raise TooLarge(f"A configuration has at most {MOST_BYTES:,} bytes.")
    try:
        text = content.decode()
        _refuse_tricks(text)
        loaded = load_yaml(text)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f"line {mark.line + 1}"
        problem = getattr(error, "problem", None) or "it is not YAML in UTF-8"
        raise InvalidConfiguration([ErrorDetail("not_yaml", str(problem), where)]) from None
    try:
        return ConfigurationFile.model_validate(loaded if loaded is not None else {})
    except ValidationError as error:
        raise InvalidConfiguration(
            [
                ErrorDetail(one["type"], one["msg"], place(one["loc"]))
                for one in error.errors(include_input=False, include_url=False)
            ]
        ) from None


def write_file(configuration: ConfigurationFile) -> str:
    """The file as text; what has its default is left out."""
    shown = {"version": 1, **configuration.model_dump(mode="json", exclude_defaults=True)}
    text: str = yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=110)
    return text


def place(location: tuple[int | str, ...]) -> str:
    """A place such as `pools[0].members[1].tier`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".")


def _refuse_tricks(text: str) -> None:
    """An alias repeats what is large, nesting exhausts the stack: no configuration needs either."""
    depth = 0
    events: Any = yaml.parse(text, Loader=LOADER)
    for event in events:
        if isinstance(event, AliasEvent) or (isinstance(event, NodeEvent) and event.anchor):
            raise _trick("anchors and aliases are not taken", event.start_mark)
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > _DEEPEST:
            raise _trick("nested too deeply", event.start_mark)


def _trick(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
