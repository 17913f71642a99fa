"""What a program asks for: OpenID scopes, and permissions of at most one resource."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.local.entra.errors import Refused, invalid_request
from app.local.entra.registrations import GRAPH_CLIENT_ID, Registration

_OPENID = frozenset({"openid", "profile", "email", "offline_access"})
_DEFAULT = ".default"


@dataclass(frozen=True)
class Asked:
    """Understood scopes; `granted` are names as `scp` has them, `full` as the answer repeats them."""

    audience: str
    granted: tuple[str, ...]
    full: tuple[str, ...]
    openid: frozenset[str]


def understand(scopes: Sequence[str], known: Mapping[str, Registration]) -> Asked:
    """What the scopes mean. Raises: `Refused`."""
    openid = _OPENID.intersection(scopes)
    wanted = [one.rpartition("/")[::2] for one in scopes if one not in _OPENID]
    if not wanted:
        return Asked(GRAPH_CLIENT_ID, tuple(sorted(openid)), tuple(sorted(openid)), openid)
    resources = {resource for resource, _ in wanted}
    if len(resources) > 1:
        raise invalid_request(28000, "The scopes belong to more than one resource.")
    resource = resources.pop()
    api = find_resource(resource, known)
    names = {name for _, name in wanted}
    granted = sorted(api.scopes if _DEFAULT in names else names)
    if not set(granted) <= api.scopes or not granted:
        raise Refused("invalid_scope", 70011, f"{api.name} does not offer a scope that was asked for.")
    return Asked(api.client_id, tuple(granted), tuple(f"{resource}/{one}" for one in granted), openid)


def find_resource(resource: str, known: Mapping[str, Registration]) -> Registration:
    """The API behind `api://<client id>` or the client id alone. Raises: `Refused`."""
    found = known.get(resource.removeprefix("api://"))
    if found is None:
        raise Refused("invalid_resource", 500011, "The resource principal was not found in the tenant.")
    return found


def default_of(scopes: Sequence[str]) -> str:
    """The resource of a lone `<resource>/.default`. Raises: `Refused`."""
    resource, _, name = scopes[0].rpartition("/") if len(scopes) == 1 else ("", "", "")
    if not resource or name != _DEFAULT:
        raise Refused(
            "invalid_scope", 1002012, "Client credential flows take one scope: <resource>/.default."
        )
    return resource
