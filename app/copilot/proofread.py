"""proofread: what is wrong in a text, each found word for word, with what should stand there."""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.copilot.answer_language import language_of_words
from app.copilot.checks import check_plain
from app.copilot.corrections import corrected
from app.copilot.figures import SourceFigures, find_figures
from app.copilot.house_wording import Glossaries
from app.copilot.json_asking import text_of
from app.copilot.names import SourceNames, is_day_misspelt
from app.copilot.parts import Part, PartsQuestion, ask_parts, written_tokens
from app.copilot.result_schemas import COVERAGE, METHODS, MISSING_AT, list_of
from app.copilot.stepwise import Answered, Joined, StepwiseTask, described, place_json
from app.copilot.types import Inputs, Outcome, StepContext, TaskType
from app.copilot.writing_checks import Rewriting, check_figures
from app.copilot.written import FILE, OPERATIONS, new_file, operation_of, operations_json
from app.documents.segments import Run
from app.llm.errors import InvalidOutput

FIND_CHARACTERS = 255
"""The longest text that Word's search takes."""
_KINDS = {
    "minimal": ("spelling", "grammar", "punctuation"),
    "standard": ("spelling", "grammar", "punctuation", "wording", "consistency"),
    "strict": ("spelling", "grammar", "punctuation", "wording", "consistency", "style", "clarity"),
}
_MOST_ISSUES = 40
_TOKENS_PER_ISSUE = 150
_BESIDE = 40
"""Characters beside a correction that it is read with: it may join or cut a number."""


class ProofreadParameters(BaseModel):
    """How much to object to."""

    model_config = ConfigDict(extra="forbid")

    strictness: Literal["minimal", "standard", "strict"] = "standard"
    output: Literal["issues", "operations", "file"] = "issues"
    terms: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(
        default_factory=list, max_length=6_000
    )
    glossaries: Glossaries = Field(
        default_factory=list,
    )


async def _answer(context: StepContext, parameters: ProofreadParameters, parts: Sequence[Part]) -> Answered:
    kinds = _KINDS[parameters.strictness]
    issue = {
        "type": "object",
        "properties": {
            "find": {"type": "string", "maxLength": FIND_CHARACTERS},
            "occurrence": {"type": "integer", "minimum": 1},
            "suggestion": {"type": "string"},
            "kind": {"type": "string", "enum": list(kinds)},
        },
        "required": ["find", "occurrence", "suggestion", "kind"],
        "additionalProperties": False,
    }

    whole = " ".join(part.text for part in parts)
    language = language_of_words(whole) if context.language == "und" else context.language
    terms = [term for term in parameters.terms if _count(term, whole)]

    def take(part: Part, answer: Mapping[str, Any]) -> list[dict[str, Any] | None]:
        return [_issue(part, one, kinds, language, terms) for one in answer["issues"]]

    def check(found: Sequence[Sequence[object]]) -> None:
        every = [one for each in found for one in each]
        if every.count(None) * 2 > len(every):
            raise InvalidOutput("not_found: most issues are about a text that is not there")

    question = PartsQuestion(
        task_type="proofread",
        prompts=("system", parameters.strictness, "rules"),
        fields={"issues": {"type": "array", "items": issue, "maxItems": _MOST_ISSUES}},
        language=context.language,
        values={"kinds": ", ".join(kinds)},
        output_tokens=written_tokens(parts, times=2) + _TOKENS_PER_ISSUE * len(parts),
        tagged=False,
    )
    found, method = await ask_parts(context, question, parts, take, check)
    every = [one for each in found for one in each]
    kept = _apart([one for one in every if one is not None])
    return Answered(kept, method, {"removed_issues": len(every) - len(kept)})


def _issue(
    part: Part, answer: Mapping[str, Any], kinds: Sequence[str], language: str, terms: Sequence[str]
) -> dict[str, Any] | None:
    """An issue at its place in the segment; None if its text does not occur so often. Raises: InvalidOutput."""
    find, suggestion = text_of(answer["find"]), text_of(answer["suggestion"])
    nth = int(answer["occurrence"])
    if answer["kind"] not in kinds:
        raise InvalidOutput(f"wrong_kind: {part.id} has an issue of a kind that was not asked for")
    words = [re.escape(word) for word in find.split()]
    matches = list(re.finditer(r"\s+".join(words), part.text)) if words else []
    if not 1 <= nth <= len(matches):
        return None
    at = matches[nth - 1]
    text = at.group()
    if suggestion == text or len(text) > FIND_CHARACTERS:
        return None
    _check_suggestion(at, suggestion, part, language)
    start = part.piece.start + at.start()
    return {
        "piece": [part.piece.segment, start, start + len(text)],
        "suggestion": suggestion,
        "kind": answer["kind"],
        "changes": _changes(at, suggestion, language, terms),
    }


def _changes(at: re.Match[str], suggestion: str, language: str, terms: Sequence[str]) -> str | None:
    """What a correction changes that may be right as it is: a `term`, a `name`, or nothing of the kind."""
    before, (start, end) = at.string, at.span()
    after = before[:start] + suggestion + before[end:]
    if any(_count(term, after) < _count(term, before) for term in terms):
        return "term"
    if is_day_misspelt(at.group(), suggestion):
        return None
    lost = SourceNames(after, language).misses(before, start, end)
    return (
        "name"
        if lost or SourceNames(before, language).misses(after, start, start + len(suggestion))
        else None
    )


def _count(term: str, text: str) -> int:
    return len(re.findall(rf"(?<!\w){re.escape(term)}(?!\w)", text, re.IGNORECASE))


def _check_suggestion(at: re.Match[str], suggestion: str, part: Part, language: str) -> None:
    text, where = at.group(), f"an issue of {part.id}"
    left, right = at.string[: at.start()][-_BESIDE:], at.string[at.end() :][:_BESIDE]
    check_figures(left + text + right, left + suggestion + right, Rewriting(language, language), where)
    known = SourceFigures.of(text)
    if any(not known.supports(figure) for figure in find_figures(suggestion)):
        raise InvalidOutput(f"unsupported_figure: {where} has a number its source does not have")
    if len(suggestion) > 3 * len(text) + 60:
        raise InvalidOutput(f"too_long: {where} writes more than it corrects")
    check_plain(suggestion, part.text, where)


def _apart(issues: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """In the order of the text, without those that overlap one before them."""
    found: list[dict[str, Any]] = []
    for issue in sorted(issues, key=lambda one: one["piece"]):
        segment, start, _ = issue["piece"]
        if not found or found[-1]["piece"][0] != segment or found[-1]["piece"][2] <= start:
            found.append(issue)
    return found


def _finish(context: StepContext, parameters: ProofreadParameters, joined: Joined) -> Outcome:
    issues = []
    operations = []
    unapplied = 0
    for at, group in groupby(joined.items, key=lambda item: int(item["piece"][0])):
        segment, own = context.segments[at], list(group)
        for item in own:
            _, start, end = item["piece"]
            find = segment.text[start:end]
            issues.append(
                {
                    **place_json(segment),
                    "find": find,
                    "occurrence": len(re.findall(f"(?={re.escape(find)})", segment.text[:start])) + 1,
                    "suggestion": item["suggestion"],
                    "kind": item["kind"],
                    "changes": item.get("changes"),
                }
            )
        sure = [item for item in own if not item.get("changes")]
        fixed = corrected(segment, sure)
        unapplied += fixed.unapplied + len(own) - len(sure)
        if fixed.runs != (segment.runs or (Run(segment.text),)):
            operations.append((segment, operation_of(segment, fixed.runs, fixed.kept)))
    wanted = parameters.output == "operations"
    told = described(context, joined)
    if unapplied and parameters.output != "issues":
        told["notes"] = {**told["notes"], "unapplied_issues": unapplied}
    result = {
        "issues": issues,
        "operations": operations_json(operations) if wanted else [],
        "file": None,
        "language": context.language,
        **told,
    }
    return Outcome(
        output={},
        result=result,
        partial=bool(told["missing"]),
        file=new_file(parameters.output, operations, "corrected"),
    )


_PROOFREADING = StepwiseTask("proofread", ProofreadParameters, _answer, _finish)
_ISSUE: Mapping[str, Any] = {
    "type": "object",
    "required": [
        "document",
        "segment",
        "anchor",
        "client_ref",
        "find",
        "occurrence",
        "suggestion",
        "kind",
        "changes",
    ],
    "properties": {
        "document": {"type": "integer"},
        "segment": {"type": "integer"},
        "anchor": {"type": "object"},
        "client_ref": {"type": ["string", "null"]},
        "find": {"type": "string", "maxLength": FIND_CHARACTERS},
        "occurrence": {"type": "integer", "description": "in the segment, from 1"},
        "suggestion": {"type": "string"},
        "kind": {"enum": list(_KINDS["strict"])},
        "changes": {
            "enum": [None, "name", "term"],
            "description": "what it changes that may be right as it is; then it stands in no operation and no file",
        },
    },
}
_RESULT: Mapping[str, Any] = {
    "issues": list_of(_ISSUE),
    "operations": OPERATIONS,
    "file": FILE,
    "coverage": COVERAGE,
    "missing": list_of({"type": "integer"}),
    "missing_at": MISSING_AT,
    "method": {"enum": list(METHODS)},
    "language": {"type": "string"},
    "notes": {"type": "object", "additionalProperties": {"type": "integer"}},
}
TASK_TYPE = TaskType(
    name="proofread",
    title={"en": "Proofread", "de": "Korrekturlesen"},
    description={
        "en": "What is wrong in a text or document, each found word for word, with a suggestion.",
        "de": "Was in einem Text oder Dokument nicht stimmt, jede Stelle wörtlich gefunden, mit einem Vorschlag.",
    },
    parameters=ProofreadParameters,
    inputs=Inputs(),
    result={"type": "object", "required": list(_RESULT), "properties": _RESULT},
    first_step=_PROOFREADING.first_step,
    run=_PROOFREADING.run,
    work=_PROOFREADING.work,
)
