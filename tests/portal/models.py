"""Models for tests of administration: the platform's, and rows that a tenant's other doors would have made."""

from typing import Any
from uuid import UUID

from app.pools.tables import Deployment, PromptSet, Provider
from app.vocabulary import Authentication, ModelClass, ProviderKind
from tests.conftest import TestDatabase
from tests.imported import platform_imported
from tests.portal.browsers import Browser
from tests.tenants.administration import rows


async def seed_models(database: TestDatabase) -> None:
    """The platform's pools as on a development machine without keys: one that picks sentences."""
    await platform_imported(database)


async def own_deployment(database: TestDatabase, tenant_id: UUID, name: str, **changes: Any) -> UUID:
    """A deployment of a tenant at a provider of its own; `provider` changes that one."""
    about = {
        "kind": ProviderKind.OPENAI_COMPATIBLE,
        "vendor": "acme",
        "base_url": "http://127.0.0.1:1/v1",
        "region": "eu",
        "processor": "Acme",
        "authentication": Authentication.NONE,
        **changes.pop("provider", {}),
    }
    async with database.owner.system() as session:
        provider = Provider(tenant_id=tenant_id, name=f"{name}-provider", **about)
        session.add(provider)
        await session.flush()
        deployment = Deployment(
            tenant_id=tenant_id,
            name=name,
            provider_tenant_id=tenant_id,
            provider_id=provider.id,
            model_name=name,
            **{
                "model_class": ModelClass.GENERAL,
                "capabilities": ["json_schema"],
                "context_window": 100_000,
                "max_output_tokens": 1000,
                **changes,
            },
        )
        session.add(deployment)
        await session.flush()
        return deployment.id


async def own_prompt_set(
    database: TestDatabase, tenant_id: UUID, name: str, task_type: str = "summarize"
) -> UUID:
    """A prompt set of a tenant."""
    async with database.owner.system() as session:
        row = PromptSet(
            tenant_id=tenant_id,
            task_type=task_type,
            name=name,
            revision=1,
            sha256="0",
            prompts={"system": "Do."},
        )
        session.add(row)
        await session.flush()
        return row.id


async def platform_member(database: TestDatabase) -> dict[str, str]:
    """The platform's member that picks sentences, as a body names it."""
    ((deployment,),) = await rows(database, "SELECT id FROM deployments WHERE name = 'extractive'")
    ((prompts,),) = await rows(
        database,
        "SELECT id FROM prompt_sets WHERE task_type = 'summarize' AND name = 'default'"
        " ORDER BY revision DESC LIMIT 1",
    )
    return {"deployment_id": str(deployment), "prompt_set_id": str(prompts)}


async def tenant_of(browser: Browser) -> UUID:
    """Of whoever is signed in."""
    return UUID((await browser.get("/me")).json()["tenant_id"])


async def made(browser: Browser, path: str, **body: Any) -> dict[str, Any]:
    """What a POST has made."""
    answer = await browser.send("POST", path, json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def changed(
    browser: Browser, method: str, path: str, version: int, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What a change of that version gives."""
    answer = await browser.send(method, path, json=body, headers={"If-Match": f'"{version}"'})
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json() if answer.content else {}
    return found


async def published(browser: Browser, pool: dict[str, Any], *members: dict[str, Any]) -> dict[str, Any]:
    """The pool after a draft of these members was published."""
    draft = await made(browser, f"/pools/{pool['id']}/revisions", members=list(members))
    return await changed(
        browser, "POST", f"/pools/{pool['id']}/revisions/{draft['number']}/publish", draft["version"]
    )
