"""The page about task types: what each takes and gives, from the registry, and an example that is really run.

`python -m tests.copilot.task_page` writes docs/tasks.md from it. What a model says is scripted; the rest of a result
is what the task type makes of it.
"""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.copilot.catalog import task_types
from app.copilot.document_findings import with_readings
from app.copilot.parameter_words import described_parameters
from app.copilot.types import Inputs, TaskType
from app.documents.inline import CellRange, InlineSegment, read_cells, read_inline_segments
from app.documents.reading import read
from app.documents.segments import Run, Segment
from app.documents.service import DocumentReading
from tests.copilot.conftest import MemoryJob, ScriptedProvider
from tests.copilot.scripted import answers, says

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tasks.md"
EVERY = ("coverage", "method", "language", "missing", "missing_at", "notes", "documents")
"""What the page says once for all results that have it."""
_MOST_IN_LINE = 116
_INTRODUCTION = """# Task types

Written by `python -m tests.copilot.task_page` from the task types themselves; the examples were run, with a scripted
model. The same is told by `GET /addin/v1/task-types`, with the JSON Schemas and whether a pool can serve it now. How to
submit a job and read it: [addin-api.md](addin-api.md).

A job is `{"task_type": ..., "parameters": ..., "input": ...}`. Its `input` holds one of `documents` (ids of uploads),
`drive_items`, `text`, `segments` or `cells`, as the task type takes it. Every result that has these says by them:

| field | meaning |
|---|---|
| `coverage` | of the `segments` that say anything, how many were `processed` by an accepted answer and how many are `cited`. `not_asked` are those that stay as they are: outside the `scope` of a translation, or without a letter to write otherwise. `segments` is `processed`, `not_asked` and the `missing` together; `ratio` is of what was asked about, and 1.0 means all of it. `rows_only_in_statistics`: rows of large tables of which only figures were read |
| `missing` | the segments that were not read; then the job is `partial`. `translate` and `rewrite` leave them as they were: in `text` as in the source, without an operation, untouched in a file. Only where every part is lost, or the one part of a short text, has the job failed |
| `missing_at` | of task types that answer part by part: where each of them stands (`document`, `segment`, `anchor`, `client_ref`), and the `reason`, a code of `GET /addin/v1/errors` |
| `method` | `generative` (a model wrote it), `extractive` (sentences of the document itself), `mixed`, or `none` where nobody was asked |
| `language` | of what was written, ISO 639-1; `und` where it is unknown |
| `notes` | counts of what the checks took out: `removed_claims`, `removed_issues`, ...; and `unapplied_issues`: what `proofread` left to the reader, see documents.md |
| `reordered` | of `translate` and `rewrite`: segments whose figures stand in another order than before, see below |
| `documents` | for each document, how it was read: `notes` such as `tracked_changes` (read as accepted) or `hidden_text` (left out), [documents.md](documents.md); `findings`, text that reads as if it were meant for the model and was not obeyed, [injection.md](injection.md) |

## What is checked before a result is delivered

An answer that fails a check is thrown away and the pool's next member is asked. What is compared of cited sentences:
[models.md](models.md#what-the-checks-can-and-cannot-see).

| check | of | what it tells, and what it cannot |
|---|---|---|
| figures | `translate`, `rewrite`, `proofread` | every number of a segment is there again, in digits or words of English, German, French, Spanish, Italian, Portuguese and Dutch, with any language's separators, and none is new. `translate` says each as often as the source; `rewrite` may say once what was said twice, but not put another number of the source in its place |
| figures | the others | every number, amount and month stands in what the sentence cites; for drafts in what was sent |
| dates | all | a day counts as one figure: 3 May 2024, 03.05.2024, 2024-05-03 are the same. `5/3/2024` is like both days that it may be. Day and month swapped is refused. A date that is written in a way nobody reads here is compared by its numbers |
| order of figures | `translate`, `rewrite` | whether two numbers of a segment have changed places cannot be told from a language's own order of words. So it is no failure: the segment is named in `reordered`, for a person to look at |
| names | `translate` | codes, words of mixed case, addresses and names after a title stand in it; other names may have another form (Munich, München) |
| names | `rewrite` | the same names as before, told by their capitals; in German, where every noun has one, only acronyms, what follows a title, and pairs |
| names | `proofread` | whether a correction mends a name or makes another of it, nobody can tell: the issue says `changes`, and stands in no operation and no file |

Which check refused an answer is told by its code, which holds no content: as `detail` in `decision.failed_calls` and
`decision.hops`, where no member passed also in `details` and `message` of the job's `error` ("... refused because B1 has lost
a number of its source (missing_figure)"), as `check` in the worker's log line `attempt failed`, and in the figures of
`switchboard evaluate`.

| code of the check | what was wrong with the answer |
|---|---|
| `not_the_schema`, `empty`, `incomplete`, `wrong_shape`, `wrong_kind` | it is not of the form that was asked for |
| `too_long`, `too_short`, `wrong_length`, `repeats_itself` | more, less or other than was asked for |
| `wrong_language`, `wrong_formality` | another language or form of address |
| `missing_figure`, `missing_name`, `missing_address`, `missing_term` | something of the source or the glossary is lost |
| `changed_date` | a date of the source is another |
| `unsupported_figure`, `unsupported_unit`, `unsupported_name`, `unsupported_due`, `unrelated` | its source does not say it |
| `quotes_not_found`, `not_found` | what it quotes does not stand in the text |
| `not_a_label` | most labels are not on the list |
| `not_a_formula`, `unknown_function`, `unknown_reference`, `forbidden_function` | the formula would not work, or reaches out |
| `link`, `markup`, `preamble`, `prompt`, `tags` | an address, markup, words about the answer or the prompt; lost formatting |
"""


@dataclass(frozen=True)
class Example:
    """A job and what a model answers to it. `texts` are what its `documents` hold."""

    parameters: Mapping[str, Any]
    input: Mapping[str, Any]
    provider: ScriptedProvider
    texts: Sequence[str] = ()
    notes: Mapping[str, int] | None = None


def _told(text: str, quote: str, block: str = "B1", **more: str) -> dict[str, Any]:
    return {"citations": [{"block": block, "quote": quote}], "text": text, **more}


def _sentences(*told: Mapping[str, Any]) -> ScriptedProvider:
    return says({"sentences": list(told)})


_RENT = "The rent of the office in Munich is 4,200 euros a month from May 2026."
_HARBOUR = "The harbour was closed for three days because of the storm."
_DOCUMENT = {"documents": ["0198c1de-..."]}
_MINUTES = "Maria Keller will send the budget to the board by 3 March 2027."
_MAIL = "From: Amy Ross\nSubject: Lunch\n\nHi Jim, lunch on Thursday at 12:30 at Bella's? Amy"
_TABLE = {"worksheet": "Sales", "a1": "A1", "values": [["Month", "Sum"], ["May", 1200], ["June", 800]]}
_PANE = {"client_ref": "p1", "text": "Pay now", "runs": [{"text": "Pay "}, {"text": "now", "tag": 1}]}

EXAMPLES: Mapping[str, Example] = {
    "summarize": Example(
        {"length": "sentence"},
        {"text": f"{_RENT} It was agreed after long talks."},
        _sentences(_told("The office in Munich costs 4,200 euros a month.", _RENT[:47])),
    ),
    "rewrite": Example(
        {"tone": "friendly", "style_guide": "Say please."},
        {"text": "Send the report on Friday."},
        answers(lambda _: {"text": "Please send the report on Friday."}),
    ),
    "proofread": Example(
        {"strictness": "minimal"},
        {"segments": [{"client_ref": "p7", "text": "The harbor were closed for three days."}]},
        answers(
            lambda _: {"issues": [{"find": "were", "occurrence": 1, "suggestion": "was", "kind": "grammar"}]}
        ),
    ),
    "translate": Example(
        {"language": "de", "glossary": [{"source": "pay", "target": "bezahlen"}], "output": "operations"},
        {"segments": [_PANE]},
        answers(lambda _: {"text": "<g1>Jetzt</g1> bezahlen"}),
    ),
    "ask": Example(
        {"question": "What is the rent?"},
        _DOCUMENT,
        _sentences(_told("The rent is 4,200 euros a month.", _RENT[:55])),
        (_RENT,),
    ),
    "extract_actions": Example(
        {},
        {"text": _MINUTES},
        _sentences(
            _told(
                "Send the budget to the board.",
                "send the budget to the board",
                kind="action",
                owner="Maria Keller",
                due="3 March 2027",
            )
        ),
    ),
    "draft_reply": Example(
        {"intent": "Yes, but at 13:00.", "tone": "friendly", "length": "short"},
        {"text": _MAIL},
        says({"text": "Hi Amy,\n\nlunch on Thursday is lovely, but could we make it 13:00?\n\nJim"}),
    ),
    "draft": Example(
        {"instruction": "Invite the team to lunch on Friday at 12.", "kind": "email", "length": "short"},
        {},
        says(
            {"text": "Dear colleagues,\n\nplease join us for lunch on Friday at 12.\n\nKind regards\n[name]"}
        ),
    ),
    "compare": Example(
        {},
        {"documents": ["0198c1de-...", "0198c1df-..."]},
        _sentences(_told("The rent rises from 4,200 to 4,500 euros a month.", _RENT)),
        (_RENT, _RENT.replace("4,200", "4,500")),
        {"tracked_changes": 1},
    ),
    "outline_slides": Example(
        {"slides": 3, "audience": "the board"},
        _DOCUMENT,
        _sentences(
            _told(
                "The rent is 4,200 euros a month.", _RENT[:55], slide="The rent of the office", part="bullet"
            )
        ),
        (_RENT,),
    ),
    "explain_table": Example(
        {"question": "Which month was better?"},
        {"cells": _TABLE},
        _sentences(_told("May was the better month with a sum of 1200.", "May | 1200", "B4")),
    ),
    "formula": Example(
        {"instruction": "Sum of all months.", "locale": "de-DE"},
        {"cells": _TABLE},
        says({"formula": "=SUM(B2:B3)", "explanation": "It adds the sums of all of the months."}),
    ),
    "classify": Example(
        {"labels": ["praise", "complaint"]},
        {
            "segments": [
                {"client_ref": "r1", "text": "Great food."},
                {"client_ref": "r2", "text": "Too loud."},
            ]
        },
        answers(lambda text: {"label": "praise" if "Great" in text else "complaint"}),
    ),
}


async def result_of(name: str, example: Example) -> dict[str, Any]:
    """What the example's job comes to. Raises: pydantic's error if its parameters are wrong, and as the job."""
    segments = _segments(example)
    parameters = task_types()[name].parameters.model_validate(dict(example.parameters))
    outcome = await MemoryJob(segments, parameters, providers=[example.provider], task_type=name).run()
    documents = len({segment.document for segment in segments})
    told = [DocumentReading((), example.notes or {})] * documents
    return with_readings(outcome.result or {}, told, segments)


def _segments(example: Example) -> list[Segment]:
    found: list[Segment] = []
    inline = [example.input["text"]] if "text" in example.input else []
    for number, text in enumerate(example.texts or inline):
        for segment in read("text.txt", text.encode()).segments:
            found.append(replace(segment, index=len(found), document=number))
    if "cells" in example.input:
        found = [*read_cells(CellRange(**example.input["cells"])).segments]
    pieces = [
        InlineSegment(one["client_ref"], one["text"], tuple(Run(**run) for run in one.get("runs", ())))
        for one in example.input.get("segments", ())
    ]
    return [*read_inline_segments(pieces).segments] if pieces else found


async def page() -> str:
    """The whole page."""
    sections = [_INTRODUCTION]
    for name, example in EXAMPLES.items():
        sections.append("\n".join(_section(task_types()[name], example, await result_of(name, example))))
    return "\n".join(sections)


def _section(task_type: TaskType, example: Example, result: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {task_type.name}\n\n{task_type.title['en']}: {task_type.description['en']}\n"
    yield f"Takes {_taken(task_type.inputs)}.\n"
    schema = described_parameters(task_type, "en")
    if schema.get("properties"):
        yield "| parameter | values | default | |\n|---|---|---|---|"
    for name, of in schema.get("properties", {}).items():
        default = "required" if name in schema.get("required", ()) else f"`{json.dumps(of.get('default'))}`"
        if default in {"`null`", "`[]`"}:
            default = ""
        yield f"| `{name}` | {_values(of)} | {default} | {_escaped(of['description'])} |"
    yield ("\n" if schema.get("properties") else "") + "| result | |\n|---|---|"
    for name, of in task_type.result["properties"].items():
        if name not in EVERY:
            yield f"| `{name}` | {_escaped(_meaning(of))} |"
    common = [f"`{name}`" for name in EVERY if name in result]
    yield f"\nAlso {', '.join(common)}.\n"
    job = {"task_type": task_type.name, "parameters": example.parameters, "input": example.input}
    yield f"```json\n{_shown(job)}\n```\n\n```json\n{_shown(result)}\n```\n"


def _taken(inputs: Inputs) -> str:
    if inputs.documents:
        fixed = f"{inputs.least} document{'s' * (inputs.least > 1)}"
        kinds = [fixed if inputs.least == inputs.most else f"{inputs.least} to {inputs.most} documents"]
    else:
        kinds = ["nothing"] * (inputs.least == 0)
    kinds += ["a `text`", "`segments`"] * inputs.text + ["`cells`"] * inputs.cells
    return " or ".join(kinds)


def _values(of: Mapping[str, Any]) -> str:
    options = [one for one in of.get("anyOf", [of]) if one.get("type") != "null"]
    (only,) = options
    if "enum" in only:
        return ", ".join(f"`{one}`" for one in only["enum"])
    bounds = [
        f"{word} {only[key]:,}"
        for key, word in (
            ("minimum", "from"),
            ("maximum", "to"),
            ("maxLength", "up to"),
            ("maxItems", "up to"),
        )
        if key in only
    ]
    unit = {"maxLength": " characters", "maxItems": " entries"}
    said = " ".join(bounds) + next((unit[key] for key in unit if key in only), "")
    return f"{only.get('type', 'object')}{', ' if said else ''}{said}"


def _meaning(of: Mapping[str, Any]) -> str:
    if "description" in of:
        return str(of["description"])
    if "const" in of or "enum" in of:
        return ", ".join(f"`{one}`" for one in of.get("enum", [of.get("const")]))
    inner = of.get("items", of)
    kind = "each: " if "items" in of else ""
    fields = ", ".join(f"`{name}`" for name in inner.get("properties", ()))
    return kind + fields if fields else str(of.get("type", ""))


def _escaped(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


def _shown(value: Any, depth: int = 0) -> str:
    """JSON, in one line what fits in it."""
    whole = json.dumps(value, ensure_ascii=False)
    if len(whole) + 2 * depth <= _MOST_IN_LINE or not isinstance(value, dict | list) or not value:
        return whole
    pad = "  " * (depth + 1)
    if isinstance(value, dict):
        rows = [f"{pad}{json.dumps(key)}: {_shown(of, depth + 1)}" for key, of in value.items()]
        return "{\n" + ",\n".join(rows) + "\n" + "  " * depth + "}"
    return "[\n" + ",\n".join(pad + _shown(of, depth + 1) for of in value) + "\n" + "  " * depth + "]"


if __name__ == "__main__":
    PAGE.write_text(asyncio.run(page()))
