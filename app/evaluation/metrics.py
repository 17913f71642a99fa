"""What a trial is measured by. Pure: the same trial gives the same figures.

`..._before` is of what the member said before our checks, also where they refused it; the others are of what would
have been delivered, and None where nothing was. None also stands where a metric says nothing about a case.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.copilot.figures import SourceFigures, stated_figures
from app.copilot.quotes import FoldedText, find_exact
from app.documents.language import detect
from app.documents.normalize import normalize
from app.evaluation.case_files import Case
from app.evaluation.errors import ExtraMissing
from app.evaluation.trial import RawAnswer, TrialOutcome, TrialResult
from app.vocabulary import StepKind

_MARKER = re.compile(r"\s*\[\d+\]|</?[gx]\d+/?>")
"""A citation's mark, or a tag of formatting (see documents/tags.py)."""
_WORD = re.compile(r"\w+")
_SURE = 0.7
_NOT_SAID = frozenset(
    {
        "anchor", "anchors", "block", "citations", "client_ref", "coverage", "diff", "document", "find", "functions",
        "id", "kind", "language", "locale", "method", "operations", "quote", "references", "segment", "sources",
        "text_hash",
    }
)  # fmt: skip
"""Fields of results and answers that are not what the member says in its own words."""


@dataclass(frozen=True)
class Metric:
    """How a figure is read."""

    title: str
    higher_is_better: bool
    is_rate: bool = False
    """Yes or no for each case: its interval is Wilson's."""
    unit: str = ""


METRICS: Mapping[str, Metric] = {
    "answered": Metric("answered", higher_is_better=True, is_rate=True),
    "refused": Metric("refused by checks", higher_is_better=False, is_rate=True),
    "quotes_before": Metric("quotes verified, before checks", higher_is_better=True),
    "quotes": Metric("quotes verified", higher_is_better=True),
    "unsupported_before": Metric("numbers unsupported, before checks", higher_is_better=False),
    "unsupported": Metric("numbers unsupported", higher_is_better=False),
    "coverage": Metric("coverage: processed", higher_is_better=True),
    "cited": Metric("coverage: cited", higher_is_better=True),
    "language_before": Metric("language as asked, before checks", higher_is_better=True, is_rate=True),
    "language": Metric("language as asked", higher_is_better=True, is_rate=True),
    "length": Metric("length in the band", higher_is_better=True, is_rate=True),
    "facts": Metric("facts found", higher_is_better=True),
    "forbidden": Metric("says what it must not", higher_is_better=False, is_rate=True),
    "rouge_l": Metric("ROUGE-L (F1)", higher_is_better=True),
    "seconds": Metric("latency", higher_is_better=False, unit="s"),
    "cost_micros": Metric("cost", higher_is_better=False, unit="micros"),
    "output_tokens": Metric("output tokens", higher_is_better=False),
}

Scores = Mapping[str, float | None]


def score(case: Case, trial: TrialResult) -> dict[str, float | None]:
    """Every metric of a trial."""
    source = "\n".join([*case.documents, *_strings(dict(case.parameters))])
    raw = "\n".join(said(_parsed(answer.text)) for answer in trial.answers)
    final = "\n".join(said(_parsed(answer.text)) for answer in trial.answers if answer.kind is StepKind.FINAL)
    scores: dict[str, float | None] = dict.fromkeys(METRICS)
    scores |= {
        "answered": float(trial.outcome is TrialOutcome.ANSWERED),
        "refused": float(any(answer.refusal for answer in trial.answers)),
        "quotes_before": _share(found for answer in trial.answers for found in _raw_quotes(answer)),
        "unsupported_before": _unsupported(raw, source, case.language) if raw else None,
        "language_before": _in_language(final, case.language),
    }
    if trial.calls:
        scores |= {
            "seconds": trial.seconds,
            "cost_micros": float(trial.cost_micros),
            "output_tokens": float(trial.output_tokens),
        }
    if trial.result is not None:
        scores |= _delivered(case, trial, trial.result, source)
    return scores


def _delivered(
    case: Case, trial: TrialResult, result: Mapping[str, Any], source: str
) -> dict[str, float | None]:
    text = said(result)
    held = _comparable(text)
    words = len(_WORD.findall(text))
    coverage = result.get("coverage") or {}
    return {
        "quotes": _share(_delivered_quotes(trial, result)),
        "unsupported": _unsupported(text, source, case.language),
        "coverage": _number(coverage.get("ratio")),
        "cited": _number(coverage.get("cited_ratio")),
        "language": _in_language(text, case.language),
        "length": None if case.words is None else float(case.words[0] <= words <= case.words[1]),
        "facts": _share([*(_holds(held, entry) for entry in case.contains), *_labelled(case, result)]),
        "forbidden": float(any(_holds(held, entry) for entry in case.excludes)) if case.excludes else None,
        "rouge_l": None if case.reference is None else rouge_l(case.reference, text, case.language),
    }


def said(value: Any) -> str:
    """What an answer or a result says in words: its strings, without quotes, ids, anchors, tags and marks of citations."""
    return "\n".join(_MARKER.sub("", text) for text in _strings(value))


def rouge_l(reference: str, text: str, language: str) -> float:
    """F1 of the longest common subsequence of words; stemmed in English. Raises: `ExtraMissing`."""
    try:
        from rouge_score.rouge_scorer import RougeScorer
        from rouge_score.tokenizers import Tokenizer
    except ImportError as error:
        raise ExtraMissing("rouge-score") from error

    class Words(Tokenizer):  # type: ignore[misc]
        """The library's own keeps letters of English alone."""

        def tokenize(self, text: str) -> list[str]:
            return _WORD.findall(text.casefold())

    english = language == "en"
    scorer = RougeScorer(["rougeL"], use_stemmer=english, tokenizer=None if english else Words())
    return float(scorer.score(reference, text)["rougeL"].fmeasure)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if name not in _NOT_SAID:
                yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)


def _parsed(answer: str) -> Any:
    """The answer's JSON; the text itself where it is none."""
    begin, end = answer.find("{"), answer.rfind("}")
    try:
        return json.loads(answer[begin : end + 1])
    except (ValueError, RecursionError):
        return answer


def _quotes(value: Any) -> Iterator[tuple[str, str]]:
    """(block, quote) of every citation in an answer."""
    if isinstance(value, Mapping):
        if isinstance(value.get("quote"), str):
            yield str(value.get("block", "")), value["quote"]
        for inner in value.values():
            yield from _quotes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _quotes(inner)


def _raw_quotes(answer: RawAnswer) -> Iterator[bool]:
    """For every quote of an answer: whether the block that it names says it."""
    blocks = {block.id: FoldedText.of(block.text) for block in answer.blocks}
    for block, quote in _quotes(_parsed(answer.text)):
        named = blocks.get(block.strip("[] "))
        yield named is not None and find_exact(named, quote) is not None


def _delivered_quotes(trial: TrialResult, value: Any) -> Iterator[bool]:
    """For every citation of a document in a result: whether its segment holds the quote, letter by letter."""
    if isinstance(value, Mapping):
        at, quote = value.get("segment"), value.get("quote")
        if isinstance(at, int) and isinstance(quote, str):
            yield 0 <= at < len(trial.segments) and quote in trial.segments[at].text
        for inner in value.values():
            yield from _delivered_quotes(trial, inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _delivered_quotes(trial, inner)


def _labelled(case: Case, result: Mapping[str, Any]) -> Iterator[bool]:
    """For every row with a right label: whether the result has it."""
    rows = result.get("rows") or ()
    for at, label in enumerate(case.labels):
        yield at < len(rows) and rows[at].get("label") == label


def _unsupported(text: str, source: str, language: str) -> float | None:
    """The share of a text's numbers that its source does not have; None without numbers."""
    known = SourceFigures.of(source)
    return _share(not known.supports(figure) for figure in stated_figures(text, language))


def _in_language(text: str, language: str) -> float | None:
    """Whether it is in the language; None where that cannot be told."""
    found = detect(text)
    return None if found.code == "und" or found.confidence < _SURE else float(found.code == language)


def _holds(text: str, entry: str) -> bool:
    """Whether a text holds one of the alternatives of an entry, as words of their own."""
    return any(
        re.search(rf"(?<!\w){re.escape(_comparable(one.strip()))}(?!\w)", text) for one in entry.split("|")
    )


def _comparable(text: str) -> str:
    return " ".join(normalize(text).casefold().split())


def _share(found: Iterable[bool]) -> float | None:
    values = list(found)
    return sum(values) / len(values) if values else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
