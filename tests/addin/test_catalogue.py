"""What is published of errors and events is all there is, in both languages."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

import app
from app.addin.errors import LANGUAGES, catalogue, tree
from app.addin.event_schemas import EVENTS
from app.addin.languages import best_language, first_language
from app.llm.errors import ProviderError
from app.main import create_app
from app.settings import Settings

ROOT = Path(app.__file__).parent
PORTALS = frozenset(
    [
        "already_onboarded",
        "app_client_exists",
        "app_client_not_found",
        "archived",
        "bad_case",
        "budget_exists",
        "budget_not_found",
        "cannot_erase_oneself",
        "consent_not_proven",
        "credential_not_found",
        "cross_site",
        "currency_differs",
        "deployment_not_found",
        "erasure_not_found",
        "erasure_under_way",
        "extra_missing",
        "hold_not_found",
        "hold_released",
        "invalid_configuration",
        "invalid_draft",
        "invalid_route",
        "last_administrator",
        "limits_cross",
        "member_erased",
        "name_differs",
        "name_taken",
        "not_an_administrator",
        "not_invited",
        "nothing_published",
        "notice_not_found",
        "onboarding_refused",
        "owned_by_platform",
        "platform_owned",
        "pool_archived",
        "pool_in_use",
        "pool_not_found",
        "portal_not_configured",
        "prompt_set_not_found",
        "provider_not_found",
        "revision_not_found",
        "revision_published",
        "route_not_found",
        "secret_still_rotating",
        "session_required",
        "sign_in_refused",
        "still_in_use",
        "tenant_exists",
        "too_many",
        "too_many_app_clients",
        "too_many_rows",
        "too_many_webhooks",
        "too_many_wordings",
        "unknown_data_set",
        "unknown_evaluation",
        "unknown_member",
        "webhook_not_found",
        "wrong_configuration",
        "wrong_tenant_state",
    ]
)
"""Of administration at the portal and of the operator's commands: no add-in meets them."""
JOB_CODES = re.compile(r'(?:Discard\(\s*|"code": )"(\w+)"')
NO_ERRORS = {"budget_soft_limit"}
"""Warnings."""


def import_everything() -> None:
    for module in pkgutil.walk_packages(app.__path__, "app."):
        # What opens vendors' clients or plays the world outside raises nothing of its own at a door.
        if not module.name.startswith(("app.llm.providers", "app.local")):
            importlib.import_module(module.name)


def test_every_code_of_the_tree_is_in_the_catalogue_or_of_the_portal() -> None:
    import_everything()
    codes = {one.code for one in tree() if one.__module__.startswith("app.")}
    assert codes - PORTALS - catalogue().keys() == set(), "say what to do about it: app/addin/errors.yaml"
    assert PORTALS - codes == set()
    assert PORTALS & catalogue().keys() == set()


def test_every_code_that_a_job_can_end_with_is_in_the_catalogue() -> None:
    providers = {one.code for one in _vendors(ProviderError)}
    written = {
        code
        for room in ("jobs", "copilot", "usage")
        for path in (ROOT / room).glob("*.py")
        for code in JOB_CODES.findall(path.read_text())
    }
    assert {"no_text", "nothing_read", "deadline_passed", "needs_user_expired"} <= written
    assert (providers | written) - NO_ERRORS - catalogue().keys() == set()


def _vendors(kind: type[ProviderError]) -> list[type[ProviderError]]:
    return [kind, *(one for sub in kind.__subclasses__() for one in _vendors(sub))]


def test_every_entry_has_words_in_each_language() -> None:
    import_everything()
    for entry in catalogue().values():
        for texts in (entry.title, entry.what_to_do):
            assert set(texts) == set(LANGUAGES), entry.code
            assert all(texts.values()), entry.code
        assert entry.what_to_do["en"].endswith("."), entry.code
        assert entry.title["en"] != entry.title["de"] or entry.code == "conflict", entry.code
    assert catalogue()["job_not_found"].statuses == (404,)
    assert catalogue()["nothing_read"].statuses == ()


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de", "de"),
        ("de-AT,en;q=0.5", "de"),
        ("en;q=0.3, de;q=0.9", "de"),
        ("de;q=0, en", "en"),
        ("fr, de;q=0.1", "de"),
        ("fr", "en"),
        ("*", "en"),
        ("", "en"),
        ("den", "en"),
        (";q=x,,de;q=9", "de"),
    ],
)
def test_the_language_liked_best_of_those_there_are_is_chosen(header: str, language: str) -> None:
    assert best_language(header, {"en", "de"}) == language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de-AT,en;q=0.5", "de"),
        ("en;q=0.3,fr", "fr"),
        ("de;q=0,it", "it"),
        ("*", None),
        ("", None),
        (None, None),
    ],
)
def test_the_language_liked_best_of_all_is_told_only_where_one_is_named(
    header: str | None, language: str | None
) -> None:
    assert first_language(header) == language


def test_the_contract_shows_each_event_under_its_name() -> None:
    document = create_app(Settings(env="development")).openapi()
    stream = document["paths"]["/addin/v1/jobs/{job_id}/events"]["get"]["responses"]["200"]["content"]
    shown = {
        one["properties"]["event"]["const"]: one["properties"]["data"]["contentSchema"]["$ref"]
        for one in stream["text/event-stream"]["itemSchema"]["oneOf"]
    }
    assert shown == {name: f"#/components/schemas/{event.__name__}" for name, event in EVENTS.items()}
    for event in EVENTS.values():
        schema = document["components"]["schemas"][event.__name__]
        assert schema["additionalProperties"] is False
    assert "JobError" in document["components"]["schemas"]


def test_every_event_that_is_emitted_somewhere_is_in_the_schema() -> None:
    emitting = re.compile(r'(?:\.emit\(\s*|ServerSentEvent\(event=)"(\w+)"')
    found = {
        name
        for room in ("jobs", "copilot", "addin")
        for path in (ROOT / room).glob("*.py")
        for name in emitting.findall(path.read_text())
    }
    assert found == EVENTS.keys()


def test_an_event_with_something_else_in_it_is_no_event() -> None:
    EVENTS["restarted"].model_validate({"from": 0, "step_id": None})
    for body in ({"from": 0, "secret": 1}, {"from": -1}, {}):
        with pytest.raises(ValidationError):
            EVENTS["restarted"].model_validate(body)
