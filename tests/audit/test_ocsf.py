"""Exported entries have what OCSF 1.1.0 asks of their classes."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from app.audit.actions import AuditAction
from app.audit.chain import Link
from app.audit.ocsf import to_ocsf

BASE = {"activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"}
REQUIRED = {3001: {"user"}, 3002: {"user"}, 6003: {"actor", "api", "src_endpoint"}}
"""Attributes of requirement "required", from events/iam and events/application of the schema."""
ACTIVITIES = {3001: range(1, 12), 3002: range(1, 6), 6003: range(1, 5)}


def _link(action: AuditAction, **changed: Any) -> Link:
    values: dict[str, Any] = {
        "tenant_id": UUID(int=1),
        "id": UUID(int=2),
        "at": datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
        "actor_kind": "member",
        "actor": "abc",
        "address": "192.0.2.1",
        "address_salt": b"s",
        "address_digest": b"d",
        "action": action.value,
        "target_type": "member",
        "target_id": "def",
        "detail": {"state": "succeeded", "request_model": "m-1"},
        "position": 7,
        "chained_at": datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC),
        "previous_mac": b"\x01",
        "mac": b"\x02",
    }
    return Link(**(values | changed))


@pytest.mark.parametrize("action", AuditAction)
@pytest.mark.parametrize("bare", [False, True])
def test_every_action_is_a_valid_event_of_its_class(action: AuditAction, bare: bool) -> None:  # noqa: FBT001
    erased = {"actor": "", "address": None, "target_id": "", "actor_kind": "system"} if bare else {}
    event = json.loads(json.dumps(to_ocsf(_link(action, **erased))))

    of = event["class_uid"]
    assert (BASE | REQUIRED[of]) <= event.keys()
    assert event["activity_id"] in ACTIVITIES[of]
    assert event["type_uid"] == of * 100 + event["activity_id"]
    assert event["category_uid"] == of // 1000
    assert event["metadata"]["version"] == "1.1.0"
    assert event["metadata"]["product"]["vendor_name"]
    assert event["time"] == 1767323045678
    # "at least one of": what the schema demands of the objects within.
    assert event["src_endpoint"].keys() & {"ip", "uid", "name", "hostname"}
    for user in [event["actor"]["user"], *([event["user"]] if "user" in event else [])]:
        assert user.keys() & {"uid", "name"}
    if of == 3002:
        assert event["service"]["name"]
    if of == 6003:
        assert event["api"]["operation"] == action


def test_sign_ins_and_members_have_their_own_classes() -> None:
    assert to_ocsf(_link(AuditAction.SIGN_IN))["type_uid"] == 300201
    refused = to_ocsf(_link(AuditAction.SIGN_IN_REFUSED))
    assert (refused["type_uid"], refused["status"], refused["severity"]) == (300201, "Failure", "Medium")
    assert to_ocsf(_link(AuditAction.MEMBER_BLOCK))["type_uid"] == 300105
    failed = to_ocsf(_link(AuditAction.JOB_FINISH, detail={"state": "failed"}))
    assert (failed["class_uid"], failed["status"]) == (6003, "Failure")


@pytest.mark.parametrize(
    ("kind", "type_id", "name"),
    [
        ("member", 1, "User"),
        ("operator", 2, "Admin"),
        ("system", 3, "System"),
        ("application", 99, "Application"),
    ],
)
def test_people_programs_and_operators_are_told_apart(kind: str, type_id: int, name: str) -> None:
    user = to_ocsf(_link(AuditAction.JOB_ACCEPT, actor_kind=kind))["actor"]["user"]
    assert user == {"uid": "abc", "name": kind, "type_id": type_id, "type": name}


def test_the_model_and_the_place_in_the_chain_are_told() -> None:
    event = to_ocsf(_link(AuditAction.JOB_FINISH))
    assert event["unmapped"]["detail"]["request_model"] == "m-1"
    assert event["metadata"]["sequence"] == 7
    assert (event["unmapped"]["previous_mac"], event["unmapped"]["mac"]) == ("01", "02")
