"""Which tables of this room hold a tenant's data. None holds a member's."""

from app.core.erasure import Erasable, of_tenant
from app.notices.tables import Delivery, Notice, Webhook

TABLES: tuple[Erasable, ...] = (
    of_tenant(Notice, kept_of_member="that somebody has seen a notice is the tenant's record"),
    of_tenant(Webhook),
    of_tenant(Delivery),
)
