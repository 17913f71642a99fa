"""Asking the pool for a JSON object that is no list of cited sentences: the request, and reading its answer."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from string import Template
from typing import Any, TypeVar

from app.copilot.datamark import put_marks, remove_from_answer
from app.copilot.prompt_guard import PromptGuard
from app.copilot.types import StepContext
from app.copilot.work import PROMPT_TOKENS
from app.llm.errors import InvalidOutput
from app.llm.types import Block, Message, ModelRequest, ModelResult, Render
from app.vocabulary import SegmentKind

_FENCE = re.compile(r"\s*```(?:json)?\s*\n(.*)\n\s*```\s*\Z", re.DOTALL)
T = TypeVar("T")


@dataclass(frozen=True)
class Shown:
    """Text of the document under an id, as one line or several."""

    id: str
    text: str


@dataclass(frozen=True)
class JsonQuestion:
    """What is asked. `prompts` names those of the prompt set that make the system turn, in order."""

    task_type: str
    prompts: tuple[str, ...]
    properties: Mapping[str, Any]
    """JSON Schema of the answer's fields, all required."""
    language: str
    values: Mapping[str, str]
    """For the prompts' places: what the member asked for, never text of a document."""
    output_tokens: int
    shown: tuple[Shown, ...] = ()
    mark: str = ""
    tokens: int = 0
    """Estimated, of what is shown."""
    parameters: Mapping[str, Any] = field(default_factory=dict)


async def ask_json(
    context: StepContext, question: JsonQuestion, take: Callable[[Mapping[str, Any]], T]
) -> tuple[T, str]:
    """What `take` makes of the answer, and the method. `take` raises `InvalidOutput` for what must not pass."""
    guard = PromptGuard()
    source = "\n".join([*(one.text for one in question.shown), *question.values.values()])

    def verify(result: ModelResult) -> T:
        answer = read_object(remove_from_answer(result.text, question.mark))
        guard.check(json.dumps(answer, ensure_ascii=False), source)
        try:
            return take(answer)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise InvalidOutput("not_the_schema: the answer is not the JSON that was asked for") from None

    answer = await context.call(_request(context, question, guard), verify)
    value: T = answer.value
    return value, answer.result.method


def read_object(text: str) -> Mapping[str, Any]:
    """The JSON object of an answer, fenced or not. Raises: InvalidOutput."""
    fenced = _FENCE.match(text)
    try:
        found = json.loads(fenced.group(1) if fenced else text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidOutput("not_the_schema: the answer is not the JSON that was asked for")
    return found


def text_of(value: object) -> str:
    """A field that is a text. Raises: TypeError."""
    if not isinstance(value, str):
        raise TypeError
    return value


def closed(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object with exactly these fields."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _request(context: StepContext, question: JsonQuestion, guard: PromptGuard) -> ModelRequest:
    return ModelRequest(
        task_type=question.task_type,
        step_kind=context.kind,
        blocks=tuple(Block(one.id, one.text, SegmentKind.PARAGRAPH) for one in question.shown),
        parameters=question.parameters,
        language=question.language,
        render=_render(question, guard),
        response_schema=closed(question.properties),
        input_tokens_estimate=question.tokens + question.tokens // 3 + PROMPT_TOKENS,
        max_output_tokens=question.output_tokens,
        said={"prompts": list(question.prompts), "values": dict(question.values)},
    )


def _render(question: JsonQuestion, guard: PromptGuard) -> Render:
    values = {
        "mark": question.mark,
        "language": "the text's own" if question.language == "und" else question.language,
        **question.values,
    }

    def render(prompts: Mapping[str, str]) -> Sequence[Message]:
        # A tenant's prompt set from before there were style guides has no place for one.
        names = [name for name in question.prompts if name in prompts or name != "style_guide"]
        guard.told(prompts[name] for name in names)
        system = "\n".join(Template(prompts[name]).safe_substitute(values) for name in names)
        document = "\n".join(f"[{one.id}] {_marked(one.text, question.mark)}" for one in question.shown)
        # No vendor takes an empty turn.
        document = document or "(nothing)"
        user = Template(prompts["user"]).safe_substitute({"document": document, **values})
        return (Message("system", system), Message("user", user))

    return render


def _marked(text: str, mark: str) -> str:
    """The text with its marks, none of them inside a tag."""
    marked = put_marks(" ".join(text.split()), mark)
    return re.sub(rf"<{re.escape(mark)}/(g\d{{1,6}})>", r"</\1>", marked)
