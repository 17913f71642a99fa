"""All tables of all rooms, in the order in which their rows can go."""

from collections.abc import Sequence
from functools import lru_cache

from sqlalchemy import Table

from app.audit import erasure as audit
from app.core.database import Base
from app.core.erasure import Erasable, of_tenant, table_of
from app.documents import erasure as documents
from app.evaluation import erasure as evaluation
from app.identity import erasure as identity
from app.jobs import erasure as jobs
from app.lifecycle.tables import Erasure, LegalHold, RetentionRun
from app.notices import erasure as notices
from app.pools import erasure as pools
from app.tenants import erasure as tenants
from app.usage import erasure as usage
from app.wording import erasure as wording

_OWN = (
    Erasable(
        table_of(Erasure),
        kept="the record and the proof of the erasure itself; it names nobody",
        kept_of_member="the record and the proof of the erasure itself; it names nobody",
    ),
    of_tenant(LegalHold, kept_of_member="who was held, why and until when is the tenant's record"),
    of_tenant(RetentionRun),
)
_ROOMS = (
    audit.TABLES,
    documents.TABLES,
    evaluation.TABLES,
    jobs.TABLES,
    notices.TABLES,
    wording.TABLES,
    usage.TABLES,
    pools.TABLES,
    identity.TABLES,
    tenants.TABLES,
    _OWN,
)


def keys_of_tenant() -> Table:
    """The table of data keys, which goes last."""
    return Base.metadata.tables[tenants.KEYS]


@lru_cache(maxsize=1)
def erasable() -> Sequence[Erasable]:
    """Every table with a tenant; rows that refer to others come first, data keys last."""
    order = {table.name: place for place, table in enumerate(Base.metadata.sorted_tables)}
    every = [one for room in _ROOMS for one in room]
    return sorted(every, key=lambda one: (one.table.name == tenants.KEYS, -order[one.table.name]))
