"""The words of the reviewed table: what may stand in a place, and what a stranger must get for it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from app.core.clock import new_id
from tests.isolation.actors import EVERYBODY, Actor, Guard, Kind, refusal

if TYPE_CHECKING:
    from tests.isolation.world import World


@dataclass(frozen=True)
class Shape:
    """The rest of a request: what stands beside the handle."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    content: bytes | None = None


Make = Callable[["World"], Awaitable[str]]
Beside = Callable[["World", Actor], Awaitable[Shape]]


async def nothing_else(_world: "World", _actor: Actor) -> Shape:
    """The handle is all there is."""
    return Shape()


def random_id(_handle: str) -> str:
    """An id that nobody ever had."""
    return str(new_id())


def neighbour(handle: str) -> str:
    """An id that nobody has, with the same place in any order: what a cursor by itself says."""
    return str(UUID(int=UUID(handle).int ^ 1))


@dataclass(frozen=True)
class Handle:
    """A place where a handle stands. `make` gives a real one, made by its owner through the doors.

    A stranger gets `status`, with an answer like that for a handle that never was (`never`), and nothing changes.
    Where a handle is the caller's own to choose (`own`), such as an idempotency key, a stranger's request is
    served as if nobody else had used it.
    """

    make: Make
    beside: Beside = nothing_else
    never: Callable[[str], str] = random_id
    status: int = 404
    own: bool = False
    once: bool = False
    """Each use of the handle uses it up, so each needs one of its own."""
    control: str = ""
    """Where it is shown that the rightful one gets something, if not by the same request."""
    control_beside: Beside | None = None
    """What stands beside the handle in the control, if that is not the same."""


@dataclass(frozen=True)
class Plain:
    """A place for text that names nothing of ours; `why` says how we know."""

    why: str


Places = Mapping[str, Handle | Plain | tuple[Handle, ...]]


@dataclass(frozen=True)
class Whole:
    """An operation that is asked as it is: its answer holds nothing that is not the caller's."""

    status: int = 200
    beside: Beside = nothing_else


@dataclass(frozen=True)
class Exempt:
    """An operation that is not replayed as it is; `why` says where it is tested, or why there is nothing to test."""

    why: str


@dataclass(frozen=True)
class Entry:
    """An operation as reviewed: who may use it, who owns what it is about, and each of its places.

    `personal`: a colleague is a stranger, too.
    """

    guard: Guard
    owner: Actor
    places: Places = field(default_factory=dict)
    personal: bool = False
    whole: Whole | Exempt | None = None

    @property
    def handles(self) -> list[tuple[str, Handle]]:
        """Places with handles; a place may be tried in several ways."""
        return [
            (where, handle)
            for where, found in self.places.items()
            if not isinstance(found, Plain)
            for handle in (found if isinstance(found, tuple) else (found,))
        ]

    def is_entitled(self, actor: Actor) -> bool:
        """Whether what the owner's handle names is the actor's as well."""
        if refusal(actor, self.guard) is not None:
            return False
        return actor is self.owner if self.personal else actor.tenant == self.owner.tenant

    @property
    def strangers(self) -> list[Actor]:
        """Everybody else; at an open door all are nobody."""
        if self.guard is Guard.OPEN:
            return [one for one in EVERYBODY if one.kind is Kind.NOBODY]
        return [one for one in EVERYBODY if not self.is_entitled(one)]


@dataclass(frozen=True, eq=False)
class Case:
    """One stranger at one place of one operation; without a place the operation as it is."""

    operation: str
    entry: Entry
    actor: Actor
    where: str = ""
    handle: Handle | None = None
    number: int = 0

    def __str__(self) -> str:
        return f"{self.operation} [{self.where or 'as it is'}] by {self.actor}"


def cases(table: Mapping[str, Entry]) -> list[Case]:
    """Every case of the table."""
    made = []
    for operation, entry in table.items():
        for number, (where, handle) in enumerate(entry.handles):
            made += [Case(operation, entry, one, where, handle, number) for one in entry.strangers]
        if isinstance(entry.whole, Whole):
            made += [Case(operation, entry, one) for one in EVERYBODY]
    return made
