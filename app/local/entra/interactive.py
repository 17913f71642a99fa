"""What happens in a person's browser: authorize, the page for device codes, an administrator's consent."""

from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from app.local.entra import pages
from app.local.entra.clients import Clients
from app.local.entra.consents import Consents
from app.local.entra.errors import Refused, invalid_request
from app.local.entra.freshness import Freshness, asked_claims
from app.local.entra.grants import client_info
from app.local.entra.people import ANY_TENANT, People, Person
from app.local.entra.registrations import Registration
from app.local.entra.scopes import Asked, understand
from app.local.entra.sign_ins import Code, SignIns, is_challenge

_MODES = frozenset({"query", "fragment", "form_post"})

Query = Mapping[str, str]


class Interactive:
    """Answers browsers."""

    def __init__(
        self,
        clients: Clients,
        people: People,
        sign_ins: SignIns,
        *,
        known: Mapping[str, Registration],
        consents: Consents,
        freshness: Freshness,
    ) -> None:
        self._clients = clients
        self._people = people
        self._sign_ins = sign_ins
        self._known = known
        self._consents = consents
        self._freshness = freshness

    def authorize(self, segment: str, address: str, query: Query) -> Response:
        """Sign in whom `login_hint` names, or ask who it is.

        What is wrong with the program or its redirect address is shown here; all else is for the program.
        """
        try:
            client = self._checked_client(segment, query)
        except Refused as refusal:
            return pages.refused(refusal)
        try:
            _check_query(query)
            scopes = tuple(query.get("scope", "").split())
            asked = understand(scopes, self._known, client)
            claims = asked_claims(query.get("claims"))
            person = self._person(segment, query)
        except Refused as refusal:
            return _to_program(query, {"error": refusal.error, "error_description": refusal.description})
        if person is None:
            return pages.choose(self._people.of(segment), address, query)
        self._agree(person, client, asked, prompted=query.get("prompt") == "consent")
        self._freshness.signed_in(person, claims)
        code = Code(
            person,
            client.client_id,
            query["redirect_uri"],
            scopes,
            challenge=query["code_challenge"],
            nonce=query.get("nonce"),
            era=self._freshness.era(person),
        )
        return _to_program(query, {"code": self._sign_ins.add_code(code), "client_info": client_info(person)})

    def consent(self, segment: str, address: str, query: Query) -> Response:
        """An administrator agrees for the whole tenant; anybody else is sent back with an error.

        Source: Microsoft, "Admin consent on the Microsoft identity platform".
        """
        try:
            client = self._checked_client(segment, query)
            understand(tuple(query.get("scope", "").split()), self._known, client)
            person = self._person(segment, query)
        except Refused as refusal:
            return pages.refused(refusal)
        if person is None:
            return pages.choose(self._people.of(segment), address, query)
        answer = {"admin_consent": "True", "tenant": person.tenant_id}
        if not person.may_consent:
            text = "AADSTS90094: The grant requires the permission of an administrator."
            return _to_program(query, {**answer, "error": "access_denied", "error_description": text})
        if query.get("decision") == "cancel":
            text = "AADSTS65004: User declined to consent to access the app."
            return _to_program(query, {**answer, "error": "consent_required", "error_description": text})
        self._consents.grant(person.tenant_id, client.client_id)
        return _to_program(query, {**answer, "scope": query.get("scope", "")})

    def device(self, address: str, query: Query) -> Response:
        """Sign in for a device: the code first, then the person."""
        user_code = query.get("user_code", "")
        if not user_code:
            return pages.ask_code()
        device = self._sign_ins.waiting(user_code)
        if device is None:
            return pages.refused(invalid_request(70019, "The code is unknown, used or expired."))
        try:
            person = self._person(device.segment, query)
        except Refused as refusal:
            return pages.refused(refusal)
        if person is None:
            return pages.choose(self._people.of(device.segment), address, query)
        device.person = person
        return pages.done(person)

    def _checked_client(self, segment: str, query: Query) -> Registration:
        """The program, if the answer may go where it asks and the tenant exists. Raises: `Refused`."""
        client = self._clients.find(query)
        if not client.accepts_redirect(query.get("redirect_uri", "")):
            raise invalid_request(50011, "The redirect URI does not match those of the application.")
        if segment not in ANY_TENANT and self._people.tenant_id(segment) is None:
            raise invalid_request(90002, f"Tenant '{segment}' not found.")
        return client

    def _agree(self, person: Person, client: Registration, asked: Asked, *, prompted: bool) -> None:
        """Who goes on agrees for themselves; on `prompt=consent` also to what the API asks of Graph."""
        resource = self._known[asked.audience]
        if client.client_id not in resource.preauthorized:
            self._consents.grant_person(person, client.client_id)
        if prompted and client.client_id in resource.known_clients:
            self._consents.grant_person(person, resource.client_id)

    def _person(self, segment: str, query: Query) -> Person | None:
        """Whom the request names; None if it names nobody. Raises: `Refused`."""
        login = query.get("login_hint", "")
        if not login:
            if query.get("prompt") == "none":
                raise Refused(
                    "login_required", 50058, "A silent sign-in was asked for, but nobody is signed in."
                )
            return None
        person = self._people.find(login)
        if person is None:
            raise invalid_request(50034, "The user account does not exist in the directory.")
        if person not in self._people.of(segment):
            raise invalid_request(50020, "The account does not exist in the tenant.")
        return person


def _check_query(query: Query) -> None:
    if query.get("response_type") != "code":
        raise Refused("unsupported_response_type", 70005, "The response_type must be 'code'.")
    if query.get("response_mode", "query") not in _MODES:
        raise invalid_request(900144, "The response_mode is not supported.")
    if query.get("code_challenge_method") != "S256" or not is_challenge(query.get("code_challenge", "")):
        raise invalid_request(9002325, "Proof Key for Code Exchange is required, with the method S256.")
    if not query.get("scope"):
        raise invalid_request(900144, "The request must contain the parameter 'scope'.")


def _to_program(query: Query, values: Mapping[str, str]) -> Response:
    """Send the answer the way that was asked for, with the state that came."""
    answer = {**values, **({"state": query["state"]} if "state" in query else {})}
    redirect_uri = query["redirect_uri"]
    mode = query.get("response_mode", "query")
    if mode == "form_post":
        return pages.hand_over(redirect_uri, answer)
    mark = "#" if mode == "fragment" else "&" if "?" in redirect_uri else "?"
    return RedirectResponse(
        f"{redirect_uri}{mark}{urlencode(answer)}", status_code=302, headers={"Cache-Control": "no-store"}
    )
