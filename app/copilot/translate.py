"""translate: a text or document in another language, its formatting kept, by the member's glossary."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.copilot.checks import check_language, check_plain
from app.copilot.house_wording import Glossaries
from app.copilot.json_asking import text_of
from app.copilot.parts import Part, PartsQuestion, ask_parts, written_tokens
from app.copilot.stepwise import Answered, Joined, StepwiseTask
from app.copilot.types import Inputs, Outcome, StepContext, TaskType
from app.copilot.writing_checks import Rewriting, check_figures, check_kept_names, check_length, has_term
from app.copilot.written import (
    Output,
    check_formatting,
    take_written,
    write_result,
    written_item,
    written_result,
)
from app.documents.segments import Segment
from app.documents.tags import Answer
from app.llm.errors import InvalidOutput
from app.vocabulary import SegmentKind

_ASIDE = frozenset({SegmentKind.HEADER, SegmentKind.FOOTNOTE, SegmentKind.COMMENT, SegmentKind.NOTES})
_DENSE = frozenset({"zh", "ja", "ko"})
"""Languages of a few characters for a sentence."""
_INFORMAL_GERMAN = re.compile(r"\b(?:du|dir|dich|dein(?:e[mnrs]?)?|euch|euer)\b", re.IGNORECASE)
_FORMAL_GERMAN = re.compile(r"(?<=[a-zäöüß,;] )(?:Sie|Ihnen|Ihr(?:e[mnrs]?)?)\b")


class Term(BaseModel):
    """A word or phrase and how it is to be translated."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    source: str = Field(min_length=1, max_length=100, pattern=r"^[^\n\r]*$")
    target: str = Field(min_length=1, max_length=100, pattern=r"^[^\n\r]*$")


class TranslateParameters(BaseModel):
    """Into which language, and how."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    language: str = Field(pattern=r"^[a-z]{2}$")
    source: str | None = Field(None, pattern=r"^[a-z]{2}$")
    glossary: list[Term] = Field(default_factory=list, max_length=3_000)
    glossaries: Glossaries = Field(
        default_factory=list,
    )
    formality: Literal["default", "formal", "informal"] = "default"
    scope: Literal["all", "body"] = Field("all")
    output: Output = "text"


async def _answer(context: StepContext, parameters: TranslateParameters, parts: Sequence[Part]) -> Answered:
    source_language = parameters.source or context.language
    least, most = _band(source_language, parameters.language)
    terms = [term for term in parameters.glossary if any(_occurs(term.source, part.text) for part in parts)]

    def take(part: Part, answer: Mapping[str, Any]) -> Answer:
        written = take_written(part, text_of(answer["text"]))
        source, target, where = part.text, written.text, part.id
        check_length(source, target, least, most, where)
        wanted = [term for term in terms if _occurs(term.source, source)]
        targets = " ".join(term.target for term in wanted)
        check_figures(source, target, Rewriting(source_language, parameters.language, targets), where)
        check_kept_names(_without([term.source for term in wanted], source), target, where)
        check_plain(target, f"{source}\n{targets}", where)
        if any(not has_term(term.target, target) for term in wanted):
            raise InvalidOutput(f"missing_term: {where} does not use a term of the glossary")
        return written

    def check(answers: Sequence[Answer]) -> None:
        text = " ".join(answer.text for answer in answers)
        check_language(text, parameters.language)
        _check_formality(text, parameters)
        check_formatting(parts, answers)

    asked = ["system", *(["formality"] if parameters.formality != "default" else [])]
    question = PartsQuestion(
        task_type="translate",
        prompts=(*asked, *(["glossary"] if terms else []), "rules"),
        fields={"text": {"type": "string"}},
        language=parameters.language,
        values={
            "source": "to be found out" if source_language == "und" else source_language,
            "formality": parameters.formality,
            "glossary": "\n".join(f"{term.source} = {term.target}" for term in terms),
        },
        output_tokens=written_tokens(parts),
    )
    answers, method = await ask_parts(context, question, parts, take, check)
    return Answered([written_item(part, answer) for part, answer in zip(parts, answers, strict=True)], method)


def _finish(context: StepContext, parameters: TranslateParameters, joined: Joined) -> Outcome:
    return write_result(
        context, joined, output=parameters.output, language=parameters.language, mark=parameters.language
    )


def _takes(parameters: TranslateParameters, segments: Sequence[Segment], at: int) -> bool:
    return parameters.scope == "all" or segments[at].kind not in _ASIDE


def _occurs(term: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(term)}(?!\w)", text, re.IGNORECASE) is not None


def _without(terms: Sequence[str], text: str) -> str:
    """The text without what the glossary translates: a name may have another there."""
    for term in terms:
        text = re.sub(re.escape(term), " ", text, flags=re.IGNORECASE)
    return text


def _band(source: str, target: str) -> tuple[float, float]:
    if (source in _DENSE) == (target in _DENSE):
        return 0.3, 3.0
    return (0.1, 2.0) if target in _DENSE else (0.5, 10.0)


def _check_formality(text: str, parameters: TranslateParameters) -> None:
    """Only for German, whose forms of address can be told apart word by word."""
    if parameters.language != "de":
        return
    wrong = {"formal": _INFORMAL_GERMAN, "informal": _FORMAL_GERMAN}.get(parameters.formality)
    if wrong is not None and wrong.search(text):
        raise InvalidOutput(f"wrong_formality: the answer is not {parameters.formality}")


_TRANSLATING = StepwiseTask("translate", TranslateParameters, _answer, _finish, takes=_takes)
TASK_TYPE = TaskType(
    name="translate",
    title={"en": "Translate", "de": "Übersetzen"},
    description={
        "en": "The text or document in another language, by your glossary; figures and formatting stay.",
        "de": "Der Text oder das Dokument in einer anderen Sprache, nach Ihrem Glossar; Zahlen und Formatierung bleiben.",
    },
    parameters=TranslateParameters,
    inputs=Inputs(),
    result=written_result(),
    first_step=_TRANSLATING.first_step,
    run=_TRANSLATING.run,
    work=_TRANSLATING.work,
)
