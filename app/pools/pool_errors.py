"""What can be wrong with a change of pools and routes, in words."""

from collections.abc import Sequence

from app.core.errors import Conflict, ErrorDetail, Forbidden, NotFound, Unprocessable


class PoolNotFound(NotFound):
    """No such pool that this tenant may see."""

    code = "pool_not_found"
    title = "No such pool"

    def __init__(self) -> None:
        super().__init__("There is no such model pool; GET /portal/v1/pools lists them.", target="pool_id")


class RevisionNotFound(NotFound):
    """The pool has no revision with this number."""

    code = "revision_not_found"
    title = "No such revision"

    def __init__(self, number: int) -> None:
        super().__init__(f"The pool has no revision {number}; its revisions are listed.", target="number")


class RouteNotFound(NotFound):
    """No such route that this tenant may see."""

    code = "route_not_found"
    title = "No such route"

    def __init__(self) -> None:
        super().__init__("There is no such route; GET /portal/v1/routes lists them.", target="route_id")


class OwnedByPlatform(Forbidden):
    """The platform's things are read and used by every tenant, and changed by none."""

    code = "owned_by_platform"
    title = "The platform's"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The {what} is the platform's: your organisation may use it and not change it."
            " Make one of your own instead."
        )


class NameTaken(Conflict):
    """Two of a tenant's things of one kind cannot have one name."""

    code = "name_taken"
    title = "The name is taken"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"There is a {kind} {name} already; choose another name.", target="name")


class TooMany(Conflict):
    """More than one tenant keeps."""

    code = "too_many"
    title = "Too many"

    def __init__(self, kind: str, most: int, way_out: str) -> None:
        super().__init__(f"There are {most} {kind} already, which is the most: {way_out}.")


class PoolInUse(Conflict):
    """Routes lead to the pool."""

    code = "pool_in_use"
    title = "The pool is in use"

    def __init__(self, routes: Sequence[str]) -> None:
        super().__init__(
            f"The routes {', '.join(routes)} lead to the pool; change or delete them first.",
            details=[ErrorDetail("route", f"the route {name} leads to it", name) for name in routes],
        )


class PoolArchived(Conflict):
    """An archived pool takes no drafts, publishes nothing and is led to by no new route."""

    code = "pool_archived"
    title = "The pool is archived"

    def __init__(self, name: str) -> None:
        super().__init__(f"The pool {name} is archived; set `archived` to false first.")


class NothingPublished(Conflict):
    """There is nothing to copy, or to revert to."""

    code = "nothing_published"
    title = "Nothing is published"


class RevisionPublished(Conflict):
    """What was published once is never changed."""

    code = "revision_published"
    title = "The revision is published"

    def __init__(self, number: int) -> None:
        super().__init__(
            f"Revision {number} was published and never changes: make a draft, copied from it if you like,"
            " or revert to it."
        )


class InvalidDraft(Unprocessable):
    """A draft that may not be published, or content that no draft can have; `details` name each place."""

    code = "invalid_draft"
    title = "The revision is not right"

    def __init__(self, problems: Sequence[ErrorDetail]) -> None:
        places = "; ".join(f"{one.target}: {one.message}" for one in problems)
        super().__init__(f"The revision cannot be used like this: {places}.", details=problems)


class InvalidRoute(Unprocessable):
    """A route that could never lead anywhere."""

    code = "invalid_route"
    title = "The route is not right"
