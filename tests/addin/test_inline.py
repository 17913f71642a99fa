"""The shape of what the pane sends itself."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.addin.schemas import JobInput

SEGMENT = {"client_ref": "p1", "text": "Pay now"}


@pytest.mark.parametrize(
    "right",
    [
        {"segments": [SEGMENT]},
        {"segments": [{**SEGMENT, "runs": [{"text": "Pay "}, {"text": "now", "tag": 1}]}]},
        {"segments": [{**SEGMENT, "runs": [{"text": "Pay now"}, {"text": "", "tag": 1, "kind": "note"}]}]},
        {"cells": {"a1": "B2", "values": [["Month", "Sum"], ["May", 1.5], [None, True]]}},
    ],
)
def test_segments_and_cells_are_taken(right: dict[str, Any]) -> None:
    assert JobInput.model_validate(right).model_dump(exclude_unset=True) == right


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"segments": [SEGMENT], "text": "x"}, "only one of"),
        ({"segments": [SEGMENT], "cells": {"values": [[1]]}}, "only one of"),
        ({"segments": [SEGMENT, SEGMENT]}, "used twice"),
        ({"segments": [{**SEGMENT, "runs": [{"text": "Pay"}]}]}, "not the text"),
        ({"segments": [{**SEGMENT, "runs": [{"text": "Pay now", "kind": "tab"}]}]}, "tag of its own"),
        ({"segments": [{"client_ref": f"p{i}", "text": "x" * 100_000} for i in range(11)]}, "characters"),
        ({"cells": {"values": [[1] * 50_001]}}, "more than 50000 cells"),
        ({"cells": {"a1": "A1:B2", "values": [[1]]}}, "pattern"),
        ({"cells": {"values": [[float("nan")]]}}, "finite"),
        ({"cells": {"values": [[{"a": 1}]]}}, "valid"),
    ],
)
def test_what_is_ambiguous_or_too_much_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        JobInput.model_validate(wrong)
