"""What the portal takes and gives of vendor accounts, models and prompts, in JSON."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, SecretStr, StringConstraints, field_validator
from pydantic import BaseModel as Shown

from app.pools.provider_keys import KeyFacts
from app.pools.providers import ProviderView
from app.portal.owners import Owner, owner_of
from app.portal.schemas import Closed
from app.vocabulary import Authentication, ProviderKind

Slug = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$"),
    Field(description="Lower case letters, digits, dots and hyphens; one of its kind."),
]
Words = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$"),
]
BaseUrl = Annotated[str, StringConstraints(min_length=1, max_length=2048)]
ApiVersion = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]{1,32}$")]

STAYS: Any = Field(default_factory=lambda: None)
"""Of a field that may be left out and may not be null."""


class CredentialResource(Shown):
    """All that is ever told of a key."""

    last4: str | None
    """Null where the key is too short to tell that much of it, or stands in a variable of the environment."""
    set_at: datetime

    @classmethod
    def of(cls, key: KeyFacts) -> Self:
        """What may be told of it."""
        return cls(last4=key.last4, set_at=key.set_at)


class ProviderResource(Shown):
    """A vendor account: its protocol, where it runs, who processes the text, what the contract promises."""

    id: UUID
    owner: Owner
    name: str
    kind: ProviderKind
    vendor: str
    base_url: str | None
    region: str
    processor: str
    no_training: bool
    zero_retention: bool
    contract_until: datetime | None
    authentication: Authentication
    api_version: str | None
    credential: CredentialResource | None
    """Null where there is none, and to all but the provider's owner."""
    archived_at: datetime | None

    @classmethod
    def of(cls, view: ProviderView) -> Self:
        """As it is shown."""
        facts = view.facts
        return cls(
            id=facts.id,
            owner=owner_of(facts.tenant_id),
            name=facts.name,
            kind=facts.kind,
            vendor=facts.vendor,
            base_url=facts.base_url,
            region=facts.region,
            processor=facts.processor,
            no_training=facts.no_training,
            zero_retention=facts.zero_retention,
            contract_until=facts.contract_until,
            authentication=facts.authentication,
            api_version=facts.api_version,
            credential=None if view.key is None else CredentialResource.of(view.key),
            archived_at=view.archived_at,
        )


class NewProvider(Closed):
    """A vendor account to set up; its key is entered afterwards, at `credential`."""

    name: Slug
    kind: ProviderKind
    vendor: Words
    base_url: BaseUrl | None = None
    """Needed where the kind does not know its vendor's one address. A tenant's is https and public."""
    region: Words
    processor: Words
    """The company that processes the text, as it is written in the policy's `allowed_processors`."""
    no_training: bool = False
    zero_retention: bool = False
    contract_until: AwareDatetime | None = None
    authentication: Authentication = Authentication.KEY
    api_version: ApiVersion | None = None


class ChangeProvider(Closed):
    """What shall be different; what is left out stays.

    With another kind, authentication or origin of `base_url` the stored key goes: enter it again.
    """

    name: Slug = STAYS
    kind: ProviderKind = STAYS
    vendor: Words = STAYS
    base_url: BaseUrl | None = None
    region: Words = STAYS
    processor: Words = STAYS
    no_training: bool = STAYS
    zero_retention: bool = STAYS
    contract_until: AwareDatetime | None = None
    authentication: Authentication = STAYS
    api_version: ApiVersion | None = None


class NewCredential(Closed):
    """A key. It is sealed, never shown again, and counts within a second."""

    key: Annotated[SecretStr, Field(min_length=8, max_length=4096, json_schema_extra={"writeOnly": True})]

    @field_validator("key")
    @classmethod
    def _is_one_word(cls, key: SecretStr) -> SecretStr:
        """It goes into a header: a line's end that was copied along would break every call."""
        value = key.get_secret_value()
        if not (value.isascii() and value.isprintable() and " " not in value):
            raise ValueError("a key is one word of printable ASCII characters")
        return key
