"""JSON as it is kept: sealed, and bound to the place it was sealed for."""

import json
from collections.abc import Mapping
from typing import Any

from app.core.crypto import Place, Sealed, Sealer


def open_json(sealer: Sealer, place: Place, sealed: Sealed | None) -> Mapping[str, Any]:
    """What was sealed; nothing where nothing was. Raises: `SealBroken`."""
    if sealed is None:
        return {}
    value: Mapping[str, Any] = json.loads(sealer.open(place, sealed))
    return value


def seal_json(sealer: Sealer, place: Place, value: Mapping[str, Any]) -> Sealed:
    """Seal a value for a place."""
    return sealer.seal(place, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
