"""Which tables of this room hold a tenant's data. None holds a member's."""

from app.core.erasure import Erasable, of_tenant
from app.notices.tables import Notice

TABLES: tuple[Erasable, ...] = (
    of_tenant(Notice, kept_of_member="that somebody has seen a notice is the tenant's record"),
)
