"""Imports each room's tables, so that one MetaData knows them all. Every process root imports it."""

from app.audit import tables as audit
from app.core.database import Base
from app.documents import tables as documents
from app.evaluation import tables as evaluation
from app.identity import tables as identity
from app.jobs import tables as jobs
from app.lifecycle import tables as lifecycle
from app.notices import tables as notices
from app.pools import tables as pools
from app.tenants import tables as tenants
from app.usage import tables as usage
from app.wording import tables as wording

__all__ = [
    "Base",
    "audit",
    "documents",
    "evaluation",
    "identity",
    "jobs",
    "lifecycle",
    "notices",
    "pools",
    "tenants",
    "usage",
    "wording",
]
