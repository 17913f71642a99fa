"""What a vendor's HTTP status, words and transport errors mean, the same for every vendor."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import httpx2

from app.core.clock import now
from app.llm.errors import (
    BadCredential,
    BadRequest,
    ContentFiltered,
    ContextTooLong,
    Interrupted,
    ProviderError,
    RateLimited,
    TimedOut,
    Unavailable,
)

_TOO_LONG = (
    "context_length",
    "context length",
    "context window",
    "exceed_context",
    "maximum prompt length",
    "prompt is too long",
    "exceeds the maximum number of tokens",
)
_FILTERED = ("content_filter", "content filtering policy", "content management policy")
_BY_STATUS: Mapping[int, tuple[type[ProviderError], str]] = {
    401: (BadCredential, "the vendor refused our key"),
    402: (BadCredential, "the vendor wants to be paid first"),
    403: (BadCredential, "the vendor does not let our key do this"),
    404: (Unavailable, "the vendor does not know the model or the address"),
    408: (TimedOut, "the vendor gave up waiting"),
    413: (ContextTooLong, "the vendor found the request too large"),
    429: (RateLimited, "the vendor asked us to come back later"),
}


def from_status(status: int, *, retry_after: str | None, said: str) -> ProviderError:
    """The error of our tree; `said` is the vendor's own words, which only help to tell errors apart."""
    known = _BY_STATUS.get(status)
    if known is not None:
        kind, message = known
    elif status >= 500 or 300 <= status < 400:
        kind, message = Unavailable, f"the vendor answered {status}"
    elif too_long(said):
        return ContextTooLong("the input does not fit the model", status=status)
    else:
        filtered = any(sign in said.lower() for sign in _FILTERED)
        kind = ContentFiltered if filtered else BadRequest
        message = f"the vendor did not accept the request ({status})"
    return kind(message, retry_after_seconds=retry_after_seconds(retry_after), status=status)


def inside_a_stream(said: str) -> ProviderError:
    """An error that came after 200: only the vendor's words say which."""
    if too_long(said):
        return ContextTooLong("the input does not fit the model")
    if "rate_limit" in said.lower():
        return RateLimited("the vendor asked us to come back later")
    return Unavailable("the vendor reported an error in the middle of its answer")


def too_long(said: str) -> bool:
    """Whether a vendor's words mean that the input does not fit the model."""
    lowered = said.lower()
    return any(sign in lowered for sign in _TOO_LONG)


def retry_after_seconds(value: str | None) -> float | None:
    """A Retry-After header, in seconds or as a date; None when there is none that can be read."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - now()).total_seconds())
    except (ValueError, TypeError):
        return None


def from_transport(error: BaseException) -> ProviderError:
    """What the transport said; LangChain and the vendor's client each wrap it once."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, httpx2.HTTPError):
        cause = cause.__cause__
    match cause or error:
        # aiohttp reports a connection that the server dropped as a timed-out connect.
        case httpx2.ConnectTimeout() | httpx2.ConnectError() | httpx2.UnsupportedProtocol():
            return Unavailable("the vendor cannot be reached")
        case httpx2.TimeoutException():
            return TimedOut("the vendor was too slow")
        case httpx2.ReadError() | httpx2.RemoteProtocolError():
            return Interrupted("the connection ended in the middle of the answer")
        case other:
            return Unavailable(f"the connection failed ({type(other).__name__})")
