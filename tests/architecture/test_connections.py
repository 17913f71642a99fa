"""Who may open a connection: a short list, so that an address of a tenant never meets a client without guard."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_CLIENTS = re.compile(
    r"^\s*(?:import|from) (?:httpx2?|aiohttp|requests|urllib3|urllib\.request|http\.client|ftplib|smtplib)\b",
    re.MULTILINE,
)
_OPEN_THEM = {
    # Addresses of tenants: judged when the socket is made.
    "app/core/outbound.py",
    "app/llm/providers/guard.py",
    "app/notices/delivering.py",
    # Addresses of the platform's settings: Microsoft's hosts in production.
    "app/core/key_vault.py",
    "app/identity/keys.py",
    "app/identity/graph.py",
    "app/identity/credentials.py",
    "app/identity/msal_clients.py",
    "app/identity/msal_session.py",
}
_NAME_THEIR_ERRORS = {
    "app/identity/on_behalf.py",
    "app/identity/onboarding.py",
    "app/identity/portal_sign_in.py",
    "app/identity/sign_in.py",
    "app/identity/application_tokens.py",
    "app/llm/providers/anthropic.py",
    "app/llm/providers/chat.py",
    "app/llm/providers/google.py",
    "app/llm/providers/openai_compatible.py",
    "app/llm/providers/openai_errors.py",
    "app/llm/providers/openai_json.py",
    "app/llm/providers/statuses.py",
}


def test_only_these_open_connections() -> None:
    found = {
        str(path.relative_to(ROOT))
        for folder in ("app", "workers")
        for path in (ROOT / folder).rglob("*.py")
        if _CLIENTS.search(path.read_text()) and "local" not in path.relative_to(ROOT).parts
    }
    assert found <= _OPEN_THEM | _NAME_THEIR_ERRORS, "read app/core/outbound.py first"
    for name in found & _NAME_THEIR_ERRORS:
        text = (ROOT / name).read_text()
        assert not re.search(
            r"(?:requests|httpx2?)\.(?:Session|Client|AsyncClient|get|post|request)\(", text
        ), name
