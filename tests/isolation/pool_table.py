"""What stands for pools, their revisions and routes in the replay's table."""

from functools import partial

from tests.isolation import things
from tests.isolation.actors import ALAN, Guard
from tests.isolation.places import Entry, Exempt, Handle, Plain, Whole


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


def rules_and_questions() -> dict[str, Entry]:
    """What a tenant allows, whom it lets use what, and what is asked about both."""
    looks = partial(Entry, Guard.LOOKERS, ALAN)
    acts = partial(Entry, Guard.ADMINISTRATORS, ALAN)
    word = Plain("a word of the catalogue, the same for everybody")
    tag = Plain("compared with the version of the thing that the path names")
    listed = Plain("compared with what is known of providers or people, looked up nowhere")
    policy = {f"body allowed_{one}[]": listed for one in ("regions", "processors", "vendors")}
    permission = {f"body {one}[]": listed for one in ("groups", "departments")}
    asked: dict[str, Handle | Plain | tuple[Handle, ...]] = {
        "body member_id": Handle(things.member_id, things.beside(body={"task_type": "summarize"})),
        "body task_type": word,
        "body language": word,
        "body group": listed,
        "body department": listed,
        "body parameters": Plain("checked by the task type's closed schema, which names no thing"),
        **dict.fromkeys(
            ("body document_name", "body drive_item.drive_id", "body drive_item.item_id"),
            Plain("hashed under the caller's own key for the draw; nothing is looked up or fetched by it"),
        ),
    }
    file = Plain("a file of names, each found among the caller's own things and the platform's")
    return {
        "GET /portal/v1/policy": looks(whole=Whole()),
        "PUT /portal/v1/policy": acts({"header if-match": tag, **policy}, whole=Whole(200, things.trial)),
        "GET /portal/v1/task-permissions": looks(whole=Whole()),
        "GET /portal/v1/task-permissions/{task_type}": looks(
            {
                "path task_type": Handle(
                    things.task_type,
                    status=200,
                    own=True,
                    control="the word is everybody's: tests/portal/test_policy.py",
                )
            }
        ),
        "PUT /portal/v1/task-permissions/{task_type}": acts(
            {
                "path task_type": Handle(
                    things.task_type,
                    things.beside(headers={"if-match": '"1"'}, body={}),
                    status=200,
                    own=True,
                    control="the word is everybody's: tests/portal/test_policy.py",
                ),
                "header if-match": tag,
                **permission,
            }
        ),
        "POST /portal/v1/explain": looks(asked),
        "GET /portal/v1/configuration": looks(whole=Whole()),
        "PUT /portal/v1/configuration": acts(
            {"header if-match": tag, "body ": file},
            whole=Exempt("replaces the caller's own things: tests/portal/test_configuration.py"),
        ),
    }
