"""An organisation's glossaries, style guide and templates: written with versions, read by its panes, kept by jobs."""

from typing import Any
from uuid import UUID

import pytest

from app.copilot.asking import checked_parameters
from app.copilot.catalog import task_types
from app.copilot.house_wording import with_wording
from app.copilot.json_asking import JsonQuestion, _render
from app.copilot.prompt_files import load_prompt_files
from app.copilot.prompt_guard import PromptGuard
from tests.conftest import TestDatabase
from tests.entra import ADA, ALAN, EDSGER, GRACE, MARY
from tests.portal.browsers import Portal, code
from tests.portal.test_data import pane
from tests.tenants.administration import rows

TRADE: dict[str, Any] = {"language": "de", "terms": [{"source": "harbour", "target": "Hafen"}]}
NOTHING: dict[str, Any] = {"glossaries": [], "templates": [], "style_guide": None}


async def test_texts_are_written_over_the_version_that_was_read_and_seen_by_ones_own_people_alone(
    portal: Portal, database: TestDatabase
) -> None:
    async with (
        portal.browser() as admin,
        portal.browser() as auditor,
        portal.browser() as other,
        pane(portal, ADA) as ada,
        pane(portal, GRACE) as stranger,
    ):
        await admin.sign_in(ALAN)
        await auditor.sign_in(MARY)
        await other.sign_in(EDSGER)
        assert (await ada.get("/wording")).json() == NOTHING
        for path, body in (
            ("/glossaries/trade", TRADE),
            ("/templates/thanks", {"title": "Thanks", "instruction": "Thank them for Quux."}),
            ("/style-guide", {"text": "Say Quux, never quux."}),
        ):
            made = await admin.send("PUT", path, json=body)
            assert (made.status_code, made.headers["ETag"]) == (200, '"1"'), made.text
            assert code(await admin.send("PUT", path, json=body)) == (412, "changed_meanwhile")
            tag = {"If-Match": '"1"'}
            assert (await admin.send("PUT", path, json=body, headers=tag)).headers["ETag"] == '"2"'
            assert code(await admin.send("PUT", path, json=body, headers=tag)) == (412, "changed_meanwhile")
            assert (await auditor.get(path)).json() == body
            assert code(await auditor.send("PUT", path, json=body)) == (403, "role_missing")
            assert code(await other.get(path)) == (404, "wording_not_found")
        assert (await ada.get("/wording")).json() == {
            "glossaries": [{"name": "trade", **TRADE}],
            "templates": [{"name": "thanks", "title": "Thanks", "instruction": "Thank them for Quux."}],
            "style_guide": "Say Quux, never quux.",
        }
        assert (await stranger.get("/wording")).json() == NOTHING
        assert all(
            b"Quux" not in body for (body,) in await rows(database, "SELECT sealed_body FROM wordings")
        )
        assert code(await admin.send("DELETE", "/style-guide", headers={"If-Match": '"1"'}))[0] == 412
        gone = await admin.send("DELETE", "/style-guide", headers={"If-Match": '"2"'})
        assert gone.status_code == 204
        assert code(await admin.get("/style-guide")) == (404, "wording_not_found")


async def test_a_job_is_submitted_with_the_terms_and_the_style_guide_of_that_moment(portal: Portal) -> None:
    async with portal.browser() as admin, pane(portal, ADA) as ada, pane(portal, GRACE) as stranger:
        await admin.sign_in(ALAN)
        tenant_id = UUID((await admin.get("/me")).json()["tenant_id"])
        terms: list[dict[str, str]] = [*TRADE["terms"], {"source": "Crane", "target": "Kran"}]
        await admin.send("PUT", "/glossaries/trade", json={"language": "de", "terms": terms})
        await admin.send("PUT", "/style-guide", json={"text": "Be brief."})

        async def filled_in(name: str, **given: Any) -> dict[str, Any]:
            task_type, sealer = task_types()[name], await portal.services.keys.sealer(tenant_id)
            async with portal.services.database.tenant(tenant_id) as session:
                checked = checked_parameters(task_type, given)
                found = await with_wording(session, sealer, task_type, checked)
            # A step reads them by the task type's own schema.
            assert checked_parameters(task_type, found) == found
            return found

        own = {"source": "crane", "target": "Kranich"}
        named: dict[str, Any] = {"language": "de", "glossaries": ["trade"], "glossary": [own]}
        assert (await filled_in("translate", **named))["glossary"] == [own, *TRADE["terms"]]
        for task_type in ("rewrite", "draft", "draft_reply"):
            given: dict[str, dict[str, Any]] = {
                "rewrite": {"tone": "formal"},
                "draft_reply": {"intent": "Yes."},
            }
            asked = given.get(task_type, {"instruction": "A note."})
            assert (await filled_in(task_type, **asked))["style_guide"] == "Be brief."
            assert (await filled_in(task_type, **asked, style_guide=""))["style_guide"] == ""
        assert "style_guide" not in await filled_in("translate", language="de")
        sides = [side for one in terms for side in (one["source"], one["target"])]
        right = (await filled_in("proofread", glossaries=["trade"], terms=["Quux"]))["terms"]
        assert right == ["Quux", *sides]
        many = [{"source": f"w{at}", "target": "x"} for at in range(3_000)]
        for client, parameters, target in (
            (ada, {**named, "language": "fr"}, "glossaries.0"),
            (ada, {**named, "glossaries": ["unknown"]}, "glossaries.0"),
            (ada, {**named, "glossary": many}, "glossary"),
            (stranger, named, "glossaries.0"),
        ):
            body = {"task_type": "translate", "parameters": parameters, "input": {"text": "The harbour."}}
            for path in ("/jobs", "/estimates"):
                refused = await client.post(path, json=body)
                assert code(refused) == (422, "invalid_parameters")
                assert refused.json()["error"]["details"][0]["target"] == f"parameters.{target}"


@pytest.mark.parametrize("task_type", ["rewrite", "draft", "draft_reply"])
def test_a_style_guide_stands_marked_in_the_prompt_where_the_prompt_set_has_a_place_for_it(
    task_type: str,
) -> None:
    prompts = next(one for one in load_prompt_files() if one.task_type == task_type).prompts
    question = JsonQuestion(
        task_type=task_type,
        prompts=("system", "style_guide", "rules"),
        properties={},
        language="en",
        values={"style_guide": "Say Quux."},
        output_tokens=1,
        shown=(),
        mark="^",
        tokens=0,
    )
    system = _render(question, PromptGuard())(prompts)[0].content
    assert "<style_guide>\nSay Quux.\n</style_guide>" in system
    older = {name: text for name, text in prompts.items() if name != "style_guide"}
    assert "Quux" not in _render(question, PromptGuard())(older)[0].content
