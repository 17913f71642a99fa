"""Files out of jobs, in memory: all texts that can be written go through the steps and back into the file."""

import re
from typing import Any

import pytest

from app.copilot import proofread, rewrite, translate
from app.copilot.produced_files import file_name
from app.documents.originals import ENDINGS
from app.documents.segments import Segment
from app.documents.writing import apply, writable
from tests.copilot.conftest import MemoryJob, document
from tests.copilot.scripted import answers, writes
from tests.documents.files import word_file
from tests.documents.formatted import elements, parts, rich_word_file, run
from tests.documents.writers.test_pptx import presentation
from tests.documents.writers.test_xlsx import workbook

_COUNTED = ("b", "i", "u", "hlinkClick", "tbl", "tr", "tc", "br", "r", "c", "si", "f", "v", "ser")
_PHRASES = {
    "Harbour": "Hafen",
    "report": "bericht",
    "Pay": "Zahlen",
    "now": "jetzt",
    "here": "hier",
    "cell": "Zelle",
    "In a group": "In einer Gruppe",
    "Say it slowly": "Langsam sagen",
    "Ships a year": "Schiffe im Jahr",
    "Ships": "Schiffe",
    "a year": "im Jahr",
    "Place": "Ort",
    "State": "Zustand",
    "open": "offen",
    "or": "oder",
    "later": "später",
    "two": "zwei",
    "lines": "Zeilen",
    "In a box": "Im Kasten",
    "Rope": "Seil",
    "First": "Erste",
    "second": "zweite",
    "line": "Zeile",
    "Arrivals": "Ankünfte",
}
_KNOWN = re.compile("|".join(rf"\b{one}\b" for one in sorted(_PHRASES, key=len, reverse=True)))


def _german(text: str) -> str:
    return _KNOWN.sub(lambda match: _PHRASES[match.group()], text)


@pytest.mark.parametrize(
    ("content", "shown", "kept"),
    [
        (
            presentation(),
            {"Hafen bericht", "Zelle 3", "In einer Gruppe", "Langsam sagen", "Schiffe im Jahr", "Ankünfte"},
            "ppt/theme/theme1.xml",
        ),
        (
            workbook(),
            {"Ort", "offen", "Zahlen jetzt oder später", "zwei\nZeilen", "Schiffe im Jahr", "Im Kasten"},
            "xl/styles.xml",
        ),
    ],
    ids=["pptx", "xlsx"],
)
async def test_every_text_of_a_small_file_is_translated_in_its_place(
    content: bytes, shown: set[str], kept: str
) -> None:
    parameters = translate.TranslateParameters.model_validate({"language": "de", "output": "file"})
    job = MemoryJob(
        writable(content).segments, parameters, providers=[writes(_german)], task_type="translate"
    )
    outcome = await job.run()
    assert outcome.file is not None
    assert outcome.file.mark == "de"
    made = apply(content, outcome.file.operations)
    assert (made.refused, made.degraded) == ((), ())
    assert shown <= {segment.text for segment in writable(made.content).segments}
    assert elements(made.content, _COUNTED) == elements(content, _COUNTED)
    assert parts(made.content)[kept] == parts(content)[kept]


@pytest.mark.parametrize("task_type", ["rewrite", "proofread"])
async def test_a_document_is_rewritten_or_corrected_as_a_file(task_type: str) -> None:
    content = rich_word_file(1)
    segments = [each for each in writable(content).segments if "board" in each.text or "Harbour" in each.text]
    parameters: Any = rewrite.RewriteParameters(tone="simple", output="file")
    provider = writes(lambda text: text.replace("plan", "idea"))
    if task_type == "proofread":
        parameters = proofread.ProofreadParameters(output="file")
        issue = {"find": "plan", "occurrence": 1, "suggestion": "idea", "kind": "wording"}
        provider = answers(lambda text: {"issues": [issue] if "plan" in text else []})
    outcome = await MemoryJob(segments, parameters, providers=[provider], task_type=task_type).run()
    assert outcome.file is not None
    assert outcome.file.mark == {"rewrite": "rewritten", "proofread": "corrected"}[task_type]
    made = apply(content, outcome.file.operations)
    assert len(made.applied) == 1
    assert any("approved the idea\t" in each.text for each in writable(made.content).segments)


async def test_what_has_no_letters_in_a_long_text_keeps_its_formatting_and_the_text_is_written() -> None:
    rows = "".join(
        f"<w:r><w:t>{number}, </w:t></w:r><w:r><w:tab/></w:r>{run(f'{number * 7}', '<w:b/>')}"
        for number in range(1_000, 1_600)
    )
    note = '<w:r><w:footnoteReference w:id="1"/></w:r>'
    content = word_file(f"<w:p>{run('The harbour counts. ')}{rows}{run(' That is the report.')}{note}</w:p>")
    segments = writable(content).segments
    parameters = translate.TranslateParameters.model_validate({"language": "de", "output": "file"})
    provider = writes(
        lambda text: text.replace("The harbour counts", "Der Hafen zählt").replace(
            "That is the report", "Das ist der Bericht"
        )
    )
    job = MemoryJob(segments, parameters, providers=[provider], task_type="translate")
    outcome = await job.run()
    asked = {piece for step in job.steps for piece in map(tuple, step.input.get("pieces", ()))}
    assert len(asked) > 1
    assert outcome.file is not None
    made = apply(content, outcome.file.operations)
    assert (made.refused, made.degraded, len(made.applied)) == ((), (), 1)
    (segment,) = writable(made.content).segments
    assert segment.text.startswith("Der Hafen zählt. 1000, \t7000")
    assert segment.text.endswith("Das ist der Bericht.")
    assert elements(made.content, ("b", "tab", "footnoteReference")) == elements(
        content, ("b", "tab", "footnoteReference")
    )


async def test_cells_of_the_same_text_are_written_alike_whatever_a_model_makes_of_each() -> None:
    content = workbook()
    parameters = translate.TranslateParameters.model_validate({"language": "de", "output": "file"})
    words = iter(("offen", "auf", "geöffnet"))
    provider = writes(lambda text: next(words) if text == "open" else _german(text))
    job = MemoryJob(writable(content).segments, parameters, providers=[provider], task_type="translate")
    outcome = await job.run()
    assert outcome.file is not None
    assert [one.text for one in outcome.file.operations].count("offen") == 3
    assert not {"auf", "geöffnet"} & {one.text for one in outcome.file.operations}


async def test_white_space_at_the_ends_stays_whatever_a_model_makes_of_it() -> None:
    segments: list[Segment] = document("The harbour was closed, page ")
    parameters = translate.TranslateParameters.model_validate({"language": "de", "output": "operations"})
    provider = writes(lambda _: "Der Hafen war geschlossen, Seite")
    result = (await MemoryJob(segments, parameters, providers=[provider], task_type="translate").run()).result
    assert (result or {})["operations"][0]["text"] == "Der Hafen war geschlossen, Seite "


async def test_no_file_is_made_that_was_not_asked_for() -> None:
    parameters = translate.TranslateParameters.model_validate({"language": "de"})
    provider = writes(lambda _: "Der Hafen.")
    outcome = await MemoryJob(
        document("The harbour."), parameters, providers=[provider], task_type="translate"
    ).run()
    assert outcome.file is None
    assert dict(outcome.result or {})["file"] is None


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("report.docx", "report.de.docx"),
        ("Report.DOCX", "Report.de.docx"),
        ("report", "report.de.docx"),
        ("../../etc/passwd.docx", "passwd.de.docx"),
        ('a<b>:"|?*.docx', "a_b______.de.docx"),
        (".docx", "document.de.docx"),
        ("x" * 250 + ".docx", "x" * 200 + ".de.docx"),
    ],
)
def test_the_new_name_says_what_the_file_is_and_suits_every_system(name: str, made: str) -> None:
    assert file_name(name, "de", "docx") == made


def test_originals_are_kept_of_what_can_be_written() -> None:
    made = {writable(content).media_type for content in (rich_word_file(1), presentation(), workbook())}
    assert made == set(ENDINGS)
