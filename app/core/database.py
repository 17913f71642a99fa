"""Engines, sessions bound to a tenant, and the base of every table.

A session is made for one tenant (`Database.tenant`) or, in the system role, across tenants
(`Database.system`). Row-level security in Postgres reads the tenant from `app.tenant_id`, which
`after_begin` sets at the start of each transaction; a session without either raises.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Connection, DateTime, LargeBinary, MetaData, Uuid, event, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, SessionTransaction, mapped_column
from sqlalchemy.types import TypeDecorator

from app.core.clock import new_id
from app.core.crypto import Sealed


class SealedBytes(TypeDecorator[Sealed]):
    """A column of sealed content. It takes `Sealed` only, so plain bytes cannot slip in."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Sealed | None, dialect: object) -> bytes | None:
        """Refuse anything that a `Sealer` has not made."""
        if value is not None and not isinstance(value, Sealed):
            raise TypeError("a sealed column takes only what Sealer.seal returned")
        return None if value is None else bytes(value)

    def process_result_value(self, value: Any, dialect: object) -> Sealed | None:
        """Give back the envelope; only a `Sealer` can open it."""
        return None if value is None else Sealed(value)


class Base(DeclarativeBase):
    """The one MetaData; constraint names follow a convention so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[str]: JSONB,
        UUID: Uuid(),
        Sealed: SealedBytes,
    }


class TenantOwned:
    """Primary key of a tenant's row: `(tenant_id, id)`, so no foreign key can cross tenants."""

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)


class TenantRequired(RuntimeError):
    """A session was used without a tenant; that is a bug, not a bad request."""


class _TenantSession(Session):
    """The session class on which the tenant is set; other sessions stay untouched."""


_SET_TENANT = text("SELECT set_config('app.tenant_id', :tenant, true)")


@event.listens_for(_TenantSession, "after_begin")
def _set_tenant(session: Session, _transaction: SessionTransaction, connection: Connection) -> None:
    tenant_id = session.info.get("tenant_id")
    if tenant_id is not None:
        connection.execute(_SET_TENANT, {"tenant": str(tenant_id)})
    elif not session.info.get("across_tenants"):
        raise TenantRequired("open a session with Database.tenant(...) or Database.system()")


def after_commit(session: AsyncSession, call: Callable[[], None]) -> None:
    """Call once this session's transaction has committed, and never if it does not: what was cached of the rows
    before is then out of date, and what is read afterwards is not.
    """
    event.listen(session.sync_session, "after_commit", lambda _session: call(), once=True)


class Database:
    """One pool of connections in one role. Make it on the loop that uses it; close it there."""

    def __init__(self, url: str, *, pool_size: int = 8, application_name: str = "switchboard") -> None:
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            pool_pre_ping=True,
            # Parameters may be content; an error that names them must not carry it into a log.
            hide_parameters=True,
            # There is no hstore here; each engine would ask for it.
            use_native_hstore=False,
            # prepare_threshold=None: pgbouncer in transaction mode has no prepared statements.
            connect_args={
                "prepare_threshold": None,
                "application_name": application_name,
                "connect_timeout": 5,
            },
        )
        self._sessions = async_sessionmaker(
            self.engine, expire_on_commit=False, sync_session_class=_TenantSession
        )

    @asynccontextmanager
    async def tenant(self, tenant_id: UUID) -> AsyncIterator[AsyncSession]:
        """A transaction that sees one tenant's rows; commits at the end, rolls back on an error."""
        async with self._sessions(info={"tenant_id": tenant_id}) as session, session.begin():
            yield session

    @asynccontextmanager
    async def system(self) -> AsyncIterator[AsyncSession]:
        """A transaction across tenants; only the system role's narrow policies let it see rows."""
        async with self._sessions(info={"across_tenants": True}) as session, session.begin():
            yield session

    async def close(self) -> None:
        """Close the pool."""
        await self.engine.dispose()


def psycopg_url(url: str) -> str:
    """The URL for SQLAlchemy with our one driver, whatever spelling of Postgres it came with."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.split("+")[0] not in ("postgres", "postgresql"):
        raise ValueError("a database URL starts with postgresql://")
    return f"postgresql+psycopg://{rest}"


def libpq_url(url: str) -> str:
    """The same URL for psycopg itself (LISTEN, advisory locks outside SQLAlchemy)."""
    return psycopg_url(url).replace("postgresql+psycopg://", "postgresql://", 1)
