"""Which tables of this room hold a tenant's or a member's data."""

from app.core.erasure import Erasable, by_member
from app.identity.tables import GraphSession, TokenCacheRow

TABLES: tuple[Erasable, ...] = (by_member(GraphSession), by_member(TokenCacheRow))
