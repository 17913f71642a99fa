"""Tables of the notices room."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, TenantOwned


class Notice(TenantOwned, Base):
    """A warning that something of the tenant's, or of the platform's that it uses, ends; written once.

    The subject is named, not referred to: the notice stays when the subject goes.
    """

    __tablename__ = "notices"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        UniqueConstraint("tenant_id", "kind", "subject_id", "ends_at", "threshold_days"),
    )

    kind: Mapped[str]
    subject_id: Mapped[UUID]
    subject_name: Mapped[str]
    owner: Mapped[str]
    """Whose the subject is: `platform` or `tenant`."""
    threshold_days: Mapped[int]
    """At most so many days were left when it was written; 0: the end had come."""
    ends_at: Mapped[datetime]
    pools: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """Those that it serves in, as they were then: `AffectedPool.as_json()`."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[UUID | None]
