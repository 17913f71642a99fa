"""What the member without a model takes for an action or a decision."""

import pytest

from app.documents.language import detect
from app.llm.providers.actions import find_actions
from app.llm.providers.candidates import find_candidates
from app.llm.types import Block
from app.vocabulary import SegmentKind


def found(text: str) -> list[tuple[str, str, str]]:
    blocks = [Block("B1", text, SegmentKind.PARAGRAPH)]
    language = detect(text).code
    return [
        (one.kind, one.owner, one.due) for one in find_actions(find_candidates(blocks, language), most=20)
    ]


@pytest.mark.parametrize(
    ("text", "owner", "due"),
    [
        ("Maria Keller has to send the report to the board by Friday.", "Maria Keller", "by Friday"),
        ("Tom must call the supplier in Gdansk before 3 March 2027.", "Tom", "before 3 March 2027"),
        (
            "The finance team will check all the invoices by the end of the month.",
            "The finance team",
            "by the end of the month",
        ),
        ("Ada: I'll write the minutes and send them round tomorrow.", "Ada", "tomorrow"),
        ("Action: book a room for the next meeting of the board.", "", ""),
        ("Please send me the signed contract by 2027-03-01 at the latest.", "", "by 2027-03-01"),
        ("Could you please look at the second draft of the offer?", "", ""),
        ("Frau Keller muss den Bericht bis Freitag an den Vorstand schicken.", "Frau Keller", "bis Freitag"),
        (
            "Der Einkauf soll bis zum 3. März 2027 drei Angebote einholen.",
            "Der Einkauf",
            "bis zum 3. März 2027",
        ),
        ("Herr Weber wird die Liste bis Ende Januar prüfen und verteilen.", "Herr Weber", "bis Ende Januar"),
        ("Anna Vogt: Ich kümmere mich um die Räume für das nächste Treffen.", "Anna Vogt", ""),
        ("Bitte schicken Sie mir den Vertrag bis 01.03.2027 zurück.", "", "bis 01.03.2027"),
        ("The invoices must be paid by Friday, said the bank.", "", "by Friday"),
        ("Action: the invoices must be paid in full.", "", ""),
        ("Tom must be in Gdansk by Friday with the contract.", "Tom", "by Friday"),
    ],
)
def test_a_task_is_found_with_who_and_when(text: str, owner: str, due: str) -> None:
    assert found(text) == [("action", owner, due)]


@pytest.mark.parametrize(
    "text",
    [
        "The committee decided to close the warehouse in Gdansk.",
        "Decision: the offer of the second supplier is taken.",
        "Der Vorstand hat beschlossen, das Lager in Danzig zu schließen.",
    ],
)
def test_a_decision_is_found(text: str) -> None:
    assert found(text) == [("decision", "", "")]


@pytest.mark.parametrize(
    "text",
    [
        "Revenue of Contoso rose by 12 % in the third quarter of the year.",
        "Maria Keller sent the report to the board on Friday morning.",
        "Who has the list of all the suppliers in Poland?",
        "It will be cold in the harbour during the whole of the winter.",
        "Der Umsatz der Contoso GmbH stieg im dritten Quartal um 12 Prozent.",
        "Notice has to be given three months before the end of a quarter.",
        "Die Kündigung muss drei Monate vor dem Quartalsende erklärt werden.",
        "Wir haben gestern lange über das Wetter am Hafen gesprochen.",
    ],
)
def test_what_gives_nobody_anything_to_do_is_left_out(text: str) -> None:
    assert found(text) == []
