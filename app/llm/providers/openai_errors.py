"""Every error of the OpenAI client, translated into the one tree."""

import httpx2
import openai

from app.llm.errors import ContentFiltered, ProviderError, Truncated
from app.llm.providers.statuses import from_status, from_transport, inside_a_stream
from app.llm.types import TokenUsage

ERRORS = (openai.OpenAIError, httpx2.HTTPError)


def translate(error: Exception) -> ProviderError:
    """The error of our tree. Its message says nothing of the request's content, nor of the vendor's words."""
    match error:
        case openai.LengthFinishReasonError():
            counted = error.completion.usage
            usage = None if counted is None else TokenUsage(counted.prompt_tokens, counted.completion_tokens)
            return Truncated("the answer was cut off at its length limit", usage=usage)
        case openai.ContentFilterFinishReasonError():
            # The client throws away what the vendor counted until then.
            return ContentFiltered("the vendor's filter stopped the answer", may_cost=True)
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
