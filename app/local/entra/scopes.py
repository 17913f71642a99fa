"""What a program asks for: OpenID scopes, and permissions of at most one resource."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.local.entra.errors import Refused, invalid_request
from app.local.entra.registrations import GRAPH_CLIENT_ID, GRAPH_RESOURCE, Registration

_OPENID = frozenset({"openid", "profile", "email", "offline_access"})
_DEFAULT = ".default"
_GRAPH_NAMES = frozenset({"", GRAPH_RESOURCE, GRAPH_CLIENT_ID})


@dataclass(frozen=True)
class Asked:
    """Understood scopes; `granted` are names as `scp` has them, `full` as the answer repeats them."""

    audience: str
    granted: tuple[str, ...]
    full: tuple[str, ...]
    openid: frozenset[str]


def understand(scopes: Sequence[str], known: Mapping[str, Registration], client: Registration) -> Asked:
    """What the scopes of a program mean. Raises: `Refused`."""
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
    everything = client.graph_permissions if api.client_id == GRAPH_CLIENT_ID else api.scopes
    granted = sorted(everything if _DEFAULT in names else names)
    if not set(granted) <= api.scopes or not granted:
        raise Refused("invalid_scope", 70011, f"{api.name} does not offer a scope that was asked for.")
    prefix = f"{resource}/" if resource else ""
    return Asked(api.client_id, tuple(granted), tuple(f"{prefix}{one}" for one in granted), openid)


def find_resource(resource: str, known: Mapping[str, Registration]) -> Registration:
    """The API behind `api://<client id>`, the client id alone or Graph's names. Raises: `Refused`."""
    name = GRAPH_CLIENT_ID if resource in _GRAPH_NAMES else resource.removeprefix("api://")
    found = known.get(name)
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
