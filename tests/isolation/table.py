"""The reviewed table: every operation, whom it is for, and what may stand in each of its places.

A new operation, or a new place in one, fails `test_every_place_of_the_document_is_reviewed` until it stands here:
as a `Handle` with a way to make a real one, or as `Plain` or `Exempt` with a reason that holds.
The rightful ones' requests are sent in this order, after all strangers' ones.
"""

from collections.abc import Mapping
from functools import partial

from app.core.clock import new_id
from tests.entra import NORTHWIND
from tests.isolation import things
from tests.isolation.actors import ADA, ALAN, KATHERINE, NOBODY, PROGRAM, Actor, Guard
from tests.isolation.batch_table import batches
from tests.isolation.operator_table import customers_of_the_operator
from tests.isolation.places import Entry, Exempt, Handle, Plain, Whole, neighbour
from tests.isolation.pool_table import pools_and_routes, rules_and_questions
from tests.isolation.world import TEXT

_NAME = Plain("a name to show; nothing is looked up by it")
_REASON = Plain("words for people; nothing is looked up by them")
_VERSION = Plain("a number, compared once the thing in the path was found to be the tenant's")
_USAGE = {
    "query from": Plain("a day"),
    "query to": Plain("a day"),
    "query group_by": Plain("words of a fixed list"),
}
_FILE_NAME = Plain("a file's name to show; files are kept under ids that we give")
_LANGUAGES = Plain("languages of the caller")
_FETCHED_LATER = Plain(
    "Graph decides on it when the job runs, by the tokens of the caller's own session; that is a handle here"
)
_FROM_THE_PANE = dict.fromkeys(
    (
        "body input.segments[].client_ref",
        "body input.segments[].text",
        "body input.segments[].runs[].text",
        "body input.cells.worksheet",
        "body input.cells.a1",
        "body input.cells.values[][]",
    ),
    Plain("content of the caller's own; nothing is looked up by it"),
)
_NOT_FETCHED = Plain("files to fetch are refused here before anything is looked up")
_TEXT_JOB = {"task_type": "summarize", "input": {"text": things.OWN_TEXT}}


def _tasks(prefix: str, guard: Guard, owner: Actor, graph_session: Handle) -> dict[str, Entry]:
    """What people and programs can both do: documents, upload sessions and jobs, each their own."""
    own = partial(Entry, guard, owner, personal=True)
    job = Handle(things.by(owner, things.job))
    upload = Handle(things.by(owner, things.upload_session))
    part = Handle(
        things.by(owner, things.upload_session),
        beside=things.file_beside(b"Hello", headers={"content-range": "bytes 0-4/5"}),
    )
    cursor = Handle(
        things.with_one_before(things.by(owner, things.job)),
        beside=things.has_a_job,
        never=neighbour,
        status=200,
    )
    documents = (
        Handle(things.by(owner, things.document), beside=things.beside(body={"task_type": "summarize"})),
        Handle(things.by(owner, things.document), beside=things.beside_own_document),
    )
    keys = (
        Handle(things.by(owner, things.used_key), things.beside(body=_TEXT_JOB), status=202, own=True),
        Handle(
            things.by(owner, things.used_key),
            things.beside(body={**_TEXT_JOB, "parameters": {"length": "sentence"}}),
            status=202,
            own=True,
            control="the case before; with another body the key's owner gets a conflict",
        ),
    )
    return {
        f"GET {prefix}/jobs": own(
            {
                "query before": cursor,
                "query task_type": Plain("compared with those of the caller's own jobs"),
            },
            whole=Whole(),
        ),
        f"POST {prefix}/jobs": own(
            {
                "header idempotency-key": keys,
                "header accept-language": _LANGUAGES,
                "body input.documents[]": documents,
                "body input.graph_session": graph_session,
                "body input.drive_items[].drive_id": _FETCHED_LATER,
                "body input.drive_items[].item_id": _FETCHED_LATER,
                "body input.drive_items[].etag": _FETCHED_LATER,
                "body input.text": Plain("content of the caller's own"),
                **_FROM_THE_PANE,
                "body parameters": Plain("checked by the task type's closed schema, which names no thing"),
                "body task_type": Plain("a word of the catalogue, the same for everybody"),
            }
        ),
        f"GET {prefix}/jobs/{{job_id}}": own({"path job_id": job}),
        f"POST {prefix}/jobs/{{job_id}}/cancel": own({"path job_id": job}),
        f"POST {prefix}/upload_sessions": own(
            {
                "body name": _FILE_NAME,
                "body media_type": Plain("compared with the file's name"),
                "body sha256": Plain("compared with what has arrived; no file is looked up by it"),
            },
            whole=Whole(201, things.beside(body={"name": "a.txt", "size_bytes": 5, "sha256": "0" * 64})),
        ),
        f"GET {prefix}/upload_sessions/{{session_id}}": own({"path session_id": upload}),
        f"DELETE {prefix}/upload_sessions/{{session_id}}": own({"path session_id": upload}),
        f"PUT {prefix}/upload_sessions/{{session_id}}": own(
            {"path session_id": part, "header content-range": Plain("numbers in a fixed form")}
        ),
        # After what shows content: from here on everybody has the owner's text, by sending it.
        f"POST {prefix}/documents": own(
            {"query name": _FILE_NAME},
            whole=Whole(201, things.file_beside(TEXT.encode(), query={"name": "same.txt"})),
        ),
    }


def _addin() -> dict[str, Entry]:
    own = partial(Entry, Guard.PEOPLE, ADA, personal=True)
    session = Handle(things.graph_session)
    file = partial(Handle, beside=things.beside_owners_drive)
    last_event = Handle(
        things.by(ADA, things.event_id),
        beside=things.own_ended_job,
        never=things.next_event_id,
        status=200,
        control_beside=things.job_with_events,
    )
    events = {"path job_id": Handle(things.by(ADA, things.ended_job)), "header last-event-id": last_event}
    waiting = Handle(things.by(ADA, things.waiting_job))
    later = Handle(things.graph_session, beside=things.beside_own_file)
    return {
        "GET /addin/v1/me": own(whole=Whole()),
        "GET /addin/v1/me/export": own(whole=Whole()),
        "POST /addin/v1/estimates": own(
            {
                "header accept-language": _LANGUAGES,
                "body input.documents[]": (
                    Handle(
                        things.by(ADA, things.document), beside=things.beside(body={"task_type": "summarize"})
                    ),
                    Handle(things.by(ADA, things.document), beside=things.beside_own_document),
                ),
                "body input.graph_session": _NOT_FETCHED,
                "body input.drive_items[].drive_id": _NOT_FETCHED,
                "body input.drive_items[].item_id": _NOT_FETCHED,
                "body input.drive_items[].etag": _NOT_FETCHED,
                "body input.text": Plain("content of the caller's own"),
                **_FROM_THE_PANE,
                "body parameters": Plain("checked by the task type's closed schema, which names no thing"),
                "body task_type": Plain("a word of the catalogue, the same for everybody"),
            }
        ),
        "GET /addin/v1/me/usage": own(_USAGE, whole=Whole()),
        "GET /addin/v1/wording": Entry(Guard.PEOPLE, ADA, whole=Whole()),
        "GET /addin/v1/errors": own({"header accept-language": _LANGUAGES}, whole=Whole()),
        "GET /addin/v1/task-types": own({"header accept-language": _LANGUAGES}, whole=Whole()),
        "GET /addin/v1/graph-sessions": own(whole=Whole()),
        "POST /addin/v1/graph-sessions": own(whole=Whole(201, things.beside(body={"days": 1}))),
        "POST /addin/v1/graph-sessions/{session_id}/renew": own({"path session_id": session}),
        "DELETE /addin/v1/graph-sessions/{session_id}": own({"path session_id": session}),
        "GET /addin/v1/jobs/{job_id}/events": own(events),
        "GET /addin/v1/jobs/{job_id}/file": own(
            {"path job_id": Handle(things.by(ADA, things.job_with_file))}
        ),
        "POST /addin/v1/jobs/{job_id}/resume": own({"path job_id": waiting}),
        "DELETE /addin/v1/jobs/{job_id}": own({"path job_id": Handle(things.by(ADA, things.ended_job))}),
        **_feedback(),
        **batches(),
        "POST /addin/v1/documents/drive-items": own(
            {
                "body drive_id": file(things.by(ADA, things.drive_id), never=things.other_file),
                "body item_id": file(things.by(ADA, things.item_id), never=things.other_file),
                "body etag": Plain("compared after Graph has let the caller read the file"),
            }
        ),
        **_tasks("/addin/v1", Guard.PEOPLE, ADA, later),
    }


def _feedback() -> dict[str, Entry]:
    own = partial(Entry, Guard.PEOPLE, ADA, personal=True)
    path = "/addin/v1/jobs/{job_id}/feedback"
    said = Handle(things.by(ADA, things.job_with_feedback))
    ended = Handle(things.by(ADA, things.ended_job), things.beside(body={"thumb": "up"}))
    comment = Plain("content of the caller's own; nothing is looked up by it")
    return {
        f"GET {path}": own({"path job_id": said}),
        f"PUT {path}": own({"path job_id": ended, "body comment": comment}),
        f"DELETE {path}": own({"path job_id": said}),
    }


def _automation() -> dict[str, Entry]:
    persons = Handle(
        things.graph_session,
        beside=things.beside_own_file,
        status=403,
        control="the same place at the add-in: programs act for no person",
    )
    return _tasks("/automation/v1", Guard.PROGRAMS, PROGRAM, persons)


def _administration() -> dict[str, Entry]:
    looks = partial(Entry, Guard.LOOKERS, ALAN)
    acts = partial(Entry, Guard.ADMINISTRATORS, ALAN)
    cursor = partial(Handle, never=neighbour, status=200)
    member = Handle(things.another_member)
    if_match = Handle(
        things.settings_version,
        things.beside(body={"retention_days": 60}),
        never=lambda _handle: '"77"',
        status=412,
    )
    client_id = Handle(
        things.app_client_id,
        things.beside(body={"name": "a program"}),
        status=201,
        own=True,
        control="its own registration, when it was made; a second one is a conflict",
    )
    address = Plain("where the caller wants messages sent; nothing of ours is looked up by it")
    webhook_body = {"url": "https://hooks.example.com/in", "events": ["contract.end"]}
    name = Handle(things.tenant_name, never=lambda _handle: "Nobody and Sons", status=422)
    return {
        "GET /portal/v1/me": Entry(Guard.MEMBERS, ALAN, whole=Whole()),
        "GET /portal/v1/members": looks(
            {
                "query after": cursor(things.member_id),
                "query search": Handle(things.object_id, status=200),
            },
            whole=Whole(),
        ),
        "GET /portal/v1/members/{member_id}": looks({"path member_id": member}),
        "PATCH /portal/v1/members/{member_id}": acts(
            {"path member_id": Handle(things.another_member, things.beside(body={"state": "blocked"}))}
        ),
        "GET /portal/v1/app-clients": looks(whole=Whole()),
        "POST /portal/v1/app-clients": acts(
            {"body client_id": client_id, "body name": _NAME}, whole=Whole(201, things.fresh_program)
        ),
        "DELETE /portal/v1/app-clients/{app_client_id}": acts(
            {"path app_client_id": Handle(things.app_client)}
        ),
        "GET /portal/v1/graph-sessions": looks(whole=Whole()),
        "DELETE /portal/v1/graph-sessions/{session_id}": acts(
            {"path session_id": Handle(things.graph_session)}
        ),
        "GET /portal/v1/jobs": looks(
            {
                "query before": cursor(things.with_one_before(things.by(ADA, things.job))),
                "query member_id": Handle(things.member_id, status=200),
            },
            whole=Whole(),
        ),
        "GET /portal/v1/settings": looks(whole=Whole()),
        "PATCH /portal/v1/settings": acts({"header if-match": if_match, "body name": _NAME}),
        "GET /portal/v1/notices": looks(
            {"query before": cursor(things.with_one_before(things.notice))}, whole=Whole()
        ),
        "POST /portal/v1/notices/{notice_id}/acknowledge": acts({"path notice_id": Handle(things.notice)}),
        "GET /portal/v1/usage": looks(_USAGE, whole=Whole()),
        "GET /portal/v1/feedback": looks(
            {name: _USAGE[name] for name in ("query from", "query to")}, whole=Whole()
        ),
        "GET /portal/v1/budgets": looks(
            {"query after": cursor(things.with_one_before(things.budget))}, whole=Whole()
        ),
        "GET /portal/v1/budgets/{budget_id}": looks({"path budget_id": Handle(things.budget)}),
        "PATCH /portal/v1/budgets/{budget_id}": acts(
            {
                "path budget_id": Handle(
                    things.budget, things.beside(headers={"if-match": '"1"'}, body={"hard_micros": 7})
                ),
                "header if-match": _VERSION,
            }
        ),
        "DELETE /portal/v1/budgets/{budget_id}": acts(
            {
                "path budget_id": Handle(things.budget, things.beside(headers={"if-match": '"1"'})),
                "header if-match": _VERSION,
            }
        ),
        "POST /portal/v1/budgets": acts(
            {
                "body subject": Handle(
                    things.another_member,
                    things.beside(body={"scope": "member", "currency": "EUR", "hard_micros": 7}),
                ),
                "body currency": Plain("three letters, compared with those of the tenant's own budgets"),
            }
        ),
        "GET /portal/v1/webhooks": looks(whole=Whole()),
        "POST /portal/v1/webhooks": acts(
            {"body url": address}, whole=Whole(201, things.beside(body=webhook_body))
        ),
        "GET /portal/v1/webhooks/{webhook_id}": looks({"path webhook_id": Handle(things.webhook)}),
        "PATCH /portal/v1/webhooks/{webhook_id}": acts(
            {
                "path webhook_id": Handle(
                    things.webhook,
                    things.beside(headers={"if-match": '"1"'}, body={"state": "paused"}),
                ),
                "header if-match": _VERSION,
                "body url": address,
            }
        ),
        "POST /portal/v1/webhooks/{webhook_id}/secret/rotate": acts(
            {"path webhook_id": Handle(things.webhook, things.beside(body={"keep_previous_seconds": 0}))}
        ),
        "POST /portal/v1/webhooks/{webhook_id}/test": acts({"path webhook_id": Handle(things.webhook)}),
        "GET /portal/v1/webhooks/{webhook_id}/deliveries": looks(
            {
                "path webhook_id": Handle(things.webhook),
                "query before": Handle(
                    things.with_one_before(things.delivery),
                    things.beside_own_webhook,
                    never=neighbour,
                    status=200,
                ),
            }
        ),
        "DELETE /portal/v1/webhooks/{webhook_id}": acts({"path webhook_id": Handle(things.webhook)}),
        "GET /portal/v1/holds": looks(
            {"query before": cursor(things.with_one_before(things.released_hold))}, whole=Whole()
        ),
        "POST /portal/v1/holds/{hold_id}/release": acts({"path hold_id": Handle(things.hold)}),
        "GET /portal/v1/erasures": looks(
            {"query before": cursor(things.with_one_before(things.erasure))}, whole=Whole()
        ),
        "POST /portal/v1/erasures/{erasure_id}/cancel": acts({"path erasure_id": Handle(things.erasure)}),
        "POST /portal/v1/erasures": acts({"body member_id": member, "body name": name}),
        "POST /portal/v1/holds": acts(
            {
                "body member_id": Handle(things.another_member, things.beside(body={"reason": "a case"})),
                "body reason": _REASON,
            }
        ),
    }


def _models() -> dict[str, Entry]:
    """Vendor accounts and what hangs on them. What is the platform's is everybody's to see."""
    looks = partial(Entry, Guard.LOOKERS, ALAN)
    acts = partial(Entry, Guard.ADMINISTRATORS, ALAN)
    provider = Handle(things.provider)
    words = {
        f"body {name}": Plain("words of configuration; nothing of ours is looked up by them")
        for name in ("name", "vendor", "region", "processor", "api_version")
    }
    address = {"body base_url": Plain("an address to call, judged by the outbound guard")}
    version = {
        "header if-match": Plain(
            "a number, compared with the version of what the path names, which is a handle"
        )
    }
    changed = Handle(things.provider, things.beside(body={"region": "us"}, headers={"if-match": '"1"'}))
    archived = Handle(things.provider, things.beside(headers={"if-match": '"1"'}))
    key = Handle(things.provider, things.beside(body={"key": "sk-12345678"}))
    return {
        "GET /portal/v1/providers": looks(
            {"query after": Handle(things.with_one_before(things.provider), never=neighbour, status=200)},
            whole=Whole(),
        ),
        "POST /portal/v1/providers": acts(words | address, whole=Whole(201, things.fresh_provider)),
        "GET /portal/v1/providers/{provider_id}": looks({"path provider_id": provider}),
        "PATCH /portal/v1/providers/{provider_id}": acts(
            {"path provider_id": changed, **version, **words, **address}
        ),
        "POST /portal/v1/providers/{provider_id}/archive": acts({"path provider_id": archived, **version}),
        "PUT /portal/v1/providers/{provider_id}/credential": acts(
            {"path provider_id": key, "body key": Plain("a secret of the vendor's, kept and never looked up")}
        ),
        "DELETE /portal/v1/providers/{provider_id}/credential": acts(
            {"path provider_id": Handle(things.provider_with_key)}
        ),
        **_deployments(version),
        **_prompts(),
    }


def _deployments(version: Mapping[str, Plain]) -> dict[str, Entry]:
    looks = partial(Entry, Guard.LOOKERS, ALAN)
    acts = partial(Entry, Guard.ADMINISTRATORS, ALAN)
    deployment = Handle(things.deployment)
    words = {
        f"body {name}": Plain("words of configuration; nothing of ours is looked up by them")
        for name in ("name", "model_name", "languages[]", "supported_parameters[]")
    }
    successor = partial(Handle, things.deployment, status=422)
    changed = Handle(things.deployment, things.beside(body={"concurrency": 7}, headers={"if-match": '"1"'}))
    archived = Handle(things.deployment, things.beside(headers={"if-match": '"1"'}))
    return {
        "GET /portal/v1/deployments": looks(
            {
                "query after": Handle(things.with_one_before(things.deployment), never=neighbour, status=200),
                "query provider_id": Handle(things.provider_of_deployment, status=200),
            },
            whole=Whole(),
        ),
        "POST /portal/v1/deployments": acts(
            {
                "body provider_id": Handle(things.provider, things.fresh_deployment),
                "body successor_id": successor(things.fresh_deployment),
                "body price.currency": Plain("three letters in a fixed form"),
                **words,
            },
            whole=Whole(201, things.fresh_deployment),
        ),
        "GET /portal/v1/deployments/{deployment_id}": looks({"path deployment_id": deployment}),
        "PATCH /portal/v1/deployments/{deployment_id}": acts(
            {
                "path deployment_id": changed,
                "body successor_id": successor(things.beside_own_deployment),
                **version,
                **words,
            }
        ),
        "POST /portal/v1/deployments/{deployment_id}/archive": acts(
            {"path deployment_id": archived, **version}
        ),
        "GET /portal/v1/deployments/{deployment_id}/prices": looks({"path deployment_id": deployment}),
        "POST /portal/v1/deployments/{deployment_id}/prices": acts(
            {
                "path deployment_id": Handle(things.deployment, things.beside(body=things.PRICE)),
                "body currency": Plain("three letters in a fixed form"),
            }
        ),
        "POST /portal/v1/deployments/{deployment_id}/prices/withdraw": acts(
            {
                # Of one that nobody has given a price.
                "path deployment_id": Handle(things.deployment, things.beside(headers={"if-match": '"0"'})),
                **version,
            }
        ),
        # Its account has no key, so nothing leaves.
        "POST /portal/v1/deployments/{deployment_id}/probe": acts({"path deployment_id": deployment}),
    }


def _wording() -> dict[str, Entry]:
    """Texts under names that are free in every tenant; who names a version changes only their own."""
    looks = partial(Entry, Guard.LOOKERS, ALAN)
    acts = partial(Entry, Guard.ADMINISTRATORS, ALAN)
    text = Plain("the organisation's own words; nothing is looked up by them")
    version = Plain("a number, compared once the text under the name was found to be the tenant's")
    first = {"if-match": '"1"'}
    found: dict[str, Entry] = {
        "GET /portal/v1/style-guide": looks(
            whole=Exempt("takes nothing; another tenant's is not shown: tests/portal/test_wording.py")
        ),
        "PUT /portal/v1/style-guide": acts(
            {"header if-match": version, "body text": text},
            whole=Whole(200, things.beside(body={"text": "Be brief."})),
        ),
        "DELETE /portal/v1/style-guide": acts(
            {"header if-match": version},
            whole=Exempt(
                "each tenant has one at most, and no address of another's: tests/portal/test_wording.py"
            ),
        ),
    }
    kinds = (
        ("glossaries", things.glossary, things.GLOSSARY, ("language", "terms[].source", "terms[].target")),
        ("templates", things.template, things.TEMPLATE, ("title", "instruction")),
    )
    for kind, make, body, words in kinds:
        path = f"/portal/v1/{kind}"
        changed = Handle(make, things.beside(body=body, headers=first), status=412)
        found |= {
            f"GET {path}": looks(whole=Whole()),
            f"GET {path}/{{name}}": looks({"path name": Handle(make)}),
            f"PUT {path}/{{name}}": acts(
                {"path name": changed, "header if-match": version, **{f"body {one}": text for one in words}}
            ),
            f"DELETE {path}/{{name}}": acts(
                {"path name": Handle(make, things.beside(headers=first)), "header if-match": version}
            ),
        }
    return found


def _prompts() -> dict[str, Entry]:
    looks = partial(Entry, Guard.LOOKERS, ALAN)
    task_type = Plain("a word of the catalogue, the same for everybody")
    return {
        "GET /portal/v1/prompt-sets": looks(
            {
                "query after": Handle(things.with_one_before(things.prompt_set), never=neighbour, status=200),
                "query task_type": task_type,
            },
            whole=Whole(),
        ),
        "POST /portal/v1/prompt-sets": Entry(
            Guard.ADMINISTRATORS,
            ALAN,
            {
                "body task_type": task_type,
                "body name": _NAME,
                "body prompts": Plain("texts under names that the task type asks for"),
            },
            whole=Whole(201, things.fresh_prompts),
        ),
        "GET /portal/v1/prompt-sets/{prompt_set_id}": looks(
            {"path prompt_set_id": Handle(things.prompt_set)}
        ),
        "GET /portal/v1/sub-processors": Entry(Guard.MEMBERS, ALAN, whole=Whole()),
    }


def _entrance() -> dict[str, Entry]:
    visits = partial(Entry, Guard.VISITORS, KATHERINE, personal=True)
    is_open = partial(Entry, Guard.OPEN, NOBODY)
    state = Handle(
        things.consent_state,
        things.beside(query={"tenant": NORTHWIND, "admin_consent": "True"}),
        never=lambda _handle: f"{new_id().hex}{new_id().hex}"[:43],
        status=400,
        once=True,
    )
    directory = Handle(things.directory_id, never=lambda _handle: NORTHWIND, status=302)
    return {
        "POST /portal/v1/onboarding": visits(
            {"body name": _NAME},
            whole=Exempt("begins for the directory of the caller's session: tests/portal/test_onboarding.py"),
        ),
        "GET /portal/v1/onboarding/consent": visits(
            {
                "query state": state,
                "query tenant": Plain("compared with the session's own directory, never looked up"),
                "query admin_consent": Plain("a word of Entra's, believed by nobody"),
                "query error": Plain("a word of Entra's, believed by nobody"),
            }
        ),
        "GET /portal/v1/sign-in": is_open(
            {
                "query tenant": directory,
                "query login_hint": Plain("passed on to Entra"),
                "query return_to": Plain("a path of our own pages, in a fixed form"),
            }
        ),
        "GET /portal/v1/sign-in/callback": is_open(
            whole=Exempt("takes Entra's answer for the browser that asked: tests/portal/test_sign_in.py")
        ),
        "POST /portal/v1/sign-out": visits(
            whole=Exempt(
                "ends the session of its cookie and takes nothing else: tests/portal/test_sessions.py"
            )
        ),
        "POST /portal/v1/sign-out-everywhere": visits(
            whole=Exempt("ends the sessions of the caller and takes nothing: tests/portal/test_sessions.py")
        ),
        "GET /health/live": is_open(whole=Whole()),
        "GET /health/ready": is_open(whole=Exempt("tells of the process, to machines; it takes nothing")),
    }


DOORS: Mapping[str, Mapping[str, Entry]] = {
    "pools": pools_and_routes() | rules_and_questions(),
    "add-in": _addin(),
    "automation": _automation(),
    "administration": _administration() | _models() | _wording(),
    "operator": customers_of_the_operator() | _entrance(),
}
TABLE: Mapping[str, Entry] = {
    operation: entry for door in DOORS.values() for operation, entry in door.items()
}
