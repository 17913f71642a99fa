"""What a call costs: integer micros, rounded up, from the price revision that counted when it was made."""

from typing import Protocol

from app.pools.values import Price


class TokenCounts(Protocol):
    """Tokens as a vendor counted them; cached is part of input, reasoning part of output."""

    @property
    def input_tokens(self) -> int:
        """Tokens of the input."""

    @property
    def output_tokens(self) -> int:
        """Tokens of the answer."""

    @property
    def cached_input_tokens(self) -> int:
        """Tokens of the input that the vendor had in its cache."""

    @property
    def reasoning_tokens(self) -> int:
        """Tokens of the answer that were thought and not said."""


def cost_micros(usage: TokenCounts, price: Price | None) -> int:
    """The cost of a call; nothing where no price is known."""
    if price is None:
        return 0
    return price.cost_micros(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        reasoning_tokens=usage.reasoning_tokens,
    )
