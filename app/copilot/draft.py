"""draft: a text after an instruction, with reference documents or without."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.copilot.drafting import RESULT, Drafting
from app.copilot.house_wording import StyleGuide
from app.copilot.reading_task import Read, ReadingTask
from app.copilot.types import Inputs, Outcome, StepContext, TaskType


class DraftParameters(BaseModel):
    """What to write, and how."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    instruction: str = Field(min_length=1, max_length=4_000)
    kind: Literal["text", "email", "letter", "memo", "report", "announcement", "agenda"] = "text"
    tone: Literal["formal", "friendly", "concise", "persuasive", "simple", "neutral"] | None = None
    length: Literal["short", "medium", "long"] = "medium"
    language: str | None = Field(None, pattern=r"^[a-z]{2}$")
    style_guide: StyleGuide = None

    @property
    def wish(self) -> str:
        """What the text is to say."""
        return self.instruction


def _binding(parameters: DraftParameters, *, is_final: bool) -> Mapping[str, Any]:
    del is_final
    return {"instruction": parameters.instruction}


async def _finish(context: StepContext, read: Read) -> Outcome:
    return await _DRAFTING.write(context, _READING.parameters_of(context), read)


_DRAFTING = Drafting(
    name="draft",
    prompts=lambda parameters: ("final", "instruction", *(["tone"] if parameters.tone else [])),
    values=lambda parameters: {
        "instruction": parameters.instruction,
        "kind": parameters.kind,
        "tone": parameters.tone or "",
    },
)
_READING = ReadingTask(
    name="draft", parameters=DraftParameters, most=lambda _: 20, finish=_finish, binding=_binding
)
TASK_TYPE = TaskType(
    name="draft",
    title={"en": "Draft", "de": "Entwerfen"},
    description={
        "en": "A first version of a text as you describe it, from your documents or without any.",
        "de": "Eine erste Fassung eines Textes, wie Sie ihn beschreiben, aus Ihren Dokumenten oder ohne.",
    },
    parameters=DraftParameters,
    inputs=Inputs(least=0, most=10),
    result=RESULT,
    first_step=_READING.first_step,
    run=_DRAFTING.or_alone(_READING.run, _READING.parameters_of),
    work=_READING.work,
)
