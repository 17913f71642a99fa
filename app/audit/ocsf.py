"""Entries as events of the Open Cybersecurity Schema Framework, version 1.1.0, for a SIEM.

Sign-ins are Authentication (3002), what happens to members Account Change (3001), all else API Activity
(6003). Source: https://schema.ocsf.io/1.1.0/classes. What OCSF has no field for is in `unmapped`.
"""

from dataclasses import dataclass
from typing import Any

from app.audit.actions import AuditAction
from app.audit.chain import Link
from app.audit.record import ActorKind

VERSION = "1.1.0"
_PRODUCT = {"name": "Switchboard", "vendor_name": "Switchboard"}
_INFORMATIONAL, _MEDIUM = (1, "Informational"), (3, "Medium")
_SUCCESS, _FAILURE = (1, "Success"), (2, "Failure")
_USERS: dict[str, tuple[int, str]] = {
    ActorKind.MEMBER: (1, "User"),
    ActorKind.OPERATOR: (2, "Admin"),
    ActorKind.SYSTEM: (3, "System"),
    ActorKind.APPLICATION: (99, "Application"),
}
"""`type_id` and `type` of a user; the schema has no number for programs."""


@dataclass(frozen=True)
class _Class:
    uid: int
    name: str
    category_uid: int
    category_name: str


_ACCOUNT = _Class(3001, "Account Change", 3, "Identity & Access Management")
_AUTHENTICATION = _Class(3002, "Authentication", 3, "Identity & Access Management")
_API = _Class(6003, "API Activity", 6, "Application Activity")

_SPECIAL: dict[str, tuple[_Class, int, str]] = {
    AuditAction.SIGN_IN: (_AUTHENTICATION, 1, "Logon"),
    AuditAction.SIGN_IN_REFUSED: (_AUTHENTICATION, 1, "Logon"),
    AuditAction.SIGN_OUT: (_AUTHENTICATION, 2, "Logoff"),
    AuditAction.MEMBER_ROLE: (_ACCOUNT, 7, "Attach Policy"),
    AuditAction.MEMBER_BLOCK: (_ACCOUNT, 5, "Disable"),
    AuditAction.MEMBER_UNBLOCK: (_ACCOUNT, 2, "Enable"),
    AuditAction.MEMBER_ERASE: (_ACCOUNT, 6, "Delete"),
}
_CREATE, _READ, _UPDATE, _DELETE = (1, "Create"), (2, "Read"), (3, "Update"), (4, "Delete")
_VERBS = {
    "invite": _CREATE,
    "request": _CREATE,
    "register": _CREATE,
    "begin": _CREATE,
    "upload": _CREATE,
    "accept": _CREATE,
    "place": _CREATE,
    "export": _READ,
    "identify": _READ,
    "erase": _DELETE,
    "delete": _DELETE,
    "clear": _DELETE,
    "revoke": _DELETE,
    "release": _DELETE,
}


def to_ocsf(link: Link) -> dict[str, Any]:
    """One entry as an OCSF event; `metadata.sequence` is its place in the chain."""
    of, activity_id, activity = _classify(link.action)
    refused = link.action == AuditAction.SIGN_IN_REFUSED
    failed = refused or link.detail.get("state") == "failed"
    severity, status = _MEDIUM if refused else _INFORMATIONAL, _FAILURE if failed else _SUCCESS
    event: dict[str, Any] = {
        "activity_id": activity_id,
        "activity_name": activity,
        "category_uid": of.category_uid,
        "category_name": of.category_name,
        "class_uid": of.uid,
        "class_name": of.name,
        "type_uid": of.uid * 100 + activity_id,
        "severity_id": severity[0],
        "severity": severity[1],
        "status_id": status[0],
        "status": status[1],
        "time": int(link.at.timestamp() * 1000),
        "message": f"{link.action} of {link.target_type}",
        "metadata": {
            "version": VERSION,
            "product": _PRODUCT,
            "uid": str(link.id),
            "tenant_uid": str(link.tenant_id),
            "sequence": link.position,
            "event_code": link.action,
            "log_name": "audit",
            "logged_time": None if link.chained_at is None else int(link.chained_at.timestamp() * 1000),
        },
        "actor": {"user": _user(link)},
        "src_endpoint": {"ip": link.address} if link.address else {"name": "unknown"},
        "unmapped": {
            "target": {"type": link.target_type, "uid": link.target_id},
            "detail": dict(link.detail),
            "previous_mac": None if link.previous_mac is None else link.previous_mac.hex(),
            "mac": None if link.mac is None else link.mac.hex(),
        },
    }
    if of is _AUTHENTICATION:
        event |= {"user": _user(link), "service": {"name": "Switchboard"}}
    elif of is _ACCOUNT:
        event["user"] = {"uid": link.target_id or "erased", "type_id": _USERS[ActorKind.MEMBER][0]}
    else:
        event["api"] = {"operation": link.action, "service": {"name": "Switchboard"}}
        event["resources"] = [{"type": link.target_type, "uid": link.target_id}]
    return event


def _classify(action: str) -> tuple[_Class, int, str]:
    special = _SPECIAL.get(action)
    if special is not None:
        return special
    number, name = _VERBS.get(action.rpartition(".")[2], _UPDATE)
    return _API, number, name


def _user(link: Link) -> dict[str, Any]:
    name = link.actor_kind
    type_id, kind = _USERS.get(name, (0, "Unknown"))
    user = {"name": name, "type_id": type_id, "type": kind}
    return user | {"uid": link.actor} if link.actor else user
