"""The one table of the wording room."""

from datetime import datetime

from sqlalchemy import Index, func
from sqlalchemy.orm import Mapped, mapped_column

from app.core.crypto import Sealed
from app.core.database import Base, TenantOwned


class Wording(TenantOwned, Base):
    """A text that administrators keep for everybody: its kind says what is sealed in it, see service.py."""

    __tablename__ = "wordings"
    __table_args__ = (Index("uq_wordings_kind_name", "tenant_id", "kind", "name", unique=True),)

    kind: Mapped[str]
    name: Mapped[str]
    sealed_body: Mapped[Sealed]
    version: Mapped[int] = mapped_column(default=1)
    """Raised by each change; the ETag that a change must name."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
