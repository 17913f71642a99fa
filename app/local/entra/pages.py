"""The few pages a person sees: choose who you are, hand the code to the program, done, refused."""

from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import urlencode

from starlette.responses import HTMLResponse

from app.local.entra.errors import Refused
from app.local.entra.people import Person

_HEADERS = {"Cache-Control": "no-store", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"}
_STYLE = "body{font:16px system-ui;max-width:34em;margin:10vh auto;padding:0 1em}li{margin:.6em 0}"


def choose(people: Sequence[Person], address: str, query: Mapping[str, str]) -> HTMLResponse:
    """A list of people; each link is the same request with that person's login."""
    links = [f"{address}?{urlencode({**query, 'login_hint': one.login})}" for one in people]
    entries = "".join(
        f'<li><a href="{escape(link)}">'
        f"{escape(one.name)}</a> · {escape(one.login)} · {escape(one.role)} of {escape(one.tenant)}</li>"
        for one, link in zip(people, links, strict=True)
    )
    return _page(
        "Choose a person", f"<p>This is the development Entra: no password is asked.</p><ul>{entries}</ul>"
    )


def hand_over(redirect_uri: str, values: Mapping[str, str]) -> HTMLResponse:
    """A form that sends itself to the program (`response_mode=form_post`)."""
    fields = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in values.items()
    )
    return _page(
        "Signing in",
        f'<form method="post" action="{escape(redirect_uri)}">{fields}<button>Continue</button></form>'
        "<script>document.forms[0].submit()</script>",
    )


def ask_code() -> HTMLResponse:
    """Where a person types what the device shows."""
    return _page("Enter the code", '<form><input name="user_code" autofocus><button>Next</button></form>')


def done(person: Person) -> HTMLResponse:
    """The device goes on by itself."""
    return _page("Signed in", f"<p>Signed in as {escape(person.name)}. You can close this page.</p>")


def signed_out() -> HTMLResponse:
    """There was nothing to end."""
    return _page("Signed out", "<p>You can close this page.</p>")


def refused(refusal: Refused) -> HTMLResponse:
    """A refusal that must not be sent to a redirect address that nobody has checked."""
    return _page("Sorry, this does not work", f"<p>{escape(refusal.description)}</p>", status=refusal.status)


def _page(title: str, body: str, *, status: int = 200) -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style><h1>{title}</h1>{body}</html>",
        status_code=status,
        headers=_HEADERS,
    )
