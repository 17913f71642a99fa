"""Every environment variable of the product, typed and read once."""

import re
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.vocabulary import Environment

GRAPH_HOSTS = frozenset(
    {
        "graph.microsoft.com",
        "graph.microsoft.us",
        "dod-graph.microsoft.us",
        "microsoftgraph.chinacloudapi.cn",
    }
)
"""Microsoft Graph of each cloud. Source: Microsoft, "National cloud deployments"."""
VAULT_HOSTS = (
    ".vault.azure.net",
    ".vault.usgovcloudapi.net",
    ".vault.azure.cn",
    ".managedhsm.azure.net",
    ".managedhsm.usgovcloudapi.net",
    ".managedhsm.azure.cn",
)
"""Azure Key Vault and Managed HSM of each cloud. Source: Microsoft, "About keys", object identifiers."""
KEY_ADDRESS = re.compile(
    r"(?P<vault>https://[a-z](?:-?[a-z0-9])+(?P<cloud>\.[a-z.]+))/keys/(?P<name>[A-Za-z0-9-]{1,127})"
    r"(?:/(?P<version>[0-9a-f]{32}))?"
)
_ORIGIN = re.compile(r"https?://(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?")
_DOCTOR = "`switchboard doctor` lists what is needed"
_HOW = {
    "database_owner_url": "`switchboard migrate` needs the address of your Postgres with the role that owns the"
    " tables, postgresql://switchboard_owner:PASSWORD@HOST:5432/DATABASE. The embedded Postgres of"
    " `switchboard up`, `run` and `demo` needs no migrate: each start does it",
}
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_DEVELOPMENT_ONLY = ("keyring", "entra_ca", "entra_client_secret", "webhook_ca")
_CREDENTIALS = (
    "entra_certificate",
    "entra_federated_token_file",
    "entra_managed_identity",
    "entra_client_secret",
)


class Settings(BaseSettings):
    """Settings of one process. Names are `SWITCHBOARD_<FIELD>` unless an alias stands here."""

    model_config = SettingsConfigDict(
        env_prefix="SWITCHBOARD_", extra="ignore", frozen=True, populate_by_name=True
    )

    env: Environment = Environment.PRODUCTION
    log_format: str = Field("json", pattern="^(json|console)$")

    database_url: SecretStr | None = Field(None, alias="DATABASE_URL")
    database_system_url: SecretStr | None = Field(None, alias="DATABASE_SYSTEM_URL")
    database_owner_url: SecretStr | None = Field(None, alias="DATABASE_OWNER_URL")
    database_eraser_url: SecretStr | None = Field(None, alias="DATABASE_ERASER_URL")
    database_direct_url: SecretStr | None = Field(None, alias="DATABASE_DIRECT_URL")
    redis_url: SecretStr | None = Field(None, alias="REDIS_URL")
    api_database_connections: int = Field(16, ge=1)
    """Connections to the database that one API process opens for requests; a quarter as many more for look-ups."""

    keyring: Path | None = None
    """Key-encryption keys of development; a file that only its owner can read."""
    key_vault_key: str = ""
    """Key-encryption key of production: https://NAME.vault.azure.net/keys/KEY, or .../KEY/VERSION."""
    key_vault_former_keys: tuple[str, ...] = ()
    """Keys, perhaps of other vaults, that still wrap some tenants' data keys while they are rotated away."""
    key_vault_identity: str = Field("managed", pattern="^(managed|workload)$")
    """Who we are at the vault: the machine's managed identity, or a workload's federated token file."""
    key_vault_client_id: str = ""
    """Client id of a managed identity that was assigned by hand; empty for the machine's own."""

    audit_anchors: Path | None = None
    """File outside the database's reach to which the heads of audit chains are written; it only grows."""

    entra_authority: str = "https://login.microsoftonline.com"
    entra_ca: Path | None = None
    """Certificate authority of the development Entra (PEM)."""
    api_client_id: str = ""
    """Client id of the API's app registration: the `aud` of its access tokens."""
    portal_client_id: str = ""
    """Client id of the portal's app registration; without it nobody signs in at the portal."""
    portal_url: str = ""
    """Where browsers reach this service, scheme and host only; http://localhost and the port in development."""
    entra_certificate: Path | None = None
    """Proves both registrations: a PEM file with key and certificate, or a PFX file. Name one of these four."""
    entra_certificate_password: SecretStr | None = None
    entra_federated_token_file: Path | None = None
    """A workload identity's token, which its platform renews (AZURE_FEDERATED_TOKEN_FILE on AKS)."""
    entra_managed_identity: str = Field("", pattern=r"^(system|[0-9a-fA-F-]{36})?$")
    """`system`, or the client id of a user-assigned identity, that the registrations trust."""
    entra_client_secret: SecretStr | None = None
    """Only for development."""
    addin_client_ids: tuple[str, ...] = ()
    """Client ids that people may sign in through: the `azp` of delegated tokens."""
    addin_origins: tuple[str, ...] = ()
    """Origins of the pages that may call the add-in's door: scheme, host and port, as browsers send them."""
    operator_tenant: UUID | None = None
    """Entra tenant of whoever operates the platform: only there does the role PlatformOperator count."""
    onboarding: str = Field("", pattern="^(open|invited)?$")
    """Whether directories that nobody invited may bring themselves in; open in development, else invited."""

    graph_url: str = "https://graph.microsoft.com"
    graph_download_hosts: tuple[str, ...] = (
        ".sharepoint.com",
        ".sharepoint.us",
        ".sharepoint-mil.us",
        ".sharepoint.cn",
    )
    """Hosts, or suffixes that begin with a dot, to which Graph may send us for a file's content."""
    graph_session_days: int = Field(90, ge=1, le=90)
    """The longest that a member's leave to read their files while they are away is good for."""
    needs_user_seconds: float = Field(7 * 86_400.0, gt=0)
    """How long a job waits for its member to sign in or consent."""

    rate_limit_member: int = Field(600, ge=1)
    """Requests that one member may send in a minute."""
    rate_limit_tenant: int = Field(12_000, ge=1)
    """Requests that all members of a tenant together may send in a minute."""
    rate_limit_sign_ins: int = Field(60, ge=1)
    """Requests without a valid token that one address may send to one process in a minute."""
    rate_limit_sign_in_starts: int = Field(120, ge=1)
    """Sign-ins that one address may begin at one process's portal in a minute; an office may share one."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks of the proxies in front of us, whose `X-Forwarded-For` names the client."""

    webhook_ca: Path | None = None
    """Certificate authority (PEM) of webhooks' receivers on this machine, only for development: all webhooks lead here."""

    api_host: str = "127.0.0.1"
    api_port: int = Field(8720, ge=0, le=65535)
    instance: str = ""
    """Repeated by /health/ready, so that whoever started an API knows its own."""

    worker_concurrency: int = Field(16, ge=1, le=1000)
    lease_seconds: float = Field(30.0, gt=0)
    max_attempts: int = Field(4, ge=1)
    shutdown_grace_seconds: float = Field(10.0, ge=0)
    job_deadline_seconds: float = Field(3600.0, gt=0)
    stale_hint_seconds: float = Field(2.0, gt=0)

    erasure_wait_days: float = Field(14.0, ge=0)
    """Time in which a customer can take back its own request to be erased."""
    erasure_settle_seconds: float = Field(90.0, ge=0)
    """Between an erasure's two sweeps; longer than any process keeps a data key in memory (60 s)."""
    ledger_days: int = Field(3650, ge=1)
    """How long the ledger of model calls is kept, for accounts and audits."""

    max_upload_bytes: int = Field(100 * 2**20, gt=0)
    max_upload_sessions: int = Field(10, ge=1)
    """Upload sessions that one member may have open at once."""
    upload_session_hours: float = Field(24.0, gt=0)
    """After that time an unfinished upload is given up and what arrived of it is removed."""
    extraction_seconds: float = Field(60.0, gt=0)
    extraction_memory_bytes: int = Field(1536 * 2**20, gt=0)
    extraction_processes_ahead: int = Field(2, ge=0, le=2)
    """How many reading processes are started before the first document comes."""

    seed: Path | None = None
    """Configuration file imported by `switchboard migrate`; infra/seed.yaml in development."""

    @field_validator("key_vault_key", "key_vault_former_keys")
    @classmethod
    def _at_a_vault(cls, given: str | tuple[str, ...]) -> str | tuple[str, ...]:
        """Only Microsoft's vaults, also in development: whoever answers there can read every tenant's keys."""
        for address in (given,) if isinstance(given, str) else given:
            found = KEY_ADDRESS.fullmatch(address)
            if address and (found is None or found["cloud"] not in VAULT_HOSTS):
                raise ValueError(
                    "must be https://NAME.vault.azure.net/keys/KEY or .../KEY/VERSION, at one of"
                    f" {', '.join(VAULT_HOSTS)}"
                )
        return given

    @field_validator("addin_origins")
    @classmethod
    def _exact_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        """No pattern, no `null`, no path: a browser's `Origin` is compared with these, letter by letter."""
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"SWITCHBOARD_ADDIN_ORIGINS holds {origin!r}, which no browser sends as an origin:"
                    " write https://host or https://host:port in small letters, without a path"
                )
        return origins

    @model_validator(mode="after")
    def _development_only(self) -> "Settings":
        """Refuse what only development may have, and refuse development on a public address."""
        if self.env is Environment.PRODUCTION:
            offending = [name for name in _DEVELOPMENT_ONLY if getattr(self, name) is not None]
            if offending:
                names = ", ".join(f"SWITCHBOARD_{name.upper()}" for name in offending)
                raise ValueError(
                    f"{names} is only for development: unset it or set SWITCHBOARD_ENV=development"
                )
            if not self.entra_authority.startswith("https://"):
                raise ValueError("SWITCHBOARD_ENTRA_AUTHORITY must begin with https://")
            if any(not origin.startswith("https://") for origin in self.addin_origins):
                raise ValueError("SWITCHBOARD_ADDIN_ORIGINS must begin with https://")
            self._check_graph()
        elif self.api_host not in _LOOPBACK:
            raise ValueError("development binds to loopback only: set SWITCHBOARD_API_HOST to 127.0.0.1")
        return self

    @model_validator(mode="after")
    def _one_credential(self) -> "Settings":
        """Refuse to guess which of several credentials is meant, and an address no cookie can be bound to."""
        named = [f"SWITCHBOARD_{name.upper()}" for name in _CREDENTIALS if getattr(self, name)]
        if len(named) > 1:
            raise ValueError(f"only one credential is used: unset all but one of {', '.join(named)}")
        parts = urlsplit(self.portal_url)
        local = self.env is Environment.DEVELOPMENT and parts.hostname in _LOOPBACK
        if self.portal_url and (
            parts.scheme not in ({"https", "http"} if local else {"https"})
            or not parts.hostname
            or parts.path not in {"", "/"}
            or parts.query
            or parts.fragment
            or parts.username is not None
        ):
            raise ValueError("SWITCHBOARD_PORTAL_URL is https:// and a host, nothing more")
        return self

    def _check_graph(self) -> None:
        if self.graph_url not in {f"https://{host}" for host in GRAPH_HOSTS}:
            raise ValueError(
                f"SWITCHBOARD_GRAPH_URL must be https:// and one of {', '.join(sorted(GRAPH_HOSTS))}"
            )
        if any(host.count(".") < 2 or not host.startswith(".") for host in self.graph_download_hosts):
            raise ValueError(
                "SWITCHBOARD_GRAPH_DOWNLOAD_HOSTS holds suffixes of at least two labels: .sharepoint.com"
            )

    def required(self, name: str) -> str:
        """The value of a setting this process cannot run without.

        Raises: `MissingSetting` naming the environment variable.
        """
        value = getattr(self, name)
        if isinstance(value, SecretStr):
            return value.get_secret_value()
        if value in (None, "", ()):
            alias = type(self).model_fields[name].alias or f"SWITCHBOARD_{name.upper()}"
            raise MissingSetting(f"{alias} is not set; {_HOW.get(name, _DOCTOR)}")
        return str(value)

    @property
    def onboarding_is_open(self) -> bool:
        """Whether a directory that nobody invited may become a customer."""
        return self.onboarding == "open" or (not self.onboarding and self.env is Environment.DEVELOPMENT)

    @property
    def portal_origin(self) -> str:
        """Scheme, host and port under which browsers know us: what redirect addresses begin with."""
        if self.portal_url:
            return self.portal_url.rstrip("/")
        return f"http://localhost:{self.api_port}" if self.env is Environment.DEVELOPMENT else ""

    def direct_url(self) -> str:
        """Address for LISTEN and for lookups: past a pooler where one is set, the app role's otherwise."""
        return self.required("database_direct_url" if self.database_direct_url else "database_url")


class MissingSetting(Exception):
    """A process was started without a setting it needs."""


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read from the environment on first use."""
    return Settings()
