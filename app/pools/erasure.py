"""Which tables of this room hold a tenant's data: its own configuration. None holds a member's."""

from app.core.erasure import Erasable, of_tenant
from app.pools import tables

TABLES: tuple[Erasable, ...] = tuple(
    of_tenant(entity)
    for entity in (
        tables.Provider,
        tables.ProviderCredential,
        tables.Deployment,
        tables.PriceRevision,
        tables.PromptSet,
        tables.ModelPool,
        tables.PoolRevision,
        tables.PoolMember,
        tables.Route,
    )
)
