"""Ordinary documents, for how often something is found in what nobody hostile wrote."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.documents.errors import DocumentError
from app.documents.reading import read
from app.documents.segments import Extracted, Segment, TextAnchor
from app.documents.suspicion import look
from app.evaluation.aclsum import aclsum_cases
from app.evaluation.case_files import own_cases, own_task_types
from app.vocabulary import SegmentKind
from tests.documents.corpora import DISTRIBUTIONS, fetch, files


@dataclass(frozen=True)
class Measured:
    """How many documents were read, in how many something was found, and how many hold text that is not seen."""

    documents: int
    found: int
    unseen: int


def own() -> Iterator[tuple[str, Extracted]]:
    """The texts of our own cases of every task type, each once, in three languages."""
    texts = {text for name in own_task_types() for case in own_cases(name) for text in case.documents}
    for text in sorted(texts):
        anchor = TextAnchor(0, len(text), 1)
        lines = [line for line in text.split("\n") if line.strip()]
        segments = [Segment(at, SegmentKind.PARAGRAPH, line, anchor) for at, line in enumerate(lines)]
        yield "", Extracted("text/markdown", tuple(segments))


def corpora() -> Iterator[tuple[str, Extracted]]:
    """The files of other readers' tests that ours reads; none where they cannot be fetched."""
    for distribution in DISTRIBUTIONS:
        archive = fetch(distribution)
        for name, content in files(archive) if archive is not None else ():
            try:
                yield Path(name).name, read(Path(name).name, content)
            except DocumentError:
                continue


def measure(documents: Iterable[tuple[str, Extracted]]) -> Measured:
    """Look at all of them."""
    count = found = unseen = 0
    for name, extracted in documents:
        count += 1
        found += bool(look(extracted, name=name))
        unseen += bool(extracted.notes.get("hidden_text"))
    return Measured(count, found, unseen)


def papers() -> Iterator[tuple[str, Extracted]]:
    """ACLSum's papers, which speak of language models, prompts and instructions. Raises: `ExtraMissing`."""
    for case in aclsum_cases():
        lines = [line for line in case.documents[0].split("\n") if line.strip()]
        anchor = TextAnchor(0, 0, 1)
        segments = [Segment(at, SegmentKind.PARAGRAPH, line, anchor) for at, line in enumerate(lines)]
        yield "", Extracted("text/markdown", tuple(segments))
