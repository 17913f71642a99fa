"""The part of the reviewed table that is about batches, and their things."""

from collections.abc import Awaitable, Callable
from functools import partial

from app.core.clock import new_id
from tests.isolation import things
from tests.isolation.actors import ADA, Actor, Guard, Kind
from tests.isolation.places import Entry, Handle, Plain, Shape, Whole, neighbour
from tests.isolation.world import World

_PATH, _SCHEDULES = "/addin/v1/batches", "/addin/v1/batch-schedules"
_FETCHED_LATER = Plain(
    "Graph decides on it when the batch runs, by the tokens of the caller's own session; that is a handle here"
)
_NOT_FETCHED = Plain("files to fetch are refused here before anything is looked up")
_PARAMETERS = Plain("checked by the task type's closed schema, which names no thing")
_NIGHTLY = {"task_type": "summarize", "folder": {"drive_id": "b!0", "item_id": "root"}, "at": "02:00"}
_TASK_TYPE = Plain("a word of the catalogue, the same for everybody")
_ELSEWHERE = (
    "body input.drive_items[].drive_id",
    "body input.drive_items[].item_id",
    "body input.drive_items[].etag",
    "body input.folder.drive_id",
    "body input.folder.item_id",
)


async def batch(world: World, actor: Actor) -> str:
    """Over a document with content."""
    body = {"task_type": "summarize", "input": {"documents": [await things.document(world, actor)]}}
    return str((await world.made(actor, "POST", _PATH, Shape(body=body)))["id"])


async def ended_batch(world: World, actor: Actor) -> str:
    found = await batch(world, actor)
    await world.made(actor, "POST", f"{_PATH}/{found}/cancel")
    return found


async def waiting_batch(world: World, actor: Actor) -> str:
    return await things.waiting_job(world, actor, batch)


async def has_a_batch(world: World, actor: Actor) -> Shape:
    """Lists are not empty."""
    await _persons_own(world, actor, "batch", _batch_of_own)
    return Shape()


async def _batch_of_own(world: World, actor: Actor) -> str:
    shape = await beside_own(world, actor)
    return str((await world.made(actor, "POST", _PATH, shape))["id"])


async def beside_own(world: World, actor: Actor) -> Shape:
    """A batch over a document of the caller's own, always the same one."""
    return await things.beside_own_document(world, actor)


async def used_key(world: World, actor: Actor) -> str:
    """An idempotency key with which the actor has made a batch."""
    key = f"key-{new_id()}"
    shape = await beside_own(world, actor)
    await world.made(actor, "POST", _PATH, Shape(body=shape.body, headers={"idempotency-key": key}))
    return key


async def beside_file(world: World, actor: Actor) -> Shape:
    """A file to fetch later, by the session that the handle names."""
    shape = await things.beside_own_file(world, actor)
    body = {name: value for name, value in (shape.body or {}).items() if name != "lane"}
    return Shape(body=body)


async def schedule(world: World, actor: Actor) -> str:
    """That of the owner's, over the whole of a drive."""
    return str((await world.made(actor, "POST", _SCHEDULES, await beside_leave(world, actor)))["id"])


async def beside_leave(world: World, actor: Actor) -> Shape:
    """Nightly work by a session of the caller's own, always the same one."""
    leave = await _persons_own(world, actor, "leave", things.graph_session)
    return Shape(body={**_NIGHTLY, "graph_session": leave})


async def beside_schedule(world: World, actor: Actor) -> Shape:
    """A schedule of the caller's own, which another session is to be used for."""
    return Shape(path={"schedule_id": await _persons_own(world, actor, "schedule", schedule)}, body=_NIGHTLY)


async def _persons_own(
    world: World, actor: Actor, what: str, make: Callable[[World, Actor], Awaitable[str]]
) -> str:
    """A thing of the actor's own, made once; programs and whom no door lets in have none."""
    if actor.kind is not Kind.PERSON:
        return str(new_id())
    return await things.own(world, actor, what, lambda world, actor, _text: make(world, actor))


def _schedules() -> dict[str, Entry]:
    own = partial(Entry, Guard.PEOPLE, ADA, personal=True)
    found = Handle(things.by(ADA, schedule))
    asked: dict[str, Handle | Plain | tuple[Handle, ...]] = {
        "body graph_session": Handle(things.graph_session, beside=things.beside(body=_NIGHTLY)),
        "body folder.drive_id": _FETCHED_LATER,
        "body folder.item_id": _FETCHED_LATER,
        "body parameters": _PARAMETERS,
        "body task_type": _TASK_TYPE,
        "body at": Plain("a time of day"),
        "body time_zone": Plain("a name of a fixed list"),
    }
    return {
        f"GET {_SCHEDULES}": own(whole=Whole()),
        f"POST {_SCHEDULES}": own(asked),
        f"GET {_SCHEDULES}/{{schedule_id}}": own({"path schedule_id": found}),
        f"PUT {_SCHEDULES}/{{schedule_id}}": own(
            {
                **asked,
                "path schedule_id": Handle(things.by(ADA, schedule), beside=beside_leave),
                "body graph_session": Handle(things.graph_session, beside=beside_schedule),
            }
        ),
        f"DELETE {_SCHEDULES}/{{schedule_id}}": own({"path schedule_id": found}),
    }


def batches() -> dict[str, Entry]:
    """Each a member's own."""
    own = partial(Entry, Guard.PEOPLE, ADA, personal=True)
    found = Handle(things.by(ADA, batch))
    cursor = Handle(
        things.with_one_before(things.by(ADA, batch)), beside=has_a_batch, never=neighbour, status=200
    )
    documents = (
        Handle(things.by(ADA, things.document), beside=things.beside(body={"task_type": "summarize"})),
        Handle(things.by(ADA, things.document), beside=things.beside_own_document),
    )
    return {
        **_schedules(),
        f"GET {_PATH}": own({"query before": cursor}, whole=Whole()),
        f"POST {_PATH}": own(
            {
                "header idempotency-key": Handle(
                    things.by(ADA, used_key), beside=beside_own, status=202, own=True
                ),
                "body input.documents[]": documents,
                "body input.graph_session": Handle(things.graph_session, beside=beside_file),
                **dict.fromkeys(_ELSEWHERE, _FETCHED_LATER),
                "body parameters": _PARAMETERS,
                "body task_type": _TASK_TYPE,
            }
        ),
        f"GET {_PATH}/{{batch_id}}": own({"path batch_id": found}),
        f"GET {_PATH}/{{batch_id}}/documents": own({"path batch_id": found}),
        f"POST {_PATH}/{{batch_id}}/cancel": own({"path batch_id": found}),
        f"POST {_PATH}/{{batch_id}}/resume": own({"path batch_id": Handle(things.by(ADA, waiting_batch))}),
        f"DELETE {_PATH}/{{batch_id}}": own({"path batch_id": Handle(things.by(ADA, ended_batch))}),
        "POST /addin/v1/estimates/batches": own(
            {
                "body input.documents[]": documents,
                "body input.graph_session": _NOT_FETCHED,
                **dict.fromkeys(_ELSEWHERE, _NOT_FETCHED),
                "body parameters": _PARAMETERS,
                "body task_type": _TASK_TYPE,
            }
        ),
    }
