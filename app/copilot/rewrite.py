"""rewrite: a text in another tone, longer, shorter, or as the member says, its formatting kept."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.copilot.checks import check_language, check_plain
from app.copilot.house_wording import StyleGuide
from app.copilot.json_asking import text_of
from app.copilot.parts import Part, PartsQuestion, ask_parts, written_tokens
from app.copilot.stepwise import Answered, Joined, StepwiseTask
from app.copilot.types import Inputs, Outcome, StepContext, TaskType
from app.copilot.writing_checks import Rewriting, check_figures, check_length, check_names
from app.copilot.written import (
    Output,
    check_formatting,
    take_written,
    write_result,
    written_item,
    written_result,
)
from app.documents.tags import Answer
from app.llm.errors import InvalidOutput

_BANDS = {None: (0.2, 4.0), "shorter": (0.1, 1.0), "longer": (0.9, 6.0)}


class RewriteParameters(BaseModel):
    """How the text should be; at least one of these."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    tone: Literal["formal", "friendly", "concise", "persuasive", "simple", "confident", "neutral"] | None = (
        None
    )
    length: Literal["shorter", "longer"] | None = None
    instruction: str | None = Field(None, min_length=1, max_length=500)
    output: Output = "text"
    style_guide: StyleGuide = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "RewriteParameters":
        if not (self.tone or self.length or self.instruction):
            raise ValueError("say at least one of tone, length and instruction")
        return self


async def _answer(context: StepContext, parameters: RewriteParameters, parts: Sequence[Part]) -> Answered:
    least, most = _BANDS[parameters.length]
    languages = Rewriting(context.language, context.language, parameters.instruction or "", may_merge=True)

    def take(part: Part, answer: Mapping[str, Any]) -> Answer:
        written = take_written(part, text_of(answer["text"]))
        source, target, where = part.text, written.text, part.id
        check_length(source, target, least, most, where)
        check_figures(source, target, languages, where)
        check_names(source, target, context.language, where)
        check_plain(target, source, where)
        return written

    def check(answers: Sequence[Answer]) -> None:
        check_language(" ".join(answer.text for answer in answers), context.language)
        check_formatting(parts, answers)
        change = sum(len(answer.text) for answer in answers) - sum(len(part.text) for part in parts)
        if (parameters.length == "shorter" and change >= 0) or (
            parameters.length == "longer" and change <= 0
        ):
            raise InvalidOutput(f"wrong_length: the answer is not {parameters.length} than the text")

    wishes = [name for name in ("tone", "length", "instruction", "style_guide") if getattr(parameters, name)]
    question = PartsQuestion(
        task_type="rewrite",
        prompts=("system", *wishes, "rules"),
        fields={"text": {"type": "string"}},
        language=context.language,
        values={name: str(getattr(parameters, name)) for name in wishes},
        output_tokens=written_tokens(parts, times=6 if parameters.length == "longer" else 3),
    )
    answers, method = await ask_parts(context, question, parts, take, check)
    return Answered([written_item(part, answer) for part, answer in zip(parts, answers, strict=True)], method)


def _finish(context: StepContext, parameters: RewriteParameters, joined: Joined) -> Outcome:
    return write_result(
        context, joined, output=parameters.output, language=context.language, mark="rewritten"
    )


_REWRITING = StepwiseTask("rewrite", RewriteParameters, _answer, _finish)
TASK_TYPE = TaskType(
    name="rewrite",
    title={"en": "Rewrite", "de": "Umschreiben"},
    description={
        "en": "The text in another tone, shorter, longer or as you say; figures, names and formatting stay.",
        "de": "Der Text in anderem Ton, kürzer, länger oder wie Sie sagen; Zahlen, Namen und Formatierung bleiben.",
    },
    parameters=RewriteParameters,
    inputs=Inputs(),
    result=written_result(),
    first_step=_REWRITING.first_step,
    run=_REWRITING.run,
    work=_REWRITING.work,
)
