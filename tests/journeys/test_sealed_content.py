"""What customers send and get is nowhere to be read, and what is sealed opens nowhere but in its place."""

import asyncio
import base64
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
import redis as synchronous
from sqlalchemy import text

from app.copilot.catalog import task_types
from app.copilot.runtime import Runtime
from app.core.clock import new_id
from app.core.crypto import Place, SealBroken, Sealed, Sealer
from app.core.database import libpq_url
from app.core.sealed_rows import SealedColumn, count_unreadable, count_versions, sealed_columns
from app.core.yaml_text import load_yaml
from app.documents.writing import writable
from app.evaluation import service as evaluation
from app.evaluation.case_files import Case, dump_lines
from app.evaluation.trial import Sponsor
from app.local.entra.people import person
from app.local.entra.registrations import PORTAL_CLIENT_ID
from app.local.postgres import EmbeddedPostgres
from app.pools.trials import trial_member
from app.settings import Settings
from app.tables import Base
from app.tenants.keys import TenantKeys
from app.tenants.seed import import_tenants
from tests import canaries
from tests.canaries import Canaries, word
from tests.conftest import TestDatabase
from tests.documents.files import paragraph, word_file
from tests.entra import ADA, GRACE
from tests.house import House, serve
from tests.portal.browsers import Browser, Door
from tests.processes import SEED
from tests.scripted_vendor import ScriptedVendor
from tests.trust import PLAIN

SEALED = {
    "batch_items.sealed_source",
    "batch_schedules.sealed_request",
    "document_parts.content",
    "documents.sealed_labels",
    "documents.sealed_name",
    "documents.sealed_source",
    "evaluation_answers.sealed_answer",
    "evaluation_sets.sealed_cases",
    "job_feedback.sealed_comment",
    "job_file_parts.content",
    "job_steps.sealed_answer",
    "job_steps.sealed_input",
    "job_steps.sealed_output",
    "jobs.sealed_parameters",
    "jobs.sealed_result",
    "provider_credentials.sealed",
    "token_caches.sealed_cache",
    "upload_parts.content",
    "upload_sessions.sealed_name",
    "upload_sessions.sealed_sha256",
    "webhooks.sealed_previous_secret",
    "webhooks.sealed_secret",
    "wordings.sealed_body",
}
"""Documents, uploads, parameters, results, checkpoints, credentials, token caches, secrets, cases, answers. A new one stands here."""

UNSEALED_BYTES = {
    "audit_chains.mac": "the head of a chain of keyed hashes",
    "audit_chains.wrapped_chain_key": "wrapped by the key-encryption key",
    "audit_chains.wrapped_pseudonym_key": "wrapped by the key-encryption key",
    "audit_entries.address_digest": "of an address, salted",
    "audit_entries.address_salt": "random",
    "audit_entries.mac": "keyed with the chain's key",
    "audit_entries.previous_mac": "keyed with the chain's key",
    "batch_items.source_digest": "keyed with the tenant's data key",
    "documents.sha256": "keyed with the tenant's data key",
    "evaluation_runs.digest": "keyed with the tenant's data key",
    "evaluation_sets.digest": "keyed with the tenant's data key",
    "idempotency_keys.request_hash": "keyed with the tenant's data key",
    "job_steps.input_hash": "keyed with the tenant's data key",
    "jobs.sticky_key": "keyed with the tenant's data key",
    "tenant_keys.wrapped": "wrapped by the key-encryption key",
}
"""Bytes that are kept as they are, and why that gives nothing away."""

IN_THE_CLEAR = {
    ("members.display_name", "person"): "administrators look for people by their names",
    ("legal_holds.reason", "reason"): "a note of administrators to administrators, not content",
    ("idempotency_keys.key", "key"): "chosen by the client's program to be compared; named as such in docs",
}
"""The column, the kind of content, and why it is there to be read. Anything else that is found is a leak."""

ENGLISH = (
    "The harbour was closed for three days because a storm had torn two cranes from their rails. The port"
    " authority says that the repairs will cost four million euros, and ships were sent elsewhere."
)
CREDENTIAL_PURPOSES = ("chat", "spare")


@dataclass
class Person:
    """Somebody whose every word is a canary."""

    login: str
    words: dict[str, str]
    jobs: dict[str, str] = field(default_factory=dict)


@pytest.fixture
async def told(
    vendor: ScriptedVendor, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> "Story":
    """Two people of two tenants have done everything that one can do here."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    house.system.extra = {**house.system.extra, "TMPDIR": str(temporary)}
    story = Story(house, vendor)
    platform = load_yaml(SEED.read_text())["platform"]
    # The vendor answers the prompts for models that need no example.
    platform["pools"][0]["members"][0]["prompt_set"] = "default"
    writer = {"deployment": platform["deployments"][0]["name"], "prompt_set": "default"}
    platform["pools"].append({"name": "rewrite", "task_type": "rewrite", "members": [writer]})
    platform["routes"].append({"name": "rewrite", "task_type": "rewrite", "pool": "rewrite"})
    await house.system.configure(base_url=vendor.base_url, platform=platform)
    house.system.start_all()
    with canaries.logged() as written:
        async with serve(house.system, house.entra, portal_client_id=PORTAL_CLIENT_ID) as api:
            for neighbour in (ADA, GRACE):
                await story.person(api, neighbour)
            await asyncio.gather(*(story.live(api, one) for one in story.people))
            for one in story.people:
                await house.clients.pop(one.login).aclose()
        story.written = written.getvalue()
    return story


@pytest.mark.processes
async def test_content_from_every_door_is_kept_nowhere_in_the_clear_and_opens_in_its_place_alone(
    told: "Story", postgres: EmbeddedPostgres, database: TestDatabase, service_folder: Path, tmp_path: Path
) -> None:
    await told.look_for_secrets()
    superuser = f"{postgres.url.rpartition('/')[0]}/{database.name}"

    # Everything that is to be sealed has been: else nothing below would prove anything.
    for column in sealed_columns():
        for sealer in told.sealers:
            counted = await count_versions(database.owner, column, sealer.tenant_id)
            assert counted.total(), f"nothing was written to {column.name}: bring some in"
            assert set(counted) == {1}
            assert await count_unreadable(database.owner, column, sealer) == 0, column.name

    assert canaries.in_tables(told.canaries, superuser) == set(IN_THE_CLEAR)
    found, families = canaries.in_redis(told.canaries, told.house.system.redis_url)
    assert found == set()
    assert {"events", "portal"} <= families
    await _files_are_clean(told, superuser, service_folder, tmp_path)
    assert "refused" in told.written
    assert told.canaries.in_bytes(told.written.encode()) == set()

    first = {one: (await _values(told, one, told.sealers[0].tenant_id))[0] for one in sealed_columns()}
    for column in sealed_columns():
        await _swapped(told, column)
        _opens_nowhere_else(told.sealers[0], column, first)


def test_every_column_of_bytes_is_sealed_or_says_why_not() -> None:
    assert {one.name for one in sealed_columns()} == SEALED
    kept = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.columns
        if column.type.python_type is bytes
    }
    assert kept - SEALED == set(UNSEALED_BYTES)


async def test_the_search_finds_a_word_in_every_form(
    postgres: EmbeddedPostgres, database: TestDatabase, redis_url: str, tmp_path: Path
) -> None:
    secret, looked_for = word(), Canaries()
    looked_for.add("it", secret)
    longer = f"ab {secret} cd"
    forms = [
        longer.encode(),
        longer.upper().encode(),
        longer.encode("utf-16-le"),
        longer.upper().encode("utf-16-le"),
        longer.encode("utf-16-be").hex().upper().encode(),
        *(base64.b64encode(b"x" * shift + longer.encode()) for shift in range(3)),
        base64.urlsafe_b64encode(longer.encode("utf-16-le")),
    ]
    for form in forms:
        assert looked_for.in_bytes(form) == {"it"}, form
    assert looked_for.in_bytes(longer.replace(secret[5], "y").encode()) == set()

    with psycopg.connect(libpq_url(database.owner_url)) as connection:
        connection.execute("CREATE TABLE plain (a text, b bytea, c jsonb, d text[])")
        connection.execute(
            "INSERT INTO plain VALUES (%s, %s, %s, %s)",
            ["a" * 9000 + secret, forms[2], json.dumps({"a": [{secret: 1}]}), ["x", secret]],
        )
    superuser = f"{postgres.url.rpartition('/')[0]}/{database.name}"
    assert canaries.in_tables(looked_for, superuser) == {(f"plain.{column}", "it") for column in "abcd"}

    with synchronous.Redis.from_url(redis_url) as client:
        client.set(f"name:{secret}", "1")
        client.set("string:1", secret * 1000)
        client.hset("hash:1", secret, "1")
        client.sadd("set:1", secret)
        client.rpush("list:1", "x", secret)
        client.zadd("zset:1", {secret: 1})
        client.xadd("stream:1", {"a": secret})
    found, families = canaries.in_redis(looked_for, redis_url)
    assert found == {(family, "it") for family in families}
    assert len(families) == 7
    (tmp_path / "kept").write_bytes(forms[2])
    assert canaries.in_files(looked_for, tmp_path) == ({("kept", "it")}, 1)


class Story:
    """What two people of two tenants do, through the doors."""

    def __init__(self, house: House, vendor: ScriptedVendor) -> None:
        self.house = house
        self.vendor = vendor
        self.people: list[Person] = []
        self.canaries = Canaries()
        self.sealers: list[Sealer] = []
        self.written = ""

    async def person(self, api: str, neighbour: str) -> None:
        """Somebody new in the neighbour's tenant, its administrator, whose name is a canary as well."""
        kinds = ("text", "name", "focus", "key", "person", "item", "reason", "password", "mistake")
        words = {kind: word() for kind in kinds}
        for kind, value in words.items():
            self.canaries.add(kind, value)
        near = self.house.entra.app.people.find(neighbour)
        assert near is not None
        login = f"{word().lower()}@{near.login.partition('@')[2]}"
        facts = {"object_id": str(uuid4()), "name": f"Dr {words['person']}", "login": login}
        self.house.entra.app.people.add(person(near.tenant_id, near.tenant, **facts, role="TenantAdmin"))
        tenant = {
            "name": near.tenant,
            "entra_tenant_id": near.tenant_id,
            "people": [{**facts, "role": "TenantAdmin"}],
        }
        async with self.house.system.database.owner.system() as session:
            await import_tenants(session, [tenant])
        self.house.clients[login] = httpx.AsyncClient(
            base_url=f"{api}/addin/v1",
            headers={"Authorization": f"Bearer {self.house.entra.token(login)}"},
            timeout=30.0,
            trust_env=False,
            verify=PLAIN,
        )
        self.people.append(Person(login, words))

    async def live(self, api: str, one: Person) -> None:
        """Everything that one can do here."""
        await self._portal(api, one)
        await self._documents_and_jobs(one)
        await self._files(one)
        await self._uploads(one)
        await self._drive(one)
        await self._mistakes(one)
        await self._evaluations(one, await self._credentials(one))

    async def look_for_secrets(self) -> None:
        """Tokens that Entra has given out and plain data keys are looked for, too."""
        for token in self.house.entra.app.sign_ins._refresh:
            self.canaries.add("token", token)
        # All tokens of an Entra begin alike.
        self.canaries.add("token", self.house.entra.token(ADA)[:20])
        for sealer in self.sealers:
            self.canaries.add("data key", sealer.keys[1])

    async def _portal(self, api: str, one: Person) -> None:
        door = Door(f"http://localhost:{api.rpartition(':')[2]}", self.house.entra)
        async with Browser(door) as browser:
            assert (await browser.sign_in(one.login)).status_code == 302
            me = (await browser.get("/me")).json()
            assert one.words["person"] in json.dumps(me)
            held = await browser.send("POST", "/holds", json={"reason": f"case {one.words['reason']}"})
            assert held.status_code == 201, held.text
            guide = {"text": f"Say {one.words['text']}."}
            template = {"title": "Thanks", "instruction": f"Thank them for the {one.words['text']}."}
            for path, body in (("/style-guide", guide), ("/templates/thanks", template)):
                kept = await browser.send("PUT", path, json=body)
                assert kept.is_success, kept.text
            assert browser.session is not None
            self.canaries.add("cookie", browser.session)
        async with Browser(door) as another:
            # On its way to Entra and back for as long as it likes.
            await another.begin(one.login)

    async def _documents_and_jobs(self, one: Person) -> None:
        words = one.words
        paragraphs = [
            f"Chapter {n}. The {words['text']} number {n} sang in {1900 + n % 100} for {n} hours and {n * 3}"
            " people came to listen to it."
            for n in range(220)
        ]
        document = await self.house.upload(
            f"{words['name']}.txt", "\n\n".join(paragraphs).encode(), one.login
        )
        body = {"input": {"documents": [document["id"]]}}
        key = f"key-{words['key']}"
        accepted = await self.house.submit(body, one.login, key=key)
        assert accepted.status_code == 202, accepted.text
        job_id = accepted.json()["id"]
        events = await self.house.follow(job_id, one.login)
        again = await self.house.submit(body, one.login, key=key)
        assert (again.status_code, again.json()["id"]) == (202, job_id)
        assert again.json()["state"] == "succeeded", again.text
        result = again.json()["result"]
        assert words["text"] in result["text"]
        assert words["text"] in json.dumps(result["citations"])
        assert any(words["text"] in json.dumps(event.data) for event in events)
        # The built-in model takes no wishes: the vendor does this one.
        short = {
            "input": {"text": f"The {words['text']} was closed in March. {ENGLISH}"},
            "parameters": {"focus": f"the {words['focus']}", "audience": f"friends of {words['focus']}"},
        }
        one.jobs["long"] = job_id
        one.jobs["short"] = (await self.house.submit(short, one.login)).json()["id"]
        done = await self.house.finished(one.jobs["short"], one.login)
        assert done["state"] == "succeeded", done["error"]
        assert words["text"] in done["result"]["text"]
        assert any(words["focus"] in json.dumps(asked) for asked in self.vendor.seen)
        for job in one.jobs.values():
            said = {"thumb": "down", "comment": f"nothing of the {words['text']}"}
            given = await self.house.client(one.login).put(f"/jobs/{job}/feedback", json=said)
            assert given.status_code == 200, given.text

    async def _files(self, one: Person) -> None:
        """Two files that are made of one, and fetched."""
        text = f"The {one.words['text']} was closed in March because a storm had torn two cranes."
        document = await self.house.upload(f"{one.words['name']}.docx", word_file(paragraph(text)), one.login)
        body = {
            "task_type": "rewrite",
            "parameters": {"tone": "formal", "output": "file"},
            "input": {"documents": [document["id"]]},
        }
        for _ in range(2):
            job_id = (await self.house.submit(body, one.login)).json()["id"]
            done = await self.house.finished(job_id, one.login)
            assert done["state"] == "succeeded", done["error"]
            assert one.words["name"] in done["result"]["file"]["name"]
            made = await self.house.client(one.login).get(f"/jobs/{job_id}/file")
            assert made.status_code == 200, made.text
            assert one.words["text"] in writable(made.content).segments[0].text

    async def _uploads(self, one: Person) -> None:
        client, words = self.house.client(one.login), one.words
        for _ in range(2):
            begun = await client.post(
                "/upload_sessions",
                json={"name": f"{words['name']}.txt", "size_bytes": 500_000, "sha256": "ab" * 32},
            )
            assert begun.status_code == 201, begun.text
            part = (words["text"] * 20_000)[:131_072].encode()
            taken = await client.put(
                f"/upload_sessions/{begun.json()['id']}",
                content=part,
                headers={"Content-Range": f"bytes 0-{len(part) - 1}/500000"},
            )
            assert taken.status_code == 202, taken.text
        wrong = f"no {words['text']} is a document of Word".encode()
        begun = await client.post(
            "/upload_sessions", json={"name": f"{words['name']}.docx", "size_bytes": len(wrong)}
        )
        refused = await client.put(
            f"/upload_sessions/{begun.json()['id']}",
            content=wrong,
            headers={"Content-Range": f"bytes 0-{len(wrong) - 1}/{len(wrong)}"},
        )
        assert refused.status_code == 422, refused.text

    async def _drive(self, one: Person) -> None:
        client, graph, words = self.house.client(one.login), self.house.entra.app.graph, one.words
        sentence = f"The {words['item']} is closed in March because a storm came. "
        good = [graph.add(one.login, f"{words['item']} {n}.txt", sentence.encode() * 5) for n in range(2)]
        bad = graph.add(one.login, f"{words['item']}.docx", sentence.encode())
        named = [{"drive_id": item.drive_id, "item_id": item.id} for item in (*good, bad)]
        for item in named[:2]:
            assert (await client.post("/documents/drive-items", json=item)).status_code == 201
        session = (await client.post("/graph-sessions", json={})).json()["id"]
        for items, state in (([named[0]], "succeeded"), ([named[2]], "failed")):
            body = {"input": {"drive_items": items, "graph_session": session}, "lane": "background"}
            job = await self.house.finished(
                (await self.house.submit(body, one.login)).json()["id"], one.login
            )
            assert job["state"] == state, job
        folder = graph.add_folder(one.login, words["item"])
        for n in range(2):
            graph.add(one.login, f"{words['item']} {n}.txt", sentence.encode() * 5, folder=folder)
        where = {"drive_id": folder.drive_id, "item_id": folder.id}
        batch = {"task_type": "summarize", "input": {"folder": where, "graph_session": session}}
        batch_id = (await client.post("/batches", json=batch)).json()["id"]
        assert (await self.house.finished(batch_id, one.login))["state"] == "succeeded"
        for _ in range(2):
            nightly = {"task_type": "summarize", "folder": where, "graph_session": session, "at": "02:00"}
            made = await client.post("/batch-schedules", json=nightly)
            assert made.status_code == 201, made.text
        done = (await client.get(f"/batches/{batch_id}/documents")).json()["value"]
        assert all(words["item"] in item["name"] and words["item"] in item["result"]["text"] for item in done)

    async def _mistakes(self, one: Person) -> None:
        """Whatever is wrong with a request, what it said is in no log."""
        client, wrong = self.house.client(one.login), one.words["mistake"]
        answers = [
            await client.post("/jobs", json={"task_type": wrong, "input": {"text": wrong}}),
            await client.post(
                "/jobs", json={"task_type": "summarize", "input": {"text": wrong}, wrong: wrong}
            ),
            await client.post(
                "/jobs",
                json={"task_type": "summarize", "input": {"text": wrong}, "parameters": {"focus": [wrong]}},
            ),
            await client.post("/jobs", content=f'{{"task_type": {wrong}'.encode()),
            await client.get(f"/jobs/{wrong}", params={"limit": wrong}),
            await client.post("/documents", params={"name": f"{wrong}.docx"}, content=wrong.encode()),
            await client.post("/documents/drive-items", json={"drive_id": wrong, "item_id": wrong}),
        ]
        assert {400, 404, 422} >= {answer.status_code for answer in answers}

    async def _credentials(self, one: Person) -> Sponsor:
        """Keys of providers, as whoever administers them keeps them. Gives who may try models on their behalf."""
        database = self.house.system.database
        row = (
            await self.house.system.rows(
                "SELECT tenant_id, id FROM members WHERE display_name LIKE :name",
                name=f"%{one.words['person']}",
            )
        )[0]
        tenant_id: UUID = row["tenant_id"]
        sealer = await TenantKeys(database.app, self.house.system.keyring).sealer(tenant_id)
        self.sealers.append(sealer)
        for purpose in CREDENTIAL_PURPOSES:
            values: dict[str, Any] = {"t": tenant_id, "id": new_id(), "name": purpose}
            sealed = sealer.seal(
                Place("provider_credentials", values["id"], "sealed"), one.words["password"].encode()
            )
            async with database.owner.system() as session:
                await session.execute(
                    text(
                        "INSERT INTO providers (tenant_id, id, name, kind, vendor, region, processor, no_training,"
                        " zero_retention)"
                        " VALUES (:t, :id, :name, 'openai_compatible', 'a', 'eu', 'a', true, true)"
                    ),
                    values,
                )
                await session.execute(
                    text(
                        "INSERT INTO provider_credentials (tenant_id, provider_id, sealed, last4)"
                        " VALUES (:t, :id, :sealed, 'last')"
                    ),
                    {**values, "sealed": bytes(sealed)},
                )
                await session.execute(
                    text(
                        "INSERT INTO webhooks (tenant_id, id, url, events, state, sealed_secret,"
                        " sealed_previous_secret, previous_secret_expires_at)"
                        " VALUES (:t, :id, 'https://hooks.example.com/', '[]', 'active', :sealed_secret,"
                        " :sealed_previous_secret, now() + interval '1 day')"
                    ),
                    values
                    | {
                        name: bytes(
                            sealer.seal(Place("webhooks", values["id"], name), one.words["password"].encode())
                        )
                        for name in ("sealed_secret", "sealed_previous_secret")
                    },
                )
        return Sponsor(tenant_id, row["id"], sealer)

    async def _evaluations(self, one: Person, sponsor: Sponsor) -> None:
        """Cases of one's own, and what a model said to them."""
        database, document = self.house.system.database, f"The {one.words['text']} was closed. {ENGLISH}"
        cases = [Case(id=name, language="en", documents=(document,)) for name in ("first", "second")]
        kept = [
            await evaluation.keep_data(
                database.app,
                sponsor.sealer,
                tenant_id=sponsor.tenant_id,
                name=name,
                content=dump_lines(cases),
            )
            for name in ("mine", "ours")
        ]
        async with database.app.tenant(sponsor.tenant_id) as session:
            member = await trial_member(
                session,
                tenant_id=sponsor.tenant_id,
                task_type="summarize",
                deployment="extractive",
                prompt_set=None,
            )
        assert member is not None
        environment = self.house.system.environment()
        runtime = Runtime.open(
            Settings.model_validate(
                {
                    "env": "development",
                    "keyring": environment["SWITCHBOARD_KEYRING"],
                    "extraction_processes_ahead": 0,
                    **{name: environment[name] for name in ("DATABASE_URL", "REDIS_URL")},
                }
            )
        )
        await evaluation.evaluate(
            runtime,
            sponsor,
            task_types()["summarize"],
            kept[0],
            [("extractive", member)],
            seconds=30.0,
            watch=lambda *_: None,
        )
        await runtime.close()


async def _files_are_clean(told: Story, superuser: str, service_folder: Path, folder: Path) -> None:
    """Postgres's files and log, Valkey's folder, the logs of our processes, whatever is in their TMPDIR."""
    clear = {kind for _, kind in IN_THE_CLEAR}
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        (oid,) = connection.execute(
            "SELECT oid FROM pg_database WHERE datname = current_database()"
        ).fetchone() or (0,)
    data = service_folder / "postgres" / "data"
    rows, read = canaries.in_files(told.canaries, data / "base" / str(oid), but=clear, encoded=False)
    assert rows == set()
    assert read > 100
    logs = [service_folder / "postgres" / "postgres.log", service_folder / "valkey"]
    found, read = canaries.in_files(told.canaries, data / "base" / "pgsql_tmp", *logs, folder)
    assert found == set()
    assert read > len(told.house.system.children)


async def _swapped(told: Story, one: SealedColumn) -> None:
    """A value in another row, of the same tenant or another: it does not open."""
    mine, theirs = told.sealers
    owner = told.house.system.database.owner
    first, second = (await _values(told, one, mine.tenant_id))[:2]
    foreign = (await _values(told, one, theirs.tenant_id))[0]
    for left, right, lost in ((first, second, (2, 0)), (first, foreign, (1, 1))):
        await _write(told, one, left, right[one.column.name])
        await _write(told, one, right, left[one.column.name])
        unreadable = [await count_unreadable(owner, one, sealer) for sealer in (mine, theirs)]
        assert tuple(unreadable) == lost, one.name
        await _write(told, one, left, left[one.column.name])
        await _write(told, one, right, right[one.column.name])


def _opens_nowhere_else(
    sealer: Sealer, one: SealedColumn, rows: Mapping[SealedColumn, dict[str, Any]]
) -> None:
    """Neither in other columns, nor under another version's name, be it the same key."""
    sealed = Sealed(rows[one][one.column.name])
    assert sealer.try_open(_place(one, rows[one]), sealed) is not None
    for other in rows.keys() - {one}:
        with pytest.raises(SealBroken):
            sealer.try_open(_place(other, rows[other]), sealed)
    later = Sealer(sealer.tenant_id, {1: sealer.keys[1], 2: sealer.keys[1]})
    with pytest.raises(SealBroken):
        later.try_open(_place(one, rows[one]), Sealed(sealed[:1] + (2).to_bytes(4, "big") + sealed[5:]))


async def _values(told: Story, one: SealedColumn, tenant_id: UUID) -> list[dict[str, Any]]:
    key = ", ".join(column.name for column in one.key)
    return await told.house.system.rows(
        f"SELECT tenant_id, {key}, {one.column.name} FROM {one.table.name}"
        f" WHERE tenant_id = :t AND {one.column.name} IS NOT NULL ORDER BY {key} LIMIT 2",
        t=tenant_id,
    )


async def _write(told: Story, one: SealedColumn, row: dict[str, Any], value: bytes) -> None:
    names = ["tenant_id", *(column.name for column in one.key)]
    where = " AND ".join(f"{name} = :{name}" for name in names)
    async with told.house.system.database.owner.system() as session:
        await session.execute(
            text(f"UPDATE {one.table.name} SET {one.column.name} = :value WHERE {where}"),
            {"value": value, **{name: row[name] for name in names}},
        )


def _place(one: SealedColumn, row: dict[str, Any]) -> Place:
    return one.place([row[column.name] for column in one.key])
