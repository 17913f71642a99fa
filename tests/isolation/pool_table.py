"""What stands for pools, their revisions and routes in the replay's table."""

from functools import partial

from tests.isolation import things
from tests.isolation.actors import ALAN, Guard
from tests.isolation.places import Entry, Handle, Plain, Whole


def pools_and_routes() -> dict[str, Entry]:
    """Pools, revisions and routes: the tenant's own; the platform's are everybody's to see."""
    looks = partial(Entry, Guard.LOOKERS, ALAN)
    acts = partial(Entry, Guard.ADMINISTRATORS, ALAN)
    word = Plain("a word of the catalogue, the same for everybody")
    name = Plain("a name among the caller's own things; the same name is free in every tenant")
    tag = Plain("compared with the version of the thing that the path names")
    note = Plain("words for people; nothing is looked up by them")
    conditions = {
        f"body conditions.{one}": Plain("compared with what is known of a job, looked up nowhere")
        for one in ("language", "group", "department")
    }
    first = things.beside(headers={"if-match": '"1"'}, path={"number": "1"})
    draft = partial(Handle, things.pool_with_draft)
    parts = {
        f"body members[].{one}": partial(Handle, make, status=422)
        for one, make in (("deployment_id", things.deployment), ("prompt_set_id", things.prompt_set))
    }
    beside = {
        "body members[].deployment_id": things.beside_own_pool("prompt_set_id"),
        "body members[].prompt_set_id": things.beside_own_pool("deployment_id"),
    }
    members = {where: handle(beside=beside[where]) for where, handle in parts.items()}
    pools, revisions = "/portal/v1/pools", "/portal/v1/pools/{pool_id}/revisions"
    one_pool, one_revision = f"{pools}/{{pool_id}}", f"{revisions}/{{number}}"
    routes, one_route = "/portal/v1/routes", "/portal/v1/routes/{route_id}"
    return {
        f"GET {pools}": looks({"query task_type": word}, whole=Whole()),
        f"POST {pools}": acts(
            {"body name": name, "body task_type": word}, whole=Whole(201, things.fresh_pool)
        ),
        f"GET {one_pool}": looks({"path pool_id": Handle(things.pool)}),
        f"PATCH {one_pool}": acts(
            {
                "path pool_id": Handle(
                    things.pool, things.beside(headers={"if-match": '"1"'}, body={"archived": True})
                ),
                "header if-match": tag,
                "body name": name,
            }
        ),
        f"GET {revisions}": looks({"path pool_id": draft()}),
        f"POST {revisions}": acts(
            {"path pool_id": Handle(things.pool, things.beside(body={})), "body note": note, **members}
        ),
        f"GET {one_revision}": looks({"path pool_id": draft(things.beside(path={"number": "1"}))}),
        f"POST {one_revision}/validate": looks({"path pool_id": draft(things.beside(path={"number": "1"}))}),
        f"PATCH {one_revision}": acts(
            {
                "path pool_id": draft(
                    things.beside(headers={"if-match": '"1"'}, path={"number": "1"}, body={"note": "x"})
                ),
                "header if-match": tag,
                "body note": note,
                **members,
            }
        ),
        f"DELETE {one_revision}": acts({"path pool_id": draft(first), "header if-match": tag}),
        f"POST {one_revision}/publish": acts({"path pool_id": draft(first), "header if-match": tag}),
        f"POST {one_pool}/revert": acts(
            {
                "path pool_id": Handle(
                    things.pool_with_two_published, things.beside(headers={"if-match": '"3"'}, body={})
                ),
                "header if-match": tag,
            }
        ),
        f"GET {routes}": looks({"query task_type": word}, whole=Whole()),
        f"POST {routes}": acts(
            {
                "body pool_id": Handle(things.pool, things.beside_route, status=422),
                "body name": name,
                "body task_type": word,
                **conditions,
            }
        ),
        f"GET {one_route}": looks({"path route_id": Handle(things.route)}),
        f"PUT {one_route}": acts(
            {
                "path route_id": Handle(things.route, things.beside_new_route),
                "header if-match": tag,
                "body pool_id": Handle(things.pool, things.beside_own_route, status=422),
                "body name": name,
                "body task_type": word,
                **conditions,
            }
        ),
        f"DELETE {one_route}": acts(
            {
                "path route_id": Handle(things.route, things.beside(headers={"if-match": '"1"'})),
                "header if-match": tag,
            }
        ),
    }
