"""Every error of the OpenAI client, translated into the one tree."""

import httpx2
import openai

from app.llm.errors import ProviderError
from app.llm.providers.statuses import from_status, from_transport, inside_a_stream

ERRORS = (openai.OpenAIError, httpx2.HTTPError)


def translate(error: Exception) -> ProviderError:
    """The error of our tree. Its message says nothing of the request's content, nor of the vendor's words."""
    match error:
        case openai.APIStatusError():
            return from_status(
                error.status_code,
                retry_after=error.response.headers.get("retry-after"),
                said=f"{error.code or ''} {error.message} {error.body or ''}",
            )
        case openai.APIConnectionError():
            return from_transport(error)
        case openai.APIError():
            return inside_a_stream(f"{error.code or ''} {error.type or ''} {error.message}")
        case _:
            return from_transport(error)
