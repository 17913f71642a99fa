"""Asking the pool about a reading: the request, the prompts of whoever answers, the checks of the answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from string import Template
from typing import Any

from app.copilot.checks import Band, check_language, check_shape, check_single_sentences, check_support
from app.copilot.citations import Claim, Claims, Field, claims_schema, verify_claims
from app.copilot.narrow import narrow_schema
from app.copilot.prompt_guard import PromptGuard
from app.copilot.reading import Reading
from app.copilot.types import Verify
from app.copilot.work import PROMPT_TOKENS
from app.llm.types import Message, ModelRequest, ModelResult, Render
from app.vocabulary import StepKind

_TOKENS_PER_SENTENCE = 110
_OPTIONAL = ("audience", "focus", "instruction")


@dataclass(frozen=True)
class Question:
    """What is asked about a reading."""

    task_type: str
    kind: StepKind
    prompt: str
    """Name of the prompt for this step in the prompt set."""
    sentences: int
    """The most there may be."""
    language: str
    """Of the answer."""
    source_language: str
    """Of the text that is read; `und` when unknown."""
    parameters: Mapping[str, Any]
    """Only what binds the answer: pools excludes members that cannot follow one of them."""
    least_sentences: int = 1
    """0 where an answer without sentences says that there is nothing."""
    values: Mapping[str, str] = field(default_factory=dict)
    """For the prompts' places, beside the parameters: what every member can follow."""
    fields: tuple[Field, ...] = ()
    check: "Check | None" = None

    @property
    def translated(self) -> bool:
        """Whether the answer is in another language than the text."""
        return "und" not in {self.language, self.source_language} and self.language != self.source_language


Check = Callable[[Sequence[Claim], Question], None]
"""A task type's own check. Raises: InvalidOutput."""


def ask(question: Question, reading: Reading) -> tuple[ModelRequest, Verify]:
    """The request, and the check that turns its answer into `Claims`."""
    guard = PromptGuard()
    request = ModelRequest(
        task_type=question.task_type,
        step_kind=question.kind,
        blocks=reading.blocks,
        parameters=question.parameters,
        language=question.language,
        render=_render(question, reading, guard),
        response_schema=claims_schema(
            [block.id for block in reading.blocks],
            most=question.sentences,
            fields=question.fields,
            least=question.least_sentences,
        ),
        narrow_schema=_narrow_schema(question, reading),
        input_tokens_estimate=reading.tokens() + PROMPT_TOKENS,
        max_output_tokens=answer_tokens(question.sentences, question.language),
        said={
            "prompt": question.prompt,
            "sentences": question.sentences,
            "values": dict(question.values),
            **reading.said,
        },
    )
    return request, _verify(question, reading, guard)


def _narrow_schema(question: Question, reading: Reading) -> Mapping[str, Any] | None:
    """None for what the smallest models cannot do anyhow."""
    if question.fields or not question.least_sentences:
        return None
    return narrow_schema(reading.evidence, most=question.sentences, language=question.source_language)


def answer_tokens(sentences: int, language: str) -> int:
    """The most tokens that an answer of so many sentences costs; tokenisers serve English best."""
    return 100 + sentences * _TOKENS_PER_SENTENCE * (1 if language == "en" else 2)


def _render(question: Question, reading: Reading, guard: PromptGuard) -> Render:
    values = {
        "mark": reading.mark,
        "sentences": str(question.sentences),
        "language": "the document's own" if question.language == "und" else question.language,
        **{name: str(value) for name, value in question.parameters.items()},
        **question.values,
    }
    optional = [name for name in _OPTIONAL if question.parameters.get(name)]

    def render(prompts: Mapping[str, str]) -> Sequence[Message]:
        names = ["system", question.prompt, *optional, "rules"]
        guard.told(prompts[name] for name in names)
        system = "\n".join(Template(prompts[name]).safe_substitute(values) for name in names)
        document = reading.render(between_words=prompts.get("datamark") != "blocks")
        user = Template(prompts["user"]).safe_substitute(document=document)
        return (Message("system", system), *_example(prompts), Message("user", user))

    return render


def _example(prompts: Mapping[str, str]) -> Sequence[Message]:
    """A turn that shows how: the smallest models follow one, and copy an example out of instructions."""
    if "example" not in prompts:
        return ()
    return (Message("user", prompts["example"]), Message("assistant", prompts["example_answer"]))


def _verify(question: Question, reading: Reading, guard: PromptGuard) -> Verify:
    def verify(result: ModelResult) -> Claims:
        found = verify_claims(
            reading.unmarked(result.text),
            reading.evidence,
            fields=question.fields,
            may_be_empty=not question.least_sentences,
        )
        claims = found.claims
        if result.method == "extractive":
            # Each is the quote that was just found: figures, names, language and length are the author's.
            check_shape(claims, Band(1, question.sentences, 700 * question.sentences))
            return found
        check_shape(
            claims, Band(question.least_sentences, question.sentences, 250 + 350 * question.sentences)
        )
        guard.check(
            "\n".join(claim.text for claim in claims), "\n".join(each.support for each in reading.evidence)
        )
        check_single_sentences(claims, question.language)
        check_language(" ".join(claim.text for claim in claims), question.language)
        check_support(claims, language=question.language, translated=question.translated)
        if question.check is not None:
            question.check(claims, question)
        return found

    return verify
