"""The assertion of an on-behalf-of request: a token for the API, which the API shows to Entra again."""

from typing import Any

import jwt

from app.local.entra.clients import Form
from app.local.entra.errors import invalid_grant, invalid_request
from app.local.entra.keys import SigningKey
from app.local.entra.people import People, Person
from app.local.entra.registrations import Registration
from app.local.entra.tokens import Tokens, era_of


def read_assertion(form: Form, client: Registration, *, tokens: Tokens, people: People) -> tuple[Person, int]:
    """For whom the API asks, and the era of that sign-in. Raises: `Refused`."""
    for name in ("assertion", "scope"):
        if not form.get(name):
            raise invalid_request(900144, f"The request body must contain the following parameter: '{name}'.")
    if form.get("requested_token_use") != "on_behalf_of":
        raise invalid_request(
            900144, "The request body must contain the following parameter: 'requested_token_use'."
        )
    claims = _believed(form["assertion"], client, tokens)
    if "azp" not in claims:
        raise invalid_grant(240002, "An ID token cannot be used as a jwt-bearer grant.")
    if "scp" not in claims:
        raise invalid_grant(7000114, "Application is not allowed to make application on-behalf-of calls.")
    if claims.get("iss") != tokens.issuer(str(claims.get("tid"))):
        raise invalid_grant(50013, "The assertion's issuer is not this authority.")
    person = people.by_object_id(str(claims["tid"]), str(claims.get("oid")))
    if person is None:
        raise invalid_grant(50034, "The user account does not exist in the directory.")
    return person, era_of(claims)


def _believed(assertion: str, client: Registration, tokens: Tokens) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(
            assertion,
            _key(assertion, tokens).key.public_key(),
            algorithms=["RS256"],
            audience=client.client_id,
            options={"require": ["exp", "aud", "oid", "tid"]},
        )
    except jwt.ExpiredSignatureError:
        raise invalid_grant(500133, "The assertion is not within its valid time range.") from None
    except jwt.InvalidAudienceError:
        raise invalid_grant(
            500131, "The assertion's audience does not match the client that presents it."
        ) from None
    except jwt.PyJWTError:
        raise invalid_grant(50013, "The assertion failed signature validation.") from None
    return claims


def _key(assertion: str, tokens: Tokens) -> SigningKey:
    kid = jwt.get_unverified_header(assertion).get("kid")
    for key in tokens.keys.keys:
        if key.kid == kid:
            return key
    raise jwt.InvalidKeyError
