"""Every error of the OpenAI client and its transport, translated into the one tree."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import openai

from app.core.clock import now
from app.llm.errors import (
    BadCredential,
    BadRequest,
    ContentFiltered,
    ContextTooLong,
    ProviderError,
    RateLimited,
    TimedOut,
    Truncated,
    Unavailable,
)
from app.llm.types import TokenUsage

_TOO_LONG = ("context_length", "context length", "context window", "exceed_context", "prompt is too long")
_BY_STATUS: Mapping[int, tuple[type[ProviderError], str]] = {
    401: (BadCredential, "the vendor refused our key"),
    403: (BadCredential, "the vendor does not let our key do this"),
    404: (Unavailable, "the vendor does not know the model or the address"),
    408: (TimedOut, "the vendor gave up waiting"),
    413: (ContextTooLong, "the vendor found the request too large"),
    429: (RateLimited, "the vendor asked us to come back later"),
}


def translate(error: Exception) -> ProviderError:
    """The error of our tree. Its message says nothing of the request's content, nor of the vendor's words."""
    match error:
        case openai.LengthFinishReasonError():
            usage = _usage(error.completion.usage)
            return Truncated("the answer was cut off at its length limit", usage=usage)
        case openai.ContentFilterFinishReasonError():
            return ContentFiltered("the vendor's filter stopped the answer")
        case openai.APIStatusError():
            return _from_status(error)
        case openai.APIConnectionError():
            return _from_transport(_transport_error(error))
        case openai.APIError():
            # Inside a stream that began with 200.
            return _too_long(error) or Unavailable("the vendor reported an error in the middle of its answer")
        case _:
            return _from_transport(error)


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


def _from_status(error: openai.APIStatusError) -> ProviderError:
    status = error.status_code
    retry_after = retry_after_seconds(error.response.headers.get("retry-after"))
    known = _BY_STATUS.get(status)
    if known is not None:
        kind, message = known
    elif status >= 500 or 300 <= status < 400:
        kind, message = Unavailable, f"the vendor answered {status}"
    else:
        long = _too_long(error)
        if long is not None:
            return long
        filtered = "content_filter" in str(error.code or "") or "content_filter" in str(error.body or "")
        kind = ContentFiltered if filtered else BadRequest
        message = f"the vendor did not accept the request ({status})"
    return kind(message, retry_after_seconds=retry_after, status=status)


def _too_long(error: openai.APIError) -> ProviderError | None:
    said = f"{error.code or ''} {error.message}".lower()
    if any(sign in said for sign in _TOO_LONG):
        return ContextTooLong("the input does not fit the model")
    return None


def _transport_error(error: BaseException) -> BaseException:
    """What the transport said; LangChain and the client each wrap it once."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, httpx2.HTTPError):
        cause = cause.__cause__
    return cause or error


def _from_transport(error: BaseException) -> ProviderError:
    match error:
        # aiohttp reports a connection that the server dropped as a timed-out connect.
        case httpx2.ConnectTimeout() | httpx2.ConnectError() | httpx2.UnsupportedProtocol():
            return Unavailable("the vendor cannot be reached")
        case httpx2.TimeoutException():
            return TimedOut("the vendor was too slow")
        case httpx2.ReadError() | httpx2.RemoteProtocolError():
            return Truncated("the connection ended in the middle of the answer")
        case _:
            return Unavailable(f"the connection failed ({type(error).__name__})")


def _usage(counted: Any) -> TokenUsage | None:
    if counted is None:
        return None
    return TokenUsage(input_tokens=counted.prompt_tokens, output_tokens=counted.completion_tokens)
