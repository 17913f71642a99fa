"""What an organisation lays down about words goes into a job's parameters when it is submitted, and stays as it was.

So a step's hash covers it, a later change touches no job under way, and a step needs no further rows.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from app.copilot.errors import InvalidParameters
from app.copilot.types import TaskType
from app.core.crypto import Sealer
from app.core.errors import ErrorDetail
from app.wording.errors import WordingNotFound
from app.wording.service import MOST_GUIDE, WordingKind, find

StyleGuide = Annotated[
    str | None,
    Field(
        max_length=MOST_GUIDE,
    ),
]

Glossaries = Annotated[list[str], Field(max_length=5)]
"""Names of the organisation's glossaries."""


async def with_wording(
    session: AsyncSession, sealer: Sealer, task_type: TaskType, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Checked parameters with the terms of the glossaries that they name, and with the style guide if they bring none.

    Raises: `InvalidParameters`.
    """
    found = dict(parameters)
    fields = task_type.parameters.model_fields
    if found.get("glossaries") and "terms" in fields:
        every = [one for terms in await _glossaries(session, sealer, task_type.name, found) for one in terms]
        sides = [side for one in every for side in (one["source"], one["target"])]
        found["terms"] = list(dict.fromkeys([*found.get("terms", ()), *sides]))
    elif found.get("glossaries"):
        found["glossary"] = await _terms(session, sealer, task_type.name, found)
    if "style_guide" in fields and "style_guide" not in found:
        try:
            guide = await find(session, sealer, WordingKind.STYLE_GUIDE)
        except WordingNotFound:
            return found
        found["style_guide"] = guide.body["text"]
    return found


async def _terms(
    session: AsyncSession, sealer: Sealer, task_type: str, parameters: Mapping[str, Any]
) -> list[Mapping[str, str]]:
    """The member's own terms, then those of the glossaries in the order named; the first of a source counts."""
    terms = {one["source"].casefold(): one for one in parameters.get("glossary", ())}
    for glossary in await _glossaries(session, sealer, task_type, parameters):
        for one in glossary:
            terms.setdefault(one["source"].casefold(), one)
    return list(terms.values())


async def _glossaries(
    session: AsyncSession, sealer: Sealer, task_type: str, parameters: Mapping[str, Any]
) -> list[Sequence[Mapping[str, str]]]:
    """The terms of each glossary that is named; of a translation's, those into its language alone."""
    found: list[Sequence[Mapping[str, str]]] = []
    for position, name in enumerate(parameters["glossaries"]):
        place = f"parameters.glossaries.{position}"
        try:
            glossary = (await find(session, sealer, WordingKind.GLOSSARY, name)).body
        except WordingNotFound as error:
            raise InvalidParameters(task_type, [ErrorDetail(error.code, error.message, place)]) from None
        if parameters.get("language", glossary["language"]) != glossary["language"]:
            told = f"The glossary is for translations into {glossary['language']}."
            raise InvalidParameters(task_type, [ErrorDetail("wrong_language", told, place)])
        found.append(glossary["terms"])
    return found
