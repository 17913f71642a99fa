"""A document that is sent to be translated comes back as a document, in another language and else as it was."""

import json
import os
import re
import shutil
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from app.core.yaml_text import load_yaml
from app.documents.uploads import remove_expired
from app.documents.writing import writable
from tests.documents.files import paragraph, word_file
from tests.documents.formatted import elements, parts, rich_word_file
from tests.documents.uploading import begin
from tests.documents.writers.test_libreoffice import pages
from tests.documents.writers.test_xlsx import workbook
from tests.entra import ALAN, GRACE
from tests.house import House
from tests.processes import SEED
from tests.scripted_vendor import ScriptedVendor, quote_document
from tests.wire_formats import Asked

_MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_PHRASES = {
    "Section": "Abschnitt",
    "The harbour was": "Der Hafen war",
    "closed": "geschlossen",
    "for three": "für drei",
    "long": "lange",
    "days": "Tage",
    "and nobody said why": "und niemand sagte, warum das so war",
    "says": "sagt",
    "why": "warum",
    "Note": "Anmerkung",
    "See": "Siehe",
    "the": "den",
    "annex": "Anhang",
    "or page": "oder Seite",
    "The board": "Der Vorstand",
    "approved": "billigte",
    "the plan": "den Plan",
    "more": "mehr",
    "A second line with": "Eine zweite Zeile mit",
    "in it": "darin",
    "open since": "offen seit",
    "Monday": "Montag",
    "Beside the box": "Neben dem Kasten",
    "In box": "Im Kasten",
    "In a control": "In einem Steuerelement",
    "Paragraph": "Absatz",
    "of a report with a sentence or two": "eines Berichts mit einem Satz oder zwei",
    "so that there is something to read on every page of it and the page is full at last": (
        "damit auf jeder Seite etwas zu lesen ist und die Seite endlich voll wird"
    ),
    "A chart": "Ein Diagramm",
    "Old new": "Alt neu",
    "Harbour report, page": "Hafenbericht, Seite",
    "Confidential": "Vertraulich",
    "Ships": "Schiffe",
    "a year": "im Jahr",
    "Arrivals": "Ankünfte",
    "First step": "Erster Schritt",
}
_KNOWN = re.compile("|".join(rf"\b{one}\b" for one in sorted(_PHRASES, key=len, reverse=True)))
_MARKS = re.compile(r"[\^~|¦¬¤¶°±¨†‡◊≈√∆]{2,}")


def german(asked: Asked) -> str:
    """A translator with a phrase book, who keeps tags and order."""
    answer: dict[str, Any] = json.loads(quote_document(asked))
    for part in answer["parts"]:
        text = _MARKS.sub("", part["text"]).replace("a long report", "a report")
        part["text"] = _KNOWN.sub(lambda match: _PHRASES[match.group()], text)
    return json.dumps(answer, ensure_ascii=False)


async def _begin(house: House, vendor: ScriptedVendor) -> None:
    """The vendor's model translates."""
    vendor.respond = german
    platform = load_yaml(SEED.read_text())["platform"]
    able = {"languages": ["en", "de"], "context_window": 32_768, "max_output_tokens": 8_192, "concurrency": 4}
    platform["deployments"][0].update(able)
    member = {"deployment": platform["deployments"][0]["name"], "prompt_set": "default"}
    platform["pools"].append({"name": "translate", "task_type": "translate", "members": [member]})
    platform["routes"].append({"name": "translate", "task_type": "translate", "pool": "translate"})
    await house.system.configure(base_url=vendor.base_url, platform=platform)


def _order(document: dict[str, Any], **parameters: Any) -> dict[str, Any]:
    return {
        "task_type": "translate",
        "parameters": {"language": "de", "output": "file", **parameters},
        "input": {"documents": [document["id"]]},
    }


@pytest.mark.processes
async def test_a_translated_document_is_fetched_by_its_owner_with_everything_else_in_place(
    vendor: ScriptedVendor, house: House, tmp_path: Path
) -> None:
    original = rich_word_file(1)
    await _begin(house, vendor)
    house.system.start_all()
    document = await house.upload('Bericht "März".docx', original)
    accepted = await house.submit(_order(document))
    assert accepted.status_code == 202, accepted.text
    path = f"/jobs/{accepted.json()['id']}/file"
    done = await house.finished(accepted.json()["id"])
    assert done["state"] == "succeeded", done["error"]
    told = done["result"]["file"]
    assert (told["degraded"], told["refused"], told["reasons"]) == (0, 0, {})
    assert told["applied"] > 20
    assert told["link"] == f"/addin/v1{path}"

    answer = await house.client().get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == _MEDIA_TYPE == told["media_type"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["etag"] == f'"{told["etag"]}"'
    assert told["name"] == "Bericht _März_.de.docx"
    assert "filename*=UTF-8''Bericht%20_M%C3%A4rz_.de.docx" in answer.headers["content-disposition"]
    made = answer.content
    assert len(made) == told["size_bytes"]

    words = {segment.text for segment in writable(made).segments}
    assert {"Hafenbericht, Seite 1", "Anmerkung 1 sagt warum.", "Im Kasten 1", "Schiffe im Jahr"} <= words
    assert {"Ankünfte", "Erster Schritt", "Vertraulich"} <= words
    assert set(elements(made) - elements(original)) <= {"lang", "rPr"}, "nothing is there that was not"
    assert b'w:lang w:val="de-DE"' in parts(made)["word/document.xml"]
    lost = elements(original) - elements(made)
    assert set(lost) <= {"r"}, lost
    before, after = parts(original), parts(made)
    assert list(before) == list(after)
    for name in ("word/media/image1.png", "word/comments.xml", "word/styles.xml", "[Content_Types].xml"):
        assert before[name] == after[name], name

    if "SWITCHBOARD_TEST_MARKED" in os.environ and shutil.which("soffice") is not None:
        shown = " ".join(" ".join(pages(made, "docx", tmp_path)).split())
        for words_shown in ("Der Hafen war geschlossen", "Hafenbericht", "Anmerkung 1 sagt warum"):
            assert words_shown in shown

    exported = [json.loads(line) for line in (await house.client().get("/me/export")).text.splitlines()]
    copies = {line["kind"]: line for line in exported}
    for kind, name, content in (
        ("document_file", 'Bericht "März".docx', original),
        ("job_file", told["name"], made),
    ):
        assert (copies[kind]["name"], copies[kind]["media_type"]) == (name, _MEDIA_TYPE)
        assert b64decode(copies[kind]["content"]) == content

    for other in (ALAN, GRACE):
        refused = await house.client(other).get(path)
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "job_not_found")
    assert (await house.client().delete(f"/jobs/{accepted.json()['id']}")).status_code == 204
    assert (await house.client().get(path)).status_code == 404
    for table in ("job_file_parts", "upload_parts", "upload_sessions"):
        assert await house.system.rows(f"SELECT 1 FROM {table}") == [], table


@pytest.mark.processes
async def test_a_part_that_nobody_can_translate_stays_as_it_was_and_is_asked_about_again(
    vendor: ScriptedVendor, house: House
) -> None:
    await _begin(house, vendor)
    vendor.respond = lambda asked: german(asked).replace("Absatz 77", "Absatz siebzig")
    house.system.start_all()
    long = "The harbour was closed for three long days and nobody said why."
    content = word_file("".join(paragraph(f"{long} Paragraph {at}.") for at in range(120)))
    document = await house.upload("a.docx", content)
    jobs = []
    for respond in (vendor.respond, german):
        before, vendor.respond = len(vendor.asked), respond
        accepted = await house.submit(_order(document))
        done = await house.finished(accepted.json()["id"])
        answer = await house.client().get(f"/jobs/{done['id']}/file")
        texts = [segment.text for segment in writable(answer.content).segments]
        jobs.append((done, texts, len(vendor.asked) - before))
    (first, texts, calls), (again, whole, calls_again) = jobs
    assert (first["state"], again["state"]) == ("partial", "succeeded"), first["error"]
    lost = first["result"]["missing"]
    assert 77 in lost
    assert [at for at, text in enumerate(texts) if text.startswith("The harbour")] == lost
    told = first["result"]["file"]
    assert (told["missing"], told["applied"], told["refused"]) == (len(lost), 120 - len(lost), 0)
    assert {one["reason"] for one in first["result"]["missing_at"]} == {"invalid_output"}
    assert [one["anchor"]["ordinal"] for one in first["result"]["missing_at"]] == lost
    assert calls_again == 1 < calls
    assert (again["result"]["file"]["missing"], again["result"]["coverage"]["ratio"]) == (0, 1.0)
    assert all(text.startswith("Der Hafen war geschlossen") for text in whole)


async def test_what_no_file_can_be_made_of_is_refused_at_the_door(
    vendor: ScriptedVendor, house: House
) -> None:
    await _begin(house, vendor)
    text = await house.upload("a.txt", b"The harbour was closed for three days.")
    for body in (_order(text), {**_order(text), "input": {"text": "The harbour was closed."}}):
        answer = await house.submit(body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "wrong_input")
        assert "Word, Excel and PowerPoint" in answer.json()["error"]["message"]
    tables = [await house.upload("a.csv", b"place,state\nNorth,open\nSouth,shut\n")]
    tables.append(await house.upload("a.xlsx", workbook()))
    for table in tables:
        # Rows and statistics at ranges of cells: whoever carried such operations out would write over other texts.
        body = {**_order(table), "parameters": {**_order(table)["parameters"], "output": "operations"}}
        answer = await house.submit(body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "wrong_input")
        assert "output file" in answer.json()["error"]["message"]
    document = await house.upload("a.docx", rich_word_file(1))
    accepted = await house.submit(_order(document))
    assert accepted.status_code == 202, accepted.text
    missing = await house.client().get(f"/jobs/{accepted.json()['id']}/file")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "job_file_not_found")
    # As for documents that came before originals were kept.
    await house.system.rows("DELETE FROM upload_sessions WHERE is_original RETURNING id")
    answer = await house.submit(_order(document))
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "original_not_kept")
    assert (await house.submit({"input": {"documents": [document["id"]]}})).status_code == 202


@pytest.mark.parametrize("ends", ["deleted", "expired"])
async def test_an_upload_session_that_ends_leaves_the_original_to_its_document(
    vendor: ScriptedVendor, house: House, ends: str
) -> None:
    await _begin(house, vendor)
    upload = await begin(house.client(), "a.docx", rich_word_file(1))
    document = (await upload.put(0, len(upload.content))).json()
    if ends == "deleted":
        assert (await house.client().delete(upload.path)).status_code == 204
    await house.system.rows("UPDATE upload_sessions SET expires_at = now() - interval '1 s' RETURNING id")
    assert await remove_expired(house.system.database.system) == 0
    assert (await house.client().get(upload.path)).status_code == 404
    assert (await house.submit(_order(document))).status_code == 202
