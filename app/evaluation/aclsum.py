"""ACLSum: papers of computational linguistics with summaries that experts wrote, from its own package (MIT).

Takahashi et al., "ACLSum: A New Dataset for Aspect-based Summarization of Scientific Publications" (2024).
"""

import importlib.util
import json
from pathlib import Path
from typing import Any

from app.evaluation.case_files import Case
from app.evaluation.errors import ExtraMissing

_SPLIT = "test.jsonl"
_ASPECTS = ("challenge", "approach", "outcome")
_SECTIONS = ("abstract", "introduction", "conclusion")


def aclsum_cases() -> tuple[Case, ...]:
    """The papers of the test split: abstract, introduction and conclusion; the reference joins the three aspects.

    Only the package's data is read, so that nothing of it is imported. Raises: `ExtraMissing`.
    """
    spec = importlib.util.find_spec("aclsum")
    if spec is None or spec.origin is None:
        raise ExtraMissing("aclsum")
    lines = (Path(spec.origin).parent / "dataset" / _SPLIT).read_text(encoding="utf-8").splitlines()
    return tuple(_case(json.loads(line)) for line in lines if line.strip())


def _case(paper: dict[str, Any]) -> Case:
    sections = (
        f"# {name.capitalize()}\n\n" + " ".join(paper["sentences"][name])
        for name in _SECTIONS
        if paper["sentences"].get(name)
    )
    return Case(
        id=paper["id"],
        language="en",
        documents=("\n\n".join(sections),),
        parameters={"length": "paragraph"},
        reference=" ".join(paper["summary"][aspect] for aspect in _ASPECTS),
        words=(20, 220),
    )
