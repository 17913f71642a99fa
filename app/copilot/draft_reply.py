"""draft_reply: an answer to a mail thread, saying what the member intends."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.copilot.drafting import RESULT, Drafting
from app.copilot.house_wording import StyleGuide
from app.copilot.reading_task import Read, ReadingTask
from app.copilot.types import Inputs, Outcome, StepContext, TaskType


class DraftReplyParameters(BaseModel):
    """What the reply is to say, and how."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    intent: str = Field(min_length=1, max_length=2_000)
    tone: Literal["formal", "friendly", "concise", "persuasive", "simple", "neutral"] | None = None
    length: Literal["short", "medium", "long"] = "short"
    language: str | None = Field(None, pattern=r"^[a-z]{2}$")
    style_guide: StyleGuide = None

    @property
    def wish(self) -> str:
        """What the text is to say."""
        return self.intent


def _binding(parameters: DraftReplyParameters, *, is_final: bool) -> Mapping[str, Any]:
    del is_final
    return {"instruction": parameters.intent}


async def _finish(context: StepContext, read: Read) -> Outcome:
    return await _DRAFTING.write(context, _READING.parameters_of(context), read)


_DRAFTING = Drafting(
    name="draft_reply",
    prompts=lambda parameters: ("final", "instruction", *(["tone"] if parameters.tone else [])),
    values=lambda parameters: {"instruction": parameters.intent, "tone": parameters.tone or ""},
)
_READING = ReadingTask(
    name="draft_reply", parameters=DraftReplyParameters, most=lambda _: 12, finish=_finish, binding=_binding
)
TASK_TYPE = TaskType(
    name="draft_reply",
    title={"en": "Draft a reply", "de": "Antwort entwerfen"},
    description={
        "en": "A reply to a mail or thread that says what you intend.",
        "de": "Eine Antwort auf eine Mail oder einen Verlauf, die sagt, was Sie vorhaben.",
    },
    parameters=DraftReplyParameters,
    inputs=Inputs(),
    result=RESULT,
    first_step=_READING.first_step,
    run=_READING.run,
    work=_READING.work,
)
