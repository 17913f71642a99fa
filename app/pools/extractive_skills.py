"""What a member without a model can do: choose among sentences that are there, in their own words.

Asked before such a member is chosen (`selection`) and by the member itself (`llm.providers.extractive`).
"""

from collections.abc import Mapping
from typing import Any

SKILLS = frozenset({"summarize", "extract_actions"})
"""Task types that need no writer."""
NEEDS_A_WRITER = ("audience", "focus", "tone", "instruction")
"""Parameters that no chosen sentence can follow."""


def unskilled(task_type: str, parameters: Mapping[str, Any]) -> str | None:
    """What asks for a writer: the task type's name or a parameter's; None if nothing does."""
    if task_type not in SKILLS:
        return task_type
    return next((name for name in NEEDS_A_WRITER if parameters.get(name)), None)
