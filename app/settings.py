"""Every environment variable of the product, typed and read once."""

from functools import lru_cache
from pathlib import Path

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.vocabulary import Environment

_DOCTOR = "`switchboard doctor` lists what is needed"
_HOW = {
    "database_owner_url": "`switchboard migrate` needs the address of your Postgres with the role that owns the"
    " tables, postgresql://switchboard_owner:PASSWORD@HOST:5432/DATABASE. The embedded Postgres of"
    " `switchboard up`, `run` and `demo` needs no migrate: each start does it",
}
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


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
    database_direct_url: SecretStr | None = Field(None, alias="DATABASE_DIRECT_URL")
    redis_url: SecretStr | None = Field(None, alias="REDIS_URL")

    keyring: Path | None = None
    """Key-encryption keys of development; a file that only its owner can read."""

    entra_authority: str = "https://login.microsoftonline.com"
    entra_ca: Path | None = None
    """Certificate authority of the development Entra (PEM)."""
    api_client_id: str = ""
    """Client id of the API's app registration: the `aud` of its access tokens."""
    addin_client_ids: tuple[str, ...] = ()
    """Client ids that people may sign in through: the `azp` of delegated tokens."""
    addin_origins: tuple[str, ...] = ()

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

    max_upload_bytes: int = Field(100 * 2**20, gt=0)
    extraction_seconds: float = Field(60.0, gt=0)
    extraction_memory_bytes: int = Field(1536 * 2**20, gt=0)

    seed: Path | None = None
    """Configuration file imported by `switchboard migrate`; infra/seed.yaml in development."""

    @model_validator(mode="after")
    def _development_only(self) -> "Settings":
        """Refuse what only development may have, and refuse development on a public address."""
        if self.env is Environment.PRODUCTION:
            offending = [name for name in ("keyring", "entra_ca") if getattr(self, name) is not None]
            if offending:
                names = ", ".join(f"SWITCHBOARD_{name.upper()}" for name in offending)
                raise ValueError(
                    f"{names} is only for development: unset it or set SWITCHBOARD_ENV=development"
                )
            if not self.entra_authority.startswith("https://"):
                raise ValueError("SWITCHBOARD_ENTRA_AUTHORITY must begin with https://")
        elif self.api_host not in _LOOPBACK:
            raise ValueError("development binds to loopback only: set SWITCHBOARD_API_HOST to 127.0.0.1")
        return self

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

    def direct_url(self) -> str:
        """Address for LISTEN: past a pooler where one is set, the app role's otherwise."""
        return self.required("database_direct_url" if self.database_direct_url else "database_url")


class MissingSetting(Exception):
    """A process was started without a setting it needs."""


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read from the environment on first use."""
    return Settings()
