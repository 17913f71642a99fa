"""How much text a pool takes at once. Loads no vendor client, so that the API can ask as well."""

from app.pools.values import RevisionFacts
from app.vocabulary import MemberPurpose, ProviderKind

EXTRACTIVE_CONTEXT_TOKENS = 8192
"""What one request holds when only extractive members serve: no window binds them, only patience."""


def context_tokens(revision: RevisionFacts) -> int:
    """The largest input, in tokens, that a generative member of the pool takes in one request."""
    windows = [
        member.deployment.context_window - member.deployment.max_output_tokens
        for member in revision.members
        if member.purpose == MemberPurpose.SERVING
        and member.deployment.provider.kind != ProviderKind.EXTRACTIVE
    ]
    return max(windows, default=EXTRACTIVE_CONTEXT_TOKENS)
