"""Good translations and rewrites, as people write them, are not refused; the same with a mistake in them is."""

from time import process_time

import pytest

from app.copilot.dates import without_same_dates
from app.copilot.figures import SourceFigures, stated_figures, units
from app.copilot.writing_checks import Rewriting, check_figures, check_kept_names
from app.llm.errors import InvalidOutput

_GOOD = [
    ("de", "Der Vertrag endet am 3. September 2024.", "en", "The contract ends on Sept. 3, 2024."),
    ("de", "Am 15. Dezember 2024 beschlossen.", "de", "Beschlossen am 15. Dez. 2024."),
    ("fr", "Le rapport du 12 février 2024", "fr", "Le rapport (12 févr. 2024)"),
    ("de", "Der Bericht vom 12.03. liegt vor.", "en", "The report of March 12 is available."),
    ("en", "Valid until December 31.", "de", "Gültig bis 31.12."),
    (
        "de",
        "Am 12.03. und am 3. Mai 2024 stieg es auf 3,5.",
        "en",
        "On March 12 and May 3, 2024 it rose to 3.5.",
    ),
    ("de", "Am Montag um 8.30 Uhr", "en", "On Monday at 8:30 am"),
    ("de", "Um 20.15 Uhr", "en", "At 8:15 p.m."),
    ("en", "From 8 pm", "de", "Ab 20.00 Uhr"),
    ("de", "Herr Müller kaufte 3 Stück zu je 1.000 €.", "en", "Mr Müller bought 3 pieces at €1,000 each."),
    ("es", "El Sr. Gómez llegó.", "en", "Mr Gómez arrived."),
    ("de", "Es kostet 500 Franken.", "fr", "Cela coûte 500 francs."),
    ("en", "It costs £5 or 50p.", "de", "Es kostet 5 Pfund oder 50 Pence."),
    ("en", "It costs 5 pounds sterling.", "es", "Cuesta 5 libras esterlinas."),
    ("fr", "Les 5 livres sont arrivés.", "en", "The 5 books have arrived."),
    ("de", "10 Prozentpunkte mehr", "es", "10 puntos porcentuales más"),
    ("en", "10 percentage points", "fr", "10 points de pourcentage"),
    ("en", "The percentage of women rose.", "de", "Der Frauenanteil stieg."),
    ("en", "The margin of 2023/24 was 7-8%.", "de", "Die Marge von 2023/2024 lag bei 7–8 %."),
    ("en", "30 years at 3¼%", "de", "30 Jahre zu 3,25 %"),
    ("en", "The 20th anniversary", "de", "Das zwanzigste Jubiläum"),
    ("de", "Der 20. Jahrestag", "en", "The twentieth anniversary"),
    ("en", "The 13th floor", "fr", "Le treizième étage"),
    ("en", "The 21st century", "fr", "Le XXIe siècle"),
    ("fr", "Le XXIe siècle", "en", "The 21st century"),
    ("es", "En el siglo XIX", "de", "Im 19. Jahrhundert"),
    ("fr", "L'UE et l'ONU", "en", "The EU and the UN"),
    ("de", "Die Müller GmbH kaufte 2 PKWs.", "en", "Müller Ltd. bought 2 cars."),
    ("en", "NGOs hire PhD students.", "fr", "Les ONG recrutent des doctorants."),
    ("en", "Mr. O'Brien's car", "de", "Das Auto von Herrn O’Brien"),
    ("en", "FY2023: CO2 fell by 3% on 2 km2.", "fr", "Exercice 2023 : le CO₂ a baissé de 3 % sur 2 km²."),
    ("de", "Das dritte Quartal war stark.", "en", "Q3 was strong."),
]
_BAD = [
    ("de", "Der Bericht vom 12.03. liegt vor.", "en", "The report of March 21 is available."),
    ("de", "Um 20.15 Uhr", "en", "At 9:15 p.m."),
    ("de", "Es kostet 500 Franken.", "fr", "Cela coûte 500 euros."),
    ("de", "Herr Müller kam.", "en", "Mr Maier came."),
    ("en", "The 21st century", "fr", "Le XXe siècle"),
    ("en", "CO2 fell.", "fr", "Le méthane a baissé."),
    ("en", "an iPhone of McKinsey's", "de", "ein Telefon von McKinsey"),
    ("en", "The margin of 2023/24", "de", "Die Marge von 2023/2025"),
    ("en", "30 years at 3¼%", "de", "30 Jahre zu 3,5 %"),
    ("en", "On 3 May 2024 it rose to 3.5.", "en", "On 3 May 2024 it rose."),
]


def _check(source: str, target: str, languages: Rewriting) -> None:
    check_figures(source, target, languages, "B1")
    if languages.source != languages.target:
        check_kept_names(source, target, "B1")


@pytest.mark.parametrize(("before", "source", "after", "target"), _GOOD)
def test_what_people_write_passes(before: str, source: str, after: str, target: str) -> None:
    _check(source, target, Rewriting(before, after))


@pytest.mark.parametrize(("before", "source", "after", "target"), _BAD)
def test_a_mistake_of_that_kind_does_not(before: str, source: str, after: str, target: str) -> None:
    with pytest.raises(InvalidOutput, match=r"missing|changed|unsupported"):
        _check(source, target, Rewriting(before, after))


@pytest.mark.parametrize(
    ("source", "claim", "language"),
    [
        ("Sales in the third quarter were strong.", "Q3 sales were strong.", "en"),
        ("Umsatz im dritten Quartal", "Umsatz im 3. Quartal", "de"),
        ("The twentieth meeting", "The 20th meeting", "en"),
        ("Frist: 31.12.", "Die Frist endet am 31. Dezember.", "de"),
        ("am 3. Sept. 2024", "am 3. September 2024", "de"),
        ("Beginn 8.30 Uhr", "Beginn um 8:30 Uhr", "de"),
        ("in thousands of EUR: 12,400", "EUR 12.4 million", "en"),
        ("20 Mio. Fr.", "20 Millionen Franken", "de"),
    ],
)
def test_a_summary_may_say_it_in_its_own_way(source: str, claim: str, language: str) -> None:
    known = SourceFigures.of(source)
    assert all(map(known.supports, stated_figures(claim, language)))
    assert units(claim) <= known.units


def test_figures_and_dates_of_a_long_text_take_time_in_its_length_alone() -> None:
    text = "May 5 and " * 10_000
    begun = process_time()
    assert without_same_dates(text, text) == (" ;  and " * 10_000,) * 2
    assert len(stated_figures(text, "en")) == 20_000
    assert process_time() - begun < 2
