"""What Microsoft Graph says of a person who has just signed in: department, and groups that no token had room for.

Two requests at most, side by side, in a time that a sign-in can wait. Whatever goes wrong is logged and leaves
what we know: a profile is nobody's right of way.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.core.errors import AppError
from app.core.logging import get_logger
from app.identity.graph import Graph
from app.identity.tokens import group_ids

_log = get_logger(__name__)
_LONGEST_SECONDS = 4.0
_ME = "/v1.0/me?$select=department"
# Groups of groups count, as in tokens. A page has 999 at most; who is in more is in more than we keep.
# Source: Microsoft, "List a user's memberships (direct and transitive)".
_GROUPS = "/v1.0/me/transitiveMemberOf?$select=id&$top=999"
_GROUP = "#microsoft.graph.group"


@dataclass(frozen=True)
class Profile:
    """None where Graph did not say."""

    department: str | None = None
    groups: tuple[UUID, ...] | None = None
    has_all_groups: bool = False


async def read_profile(graph: Graph, token: str, *, with_groups: bool) -> Profile:
    """The profile of the person whose token for Graph this is."""
    try:
        async with asyncio.timeout(_LONGEST_SECONDS):
            me, memberships = await asyncio.gather(
                graph.read(token, _ME), graph.read(token, _GROUPS) if with_groups else _nothing()
            )
    except (AppError, TimeoutError) as error:
        reason = error.code if isinstance(error, AppError) else "timeout"
        _log.info("profile not read", reason=reason)
        return Profile()
    department = me.get("department")
    return Profile(
        department=department if isinstance(department, str) else "",
        groups=_ids(memberships) if with_groups else None,
        has_all_groups=with_groups and "@odata.nextLink" not in memberships,
    )


async def _nothing() -> Mapping[str, Any]:
    return {}


def _ids(memberships: Mapping[str, Any]) -> tuple[UUID, ...]:
    rows = memberships.get("value")
    found = [one for one in rows if isinstance(one, dict)] if isinstance(rows, list) else []
    return tuple(group_ids(str(one.get("id")) for one in found if one.get("@odata.type") == _GROUP))
