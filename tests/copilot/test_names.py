"""Names that the source does not have."""

import pytest

from app.copilot.names import SourceNames

EN = "The European Commission met Maria Keller of Contoso in Munich on 3 May. ACME's board agreed. Müller-Lüdenscheidt left."
DE = "Die Geschäftsführung der Contoso GmbH traf Herrn Müller in Hamburg. Die Umsätze der Firma stiegen im Mai stark."


@pytest.mark.parametrize(
    "sentence",
    [
        "The Commission met Keller.",
        "Overall, Contoso’s people agreed with ACME.",
        "However, the EC agreed in Munich.",
        "The meeting was in May in Munich.",
        "Talks with Müller-Lüdenscheidt ended; I think Lüdenscheidt left.",
        "Agreement. Nobody minded.",
        'She said: "Nobody minds."',
    ],
)
def test_names_of_the_source_are_known(sentence: str) -> None:
    assert not SourceNames(EN, "en").missing(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "The Commission met Elon Musk.",
        "Elon Musk met the Commission.",
        "They met in Zurich.",
        "A contract with SAP was signed.",
        "The meeting was in June.",
        "It was signed by Dr. Weber.",
        "It was signed by J. Weber.",
        "The iPhone was discussed.",
    ],
)
def test_foreign_names_are_found(sentence: str) -> None:
    assert SourceNames(EN, "en").missing(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Die Leitung sprach mit Müller über den Anstieg.",
        "Contosos Führung sieht einen Rückgang der Kosten.",
        "Im Mai wuchs die Firma.",
    ],
)
def test_german_nouns_are_no_names(sentence: str) -> None:
    assert not SourceNames(DE, "de").missing(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Das Treffen leitete Elon Musk persönlich.",
        "Der Vertrag wurde mit SAP geschlossen.",
        "Es unterschrieb Herr Weber.",
    ],
)
def test_foreign_names_are_found_in_german(sentence: str) -> None:
    assert SourceNames(DE, "de").missing(sentence)


def test_inflected_names_are_known_where_names_are_inflected() -> None:
    assert not SourceNames("Premiér Petr Novák přijel do Prahy.", "cs").missing(
        "Setkali se s Novákem v Praze."
    )
    assert SourceNames("Premiér Petr Novák přijel do Prahy.", "cs").missing("Setkali se v Ostravě.")
