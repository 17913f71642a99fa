"""extract_actions: who has to do what by when, and what was decided, each with its place.

Every part of a long document is asked for its own, and code joins the lists: a model that were to shorten
them would lose some. So there is no merge, and the last step asks nobody.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict
from rapidfuzz import fuzz

from app.copilot.answering import Question
from app.copilot.citations import Claim
from app.copilot.citations import Field as ClaimField
from app.copilot.delivery import coverage, source
from app.copilot.extra_checks import check_owner_and_due
from app.copilot.findings import add_counts
from app.copilot.reading import Fact
from app.copilot.reading_task import Read, ReadingTask, noted, one_method
from app.copilot.result_schemas import SOURCE, list_of, reading_result
from app.copilot.types import Inputs, Outcome, StepContext, TaskType
from app.documents.normalize import normalize
from app.documents.segments import Segment

MOST = 18
"""Of one part. An answer as long as this is noted (`full_parts`): there may be more."""
_ONE_PASS_TOKENS = 2_200
_SAME = 92.0
_ACTION = {
    "type": "object",
    "required": ["text", "owner", "due", "citations"],
    "properties": {
        "text": {"type": "string"},
        "owner": {"type": ["string", "null"], "description": "in the document's words"},
        "due": {"type": ["string", "null"], "description": "in the document's words"},
        "citations": list_of(SOURCE),
    },
}
_DECISION = {
    "type": "object",
    "required": ["text", "citations"],
    "properties": {"text": {"type": "string"}, "citations": list_of(SOURCE)},
}


class ExtractActionsParameters(BaseModel):
    """There is nothing to choose."""

    model_config = ConfigDict(extra="forbid")


def _check(claims: Sequence[Claim], question: Question) -> None:
    for number, claim in enumerate(claims, start=1):
        check_owner_and_due(claim, number, question.language)


async def _finish(context: StepContext, read: Read) -> Outcome:
    below, method = read.below, None
    if read.over_facts:
        facts = list(read.facts)
    elif read.evidence:
        found, method = await _READING.claims(context, read.evidence, "final", most=MOST)
        facts = [Fact.of(claim) for claim in found.claims]
        full = int(len(facts) >= MOST)
        below = below.counted({"removed_claims": found.removed, "full_parts": full})
    else:
        facts = []
    kept = _each_once(facts)
    items = [_item(fact, read.segments) for fact in kept]
    cited = {span.segment for fact in kept for span in fact.spans}
    shares, missing = coverage(read.segments, read=below.read - below.missing, cited=cited)
    full = sum(len(group) >= MOST for group in below.groups)
    result = {
        "actions": [item for item, fact in zip(items, kept, strict=True) if _is_action(fact)],
        "decisions": [
            {"text": item["text"], "citations": item["citations"]}
            for item, fact in zip(items, kept, strict=True)
            if not _is_action(fact)
        ],
        "coverage": shares,
        "method": one_method(method, below),
        "language": context.language,
        "missing": missing,
        "notes": noted(add_counts(below.counts, {"full_parts": full, "repeated": len(facts) - len(kept)})),
    }
    return Outcome(output={}, result=result, partial=bool(missing))


def _is_action(fact: Fact) -> bool:
    return fact.extra.get("kind") == "action"


def _item(fact: Fact, segments: Sequence[Segment]) -> Mapping[str, Any]:
    return {
        "text": fact.text,
        "owner": fact.extra.get("owner") or None,
        "due": fact.extra.get("due") or None,
        "citations": [source(span, segments) for span in fact.spans],
    }


def _each_once(facts: Sequence[Fact]) -> list[Fact]:
    """Without what is said again in almost the same words, for the same owner and day; the first stays."""
    kept: list[Fact] = []
    by_key: dict[tuple[str, ...], list[str]] = {}
    for fact in facts:
        key = tuple(normalize(fact.extra.get(name, "")).casefold() for name in ("kind", "owner", "due"))
        texts = by_key.setdefault(key, [])
        text = normalize(fact.text).casefold()
        if any(_same(text, other) for other in texts):
            continue
        texts.append(text)
        kept.append(fact)
    return kept


def _same(one: str, other: str) -> bool:
    """Almost the same words, and every figure the same."""
    figures = [[word for word in text.split() if any(map(str.isdigit, word))] for text in (one, other)]
    return figures[0] == figures[1] and fuzz.ratio(one, other) >= _SAME


_READING = ReadingTask(
    name="extract_actions",
    parameters=ExtractActionsParameters,
    most=lambda _: MOST,
    finish=_finish,
    fields=(
        ClaimField("kind", choices=("action", "decision")),
        ClaimField("owner", most_characters=120),
        ClaimField("due", most_characters=120),
    ),
    check=_check,
    facts_of_chunk=MOST,
    one_pass_tokens=_ONE_PASS_TOKENS,
    may_be_empty=True,
)
TASK_TYPE = TaskType(
    name="extract_actions",
    title={"en": "Find actions", "de": "Aufgaben finden"},
    description={
        "en": "Who has to do what by when, and what was decided, in a document, mail thread or transcript.",
        "de": "Wer was bis wann zu tun hat und was beschlossen wurde, aus Dokument, Mailverlauf oder Protokoll.",
    },
    parameters=ExtractActionsParameters,
    inputs=Inputs(most=20),
    result=reading_result(actions=list_of(_ACTION), decisions=list_of(_DECISION)),
    first_step=_READING.first_step,
    run=_READING.run,
    work=_READING.work,
)
