"""Which tables of this room hold a tenant's data."""

from app.core.erasure import Erasable, of_tenant
from app.wording.tables import Wording

TABLES: tuple[Erasable, ...] = (of_tenant(Wording),)
