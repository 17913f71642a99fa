"""A price is refused where its column ends, and not by the database."""

import pytest
from pydantic import ValidationError

from app.portal.deployment_schemas import PriceFields


def test_a_price_that_no_column_holds_is_refused() -> None:
    prices = {"input_micros": 1, "cached_input_micros": 1, "output_micros": 1, "reasoning_micros": 2**31 - 1}
    PriceFields.model_validate({"currency": "EUR", **prices})
    for name in prices:
        with pytest.raises(ValidationError, match=name):
            PriceFields.model_validate({"currency": "EUR", **prices, name: 2**31})
