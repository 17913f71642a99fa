"""Real things, made by their owners through the doors, and what strangers have of their own beside them.

What only a worker can do (a job that waits, an event) is done by the functions that the worker calls.
"""

import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from sqlalchemy import update

from app.copilot.prompt_files import load_prompt_files
from app.copilot.sealed_json import seal_json
from app.core.clock import new_id
from app.jobs.complete import result_place
from app.jobs.events import EventWriter, current_epoch
from app.jobs.files import keep_file, seal_file
from app.jobs.leases import claim
from app.jobs.tables import Job
from app.jobs.waiting import NEEDS_USER, wait
from app.local.entra.registrations import PORTAL_CLIENT_ID
from app.vocabulary import Role
from tests.entra import NORTHWIND
from tests.isolation.actors import ADA, ALAN, BARBARA, EDSGER, KATHERINE, Actor, Kind
from tests.isolation.places import Make, Shape
from tests.isolation.world import CONTENT_CANARY, TENANT_CANARY, TEXT, World
from tests.notices.ends import told
from tests.tenants.administration import rows

GLOSSARY = {"language": "de", "terms": [{"source": TENANT_CANARY, "target": "Hafen"}]}
TEMPLATE = {"title": TENANT_CANARY, "instruction": TENANT_CANARY}
OWN_TEXT = "The harbour was closed for three days. The ferry went on the fourth."


def door(actor: Actor) -> str:
    """The door at which the actor has work done."""
    return "/automation/v1" if actor.kind is Kind.PROGRAM else "/addin/v1"


def by(owner: Actor, make: Callable[[World, Actor], Awaitable[str]]) -> Make:
    """The thing as an owner makes it."""

    async def made(world: World) -> str:
        return await make(world, owner)

    return made


def with_one_before(make: Make) -> Make:
    """The newer of two: a cursor at it shows its owner the older one."""

    async def made(world: World) -> str:
        await make(world)
        return await make(world)

    return made


async def document(world: World, actor: Actor, text: str = TEXT) -> str:
    shape = Shape(query={"name": f"{CONTENT_CANARY if text is TEXT else 'own'}.txt"}, content=text.encode())
    return str((await world.made(actor, "POST", f"{door(actor)}/documents", shape))["id"])


async def job(world: World, actor: Actor, text: str = TEXT) -> str:
    body = {"task_type": "summarize", "input": {"text": text}}
    return str((await world.made(actor, "POST", f"{door(actor)}/jobs", Shape(body=body)))["id"])


async def ended_job(world: World, actor: Actor, text: str = TEXT) -> str:
    """A cancelled one: its stream ends by itself."""
    job_id = await job(world, actor, text)
    await world.made(actor, "POST", f"{door(actor)}/jobs/{job_id}/cancel")
    return job_id


async def job_with_feedback(world: World, actor: Actor) -> str:
    job_id = await ended_job(world, actor)
    said = Shape(body={"thumb": "down", "comment": CONTENT_CANARY})
    await world.made(actor, "PUT", f"{door(actor)}/jobs/{job_id}/feedback", said)
    return job_id


async def wording(world: World, kind: str, body: dict[str, Any]) -> str:
    name = f"w-{new_id()}"
    await world.made(ALAN, "PUT", f"/portal/v1/{kind}/{name}", Shape(body=body))
    return name


glossary = partial(wording, kind="glossaries", body=GLOSSARY)
template = partial(wording, kind="templates", body=TEMPLATE)


async def job_with_file(world: World, actor: Actor) -> str:
    """An ended one, and what a worker writes when it has made a file."""
    job_id = UUID(await ended_job(world, actor))
    services, content = world.portal.services, TEXT.encode()
    ((tenant_id,),) = await rows(world.database, "SELECT tenant_id FROM jobs WHERE id = :job", job=job_id)
    sealer = await services.keys.sealer(tenant_id)
    facts = {"name": "a.docx", "media_type": "text/plain", "size_bytes": len(content), "etag": "e"}
    parts = await seal_file(sealer, job_id, content)
    async with services.database.tenant(tenant_id) as session:
        await keep_file(session, parts, tenant_id=tenant_id, job_id=job_id)
        await session.execute(
            update(Job)
            .where(Job.tenant_id == tenant_id, Job.id == job_id)
            .values(sealed_result=seal_json(sealer, result_place(job_id), {"file": facts}))
        )
    return str(job_id)


async def waiting_job(world: World, actor: Actor, make: Callable[..., Awaitable[str]] = job) -> str:
    """A job that a worker has set aside until its member comes."""
    job_id = await make(world, actor)
    ((tenant_id, step_id),) = await rows(
        world.database, "SELECT tenant_id, id FROM job_steps WHERE job_id = :job", job=UUID(job_id)
    )
    async with world.portal.services.database.tenant(tenant_id) as session:
        step = await claim(session, tenant_id=tenant_id, step_id=step_id, owner=new_id(), lease_seconds=30)
        assert step is not None
        asked = {"code": "consent_required", "message": "Somebody must agree."}
        await wait(session, step, reason=NEEDS_USER, waiting_for=asked, seconds=600)
    return job_id


async def event_id(world: World, actor: Actor) -> str:
    """The first of a job's events; the next tells content, the last ends the stream."""
    job_id = await ended_job(world, actor)
    world.kept[actor, "job with events"] = job_id
    services = world.portal.services
    ((tenant_id,),) = await rows(
        world.database, "SELECT tenant_id FROM jobs WHERE id = :job", job=UUID(job_id)
    )
    writer, sealer = EventWriter(services.redis), await services.keys.sealer(tenant_id)
    for kind, body in (
        ("progress", {"done": 0}),
        ("text", {"sentence": TEXT, "citations": []}),
        ("state", {"state": "cancelled"}),
    ):
        given: dict[str, Any] = {"event_type": kind, "body": body}
        assert await writer.emit(sealer, job_id=UUID(job_id), step_id=new_id(), fencing=1, **given)
    stored: Any = services.redis
    first = (await stored.xrange(f"events:{tenant_id}:{job_id}", count=1))[0][0]
    return f"{await current_epoch(services.redis)}.{first.decode()}"


def next_event_id(handle: str) -> str:
    """One that Redis has not given."""
    before, _, number = handle.rpartition("-")
    return f"{before}-{int(number) + 7}"


async def job_with_events(world: World, actor: Actor) -> Shape:
    return Shape(path={"job_id": world.kept[actor, "job with events"]})


async def upload_session(world: World, actor: Actor) -> str:
    body = {"name": f"{CONTENT_CANARY}.txt", "size_bytes": 5}
    found: str = (await world.made(actor, "POST", f"{door(actor)}/upload_sessions", Shape(body=body)))["id"]
    return found


async def graph_session(world: World, actor: Actor = ADA) -> str:
    found: str = (await world.made(actor, "POST", "/addin/v1/graph-sessions", Shape(body={"days": 1})))["id"]
    return found


async def drive_id(world: World, actor: Actor) -> str:
    return world.portal.entra.app.graph.items(actor.name)[0].drive_id


async def item_id(world: World, actor: Actor) -> str:
    return world.portal.entra.app.graph.items(actor.name)[0].id


def other_file(handle: str) -> str:
    """One of the same form that Graph does not have."""
    return handle[:-4] + ("AAAA" if handle[-4:] != "AAAA" else "BBBB")


async def used_key(world: World, actor: Actor) -> str:
    """An idempotency key with which the actor has made a job."""
    key = f"key-{new_id()}"
    await world.made(actor, "POST", f"{door(actor)}/jobs", _keyed(OWN_TEXT, key))
    return key


def _keyed(text: str, key: str) -> Shape:
    body = {"task_type": "summarize", "input": {"text": text}}
    return Shape(body=body, headers={"idempotency-key": key})


async def app_client(world: World) -> str:
    return str((await _registered(world))["id"])


async def app_client_id(world: World) -> str:
    return str((await _registered(world))["client_id"])


async def another_member(world: World) -> str:
    """A member of the owning tenant that nothing else is about: that of a program."""
    return str((await _registered(world))["member_id"])


async def _registered(world: World) -> dict[str, Any]:
    shape = Shape(body={"client_id": str(new_id()), "name": TENANT_CANARY})
    return await world.made(ALAN, "POST", "/portal/v1/app-clients", shape)


async def member_id(world: World) -> str:
    return world.members[ADA]


async def object_id(world: World) -> str:
    found = world.portal.entra.app.people.find(ADA.name)
    assert found is not None
    return found.object_id


async def hold(world: World) -> str:
    body = {"member_id": await another_member(world), "reason": TENANT_CANARY}
    return str((await world.made(ALAN, "POST", "/portal/v1/holds", Shape(body=body)))["id"])


async def released_hold(world: World) -> str:
    """One that keeps nothing any more."""
    found = await hold(world)
    await world.made(ALAN, "POST", f"/portal/v1/holds/{found}/release")
    return found


async def notice(world: World) -> str:
    """A warning about a provider of the owning tenant, as the schedule writes it."""
    tenant = UUID(await tenant_id(world))
    return str(await told(world.database, tenant, name=TENANT_CANARY))


async def budget(world: World) -> str:
    """One for a group that nobody else has a budget for."""
    body = {"scope": "group", "subject": str(new_id()), "currency": "EUR", "hard_micros": 10**9}
    return str((await world.made(ALAN, "POST", "/portal/v1/budgets", Shape(body=body)))["id"])


async def webhook(world: World) -> str:
    body = {"url": f"https://{TENANT_CANARY}.example/hook", "events": ["contract.end"]}
    return str((await world.made(ALAN, "POST", "/portal/v1/webhooks", Shape(body=body)))["id"])


async def delivery(world: World) -> str:
    """A message to the kept webhook."""
    path = f"/portal/v1/webhooks/{await _kept_webhook(world, ALAN)}/test"
    return str((await world.made(ALAN, "POST", path))["id"])


async def _kept_webhook(world: World, admin: Actor) -> str:
    if (admin, "webhook") not in world.kept:
        body = {"url": "https://hooks.example.com/kept", "events": ["contract.end"]}
        made = await world.made(admin, "POST", "/portal/v1/webhooks", Shape(body=body))
        world.kept[admin, "webhook"] = str(made["id"])
    return world.kept[admin, "webhook"]


async def beside_own_webhook(world: World, actor: Actor) -> Shape:
    """That of the caller's tenant; the owner's is the one with the messages."""
    admins = [admin for admin in (ALAN, EDSGER) if admin.tenant == actor.tenant]
    found = await _kept_webhook(world, admins[0]) if admins else str(new_id())
    return Shape(path={"webhook_id": found})


async def erasure(world: World) -> str:
    body = {"member_id": await another_member(world)}
    return str((await world.made(ALAN, "POST", "/portal/v1/erasures", Shape(body=body)))["id"])


_POOLS = "/portal/v1/pools"


def _number(world: World, what: str) -> int:
    """How many things of a kind there are so far: for names that nothing else has."""
    world.kept[ALAN, what] = str(int(world.kept.get((ALAN, what), "0")) + 1)
    return int(world.kept[ALAN, what])


async def pool(world: World) -> str:
    name = f"{TENANT_CANARY}-{_number(world, 'pools')}"
    body = {"name": name, "task_type": "summarize"}
    return str((await world.made(ALAN, "POST", _POOLS, Shape(body=body)))["id"])


async def pool_with_draft(world: World) -> str:
    """Its revision 1 is a draft that may be published."""
    found, member = await pool(world), await _own_member(world)
    body = {"members": [member], "note": TENANT_CANARY}
    await world.made(ALAN, "POST", f"{_POOLS}/{found}/revisions", Shape(body=body))
    return found


async def pool_with_two_published(world: World) -> str:
    """In version 3, with something to go back to."""
    found = await pool_with_draft(world)
    path = f"{_POOLS}/{found}/revisions"
    tag = Shape(headers={"if-match": '"1"'})
    await world.made(ALAN, "POST", f"{path}/1/publish", tag)
    await world.made(ALAN, "POST", path, Shape(body={"copy_published": True}))
    await world.made(ALAN, "POST", f"{path}/2/publish", tag)
    return found


async def _own_member(world: World) -> dict[str, str]:
    return {"deployment_id": await deployment(world), "prompt_set_id": await prompt_set(world)}


async def route(world: World) -> str:
    name = f"{TENANT_CANARY}-{_number(world, 'routes')}"
    body = {"name": name, "task_type": "summarize", "pool_id": await pool(world)}
    return str((await world.made(ALAN, "POST", "/portal/v1/routes", Shape(body=body)))["id"])


async def own_pool_of(world: World, actor: Actor) -> str:
    """A pool of the tenant of an administrator; for others an id of nobody's."""
    if Role.TENANT_ADMIN not in actor.roles:
        return str(new_id())
    if (actor, "pool") not in world.kept:
        shape = Shape(body={"name": f"pool-{actor.tenant}", "task_type": "summarize"})
        world.kept[actor, "pool"] = (await world.made(actor, "POST", _POOLS, shape))["id"]
    return world.kept[actor, "pool"]


def beside_own_pool(other: str) -> Callable[[World, Actor], Awaitable[Shape]]:
    """A draft of the caller's own pool, in which one part of a member is somebody's and the other the owner's."""
    make = {"deployment_id": deployment, "prompt_set_id": prompt_set}[other]

    async def shape(world: World, actor: Actor) -> Shape:
        found, number = await own_pool_of(world, actor), 1
        if Role.TENANT_ADMIN in actor.roles:
            # One that nothing else changes.
            draft = await world.made(actor, "POST", f"{_POOLS}/{found}/revisions", Shape(body={}))
            number = draft["number"]
        path = {"pool_id": found, "number": str(number)}
        body = {"members": [{other: await make(world)}]}
        return Shape(path=path, headers={"if-match": '"1"'}, body=body)

    return shape


async def fresh_pool(world: World, actor: Actor) -> Shape:
    return Shape(body={"name": f"whole-{_number(world, 'whole pools')}", "task_type": "summarize"})


async def task_type(_world: World) -> str:
    """The same word in every tenant, each with a permission of its own."""
    return "summarize"


async def trial(_world: World, _actor: Actor) -> Shape:
    """A policy to try."""
    return Shape(query={"dry_run": "true"}, body={"allowed_regions": ["eu"]})


async def beside_route(world: World, _actor: Actor) -> Shape:
    """A new route, which leads to the pool of the handle."""
    return Shape(body={"name": f"to-{_number(world, 'routes')}", "task_type": "summarize"})


async def beside_own_route(world: World, actor: Actor) -> Shape:
    """A route of the caller's own, to be led to the pool of the handle."""
    found = str(new_id())
    if Role.TENANT_ADMIN in actor.roles:
        name = f"own-{_number(world, 'routes')}"
        body = {"name": name, "task_type": "summarize", "pool_id": await own_pool_of(world, actor)}
        found = (await world.made(actor, "POST", "/portal/v1/routes", Shape(body=body)))["id"]
    return Shape(
        path={"route_id": found},
        headers={"if-match": '"1"'},
        body={"name": f"to-{_number(world, 'routes')}", "task_type": "summarize"},
    )


async def beside_new_route(world: World, actor: Actor) -> Shape:
    """What is to stand in the route of the handle."""
    shape = await beside_route(world, actor)
    body = {**(shape.body or {}), "pool_id": await own_pool_of(world, actor)}
    return Shape(headers={"if-match": '"1"'}, body=body)


async def settings_version(world: World) -> str:
    """The ETag of settings that have changed so often that nobody else's have it."""
    for days in (40, 41, 42):
        tag = (await world.send(ALAN, "GET", "/portal/v1/settings")).headers["etag"]
        changed = Shape(headers={"if-match": tag}, body={"retention_days": days})
        await world.made(ALAN, "PATCH", "/portal/v1/settings", changed)
    found: str = (await world.send(ALAN, "GET", "/portal/v1/settings")).headers["etag"]
    return found


async def provider(world: World) -> str:
    """A vendor account of the owning tenant's."""
    shape = await fresh_provider(world, ALAN)
    named = Shape(body={**(shape.body or {}), "vendor": TENANT_CANARY})
    return str((await world.made(ALAN, "POST", "/portal/v1/providers", named))["id"])


async def provider_with_key(world: World) -> str:
    found = await provider(world)
    path = f"/portal/v1/providers/{found}/credential"
    await world.made(ALAN, "PUT", path, Shape(body={"key": f"sk-{TENANT_CANARY}"}))
    return found


async def fresh_provider(_world: World, _actor: Actor) -> Shape:
    """An account under a name that nobody has."""
    return Shape(
        body={
            "name": f"acme-{new_id().hex}",
            "kind": "openai_compatible",
            "vendor": "acme",
            "base_url": "https://api.acme.example.com/v1",
            "region": "eu",
            "processor": "Acme",
        }
    )


PRICE = {
    "currency": "EUR",
    "input_micros": 1,
    "cached_input_micros": 1,
    "output_micros": 1,
    "reasoning_micros": 1,
}


async def deployment(world: World) -> str:
    """A model at a vendor account of the owning tenant's."""
    return str((await _deployment(world))["id"])


async def provider_of_deployment(world: World) -> str:
    return str((await _deployment(world))["provider_id"])


async def _deployment(world: World) -> dict[str, Any]:
    shape = Shape(body=_model(await provider(world)) | {"model_name": TENANT_CANARY})
    return await world.made(ALAN, "POST", "/portal/v1/deployments", shape)


def _model(provider_id: str) -> dict[str, Any]:
    """A deployment under a name that nobody has."""
    return {
        "name": f"model-{new_id().hex}",
        "provider_id": provider_id,
        "model_name": "model",
        "context_window": 1000,
        "max_output_tokens": 100,
    }


async def fresh_deployment(world: World, actor: Actor) -> Shape:
    """One at an account of the actor's own; who administers nothing has none."""
    if Role.TENANT_ADMIN not in actor.roles:
        return Shape(body=_model(str(new_id())))
    return Shape(body=_model(await own(world, actor, "provider", _own_provider)))


async def _own_provider(world: World, actor: Actor, _text: str) -> str:
    shape = await fresh_provider(world, actor)
    return str((await world.made(actor, "POST", "/portal/v1/providers", shape))["id"])


async def beside_own_deployment(world: World, actor: Actor) -> Shape:
    """A change of a deployment of the actor's own."""
    found = str(new_id())
    if Role.TENANT_ADMIN in actor.roles:
        found = await own(world, actor, "deployment", _own_deployment)
    return Shape(path={"deployment_id": found}, headers={"if-match": '"1"'}, body={})


async def _own_deployment(world: World, actor: Actor, _text: str) -> str:
    shape = await fresh_deployment(world, actor)
    return str((await world.made(actor, "POST", "/portal/v1/deployments", shape))["id"])


async def prompt_set(world: World) -> str:
    """Prompts of the owning tenant's."""
    shape = await fresh_prompts(world, ALAN)
    named = Shape(body={**(shape.body or {}), "name": f"{TENANT_CANARY}-{new_id().hex}"})
    return str((await world.made(ALAN, "POST", "/portal/v1/prompt-sets", named))["id"])


async def fresh_prompts(_world: World, _actor: Actor) -> Shape:
    """Prompts under a name that nobody has."""
    ours = next(one for one in load_prompt_files() if (one.task_type, one.name) == ("summarize", "default"))
    name = f"ours-{new_id().hex}"
    return Shape(body={"task_type": "summarize", "name": name, "prompts": ours.prompts})


async def tenant_name(world: World) -> str:
    return str((await world.made(ALAN, "GET", "/portal/v1/settings"))["name"])


async def tenant_id(world: World) -> str:
    return str((await world.made(ALAN, "GET", "/portal/v1/me"))["tenant_id"])


async def directory_id(world: World) -> str:
    found = world.portal.entra.app.people.find(ADA.name)
    assert found is not None
    return found.tenant_id


async def third_customer(world: World) -> str:
    """One that is nobody's here, for the operator to do away with."""
    return str(world.database.other_tenant_id)


async def suspended_customer(world: World) -> str:
    found = str(world.database.tenant_id)
    shape = Shape(body={"reason": "unpaid"})
    await world.made(BARBARA, "POST", f"/portal/v1/tenants/{found}/suspend", shape)
    return found


async def consent_state(world: World) -> str:
    """The state of an onboarding whose administrator has just agreed at Entra."""
    world.portal.entra.app.consents.grant(NORTHWIND, PORTAL_CLIENT_ID)
    begun = await world.made(KATHERINE, "POST", "/portal/v1/onboarding", Shape(body={"name": "Northwind"}))
    query = parse_qs(urlsplit(str(begun["consent_url"])).query)
    return query["state"][0]


async def own(
    world: World, actor: Actor, what: str, make: Callable[[World, Actor, str], Awaitable[str]]
) -> str:
    """A thing of the actor's own, made once; whom no door lets in has none."""
    if not actor.is_customer or actor.kind is Kind.NOBODY:
        return str(new_id())
    if (actor, what) not in world.kept:
        world.kept[actor, what] = await make(world, actor, OWN_TEXT)
    return world.kept[actor, what]


async def beside_own_document(world: World, actor: Actor) -> Shape:
    """An array that begins with what the caller may name."""
    documents = [await own(world, actor, "document", document)]
    return Shape(body={"task_type": "summarize", "input": {"documents": documents}})


async def own_ended_job(world: World, actor: Actor) -> Shape:
    return Shape(path={"job_id": await own(world, actor, "ended job", ended_job)})


async def has_a_job(world: World, actor: Actor) -> Shape:
    """Lists are not empty."""
    await own(world, actor, "job", job)
    return Shape()


async def beside_owners_drive(world: World, actor: Actor) -> Shape:
    """The whole of what names a file of the owner's; the caller has fetched one of their own before."""
    if actor.kind is Kind.PERSON and actor.is_customer and (actor, "file") not in world.kept:
        body = {"drive_id": await drive_id(world, actor), "item_id": await item_id(world, actor)}
        fetched = await world.made(actor, "POST", "/addin/v1/documents/drive-items", Shape(body=body))
        world.kept[actor, "file"] = fetched["id"]
    return Shape(body={"drive_id": await drive_id(world, ADA), "item_id": await item_id(world, ADA)})


async def beside_own_file(world: World, actor: Actor) -> Shape:
    """A file to fetch later, by the session that the handle names."""
    reader = actor if actor.kind is Kind.PERSON else ADA
    item = {"drive_id": await drive_id(world, reader), "item_id": await item_id(world, reader)}
    return Shape(body={"task_type": "summarize", "lane": "background", "input": {"drive_items": [item]}})


def beside(**parts: Any) -> Callable[[World, Actor], Awaitable[Shape]]:
    """The same for everybody."""

    async def shape(_world: World, _actor: Actor) -> Shape:
        return Shape(**json.loads(json.dumps(parts)))

    return shape


def file_beside(content: bytes, **parts: Any) -> Callable[[World, Actor], Awaitable[Shape]]:
    """The same for everybody, with a file as the body."""

    async def shape(_world: World, _actor: Actor) -> Shape:
        return Shape(content=content, **parts)

    return shape


async def fresh_program(_world: World, _actor: Actor) -> Shape:
    return Shape(body={"client_id": str(new_id()), "name": "a program"})


async def fresh_directory(_world: World, _actor: Actor) -> Shape:
    return Shape(body={"entra_tenant_id": str(new_id()), "name": "A new customer"})
