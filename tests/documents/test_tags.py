import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.documents.runs import Item, runs_of, shown_text, stretches
from app.documents.segments import Run, RunKind, load_runs, runs_json
from app.documents.tags import Kept, escape, from_tags, unescape, with_tags
from app.documents.writers.pieces import fits

_TAG = re.compile(r"</?[gx]\d+/?>")
_TEXTS = st.text(st.sampled_from("ab c&;<>/gxlt12é\u00a0\n"), min_size=1, max_size=12) | st.sampled_from(
    ["<g1>", "</g2>", "<x3/>", "&lt;g1>", "&amp;", "R&D", "a < b > c", "< x1 />"]
)
_OPAQUE = st.sampled_from([kind for kind in RunKind if kind not in {RunKind.TEXT, RunKind.JOINT}])
_ITEMS = st.builds(Item, _TEXTS, st.just(RunKind.TEXT), st.sampled_from(["", "bold", "link"])) | st.builds(
    Item, st.sampled_from(["", "\n", "7"]), _OPAQUE
)
_RUNS = st.lists(st.lists(_ITEMS, min_size=1, max_size=6), min_size=1, max_size=3).map(
    lambda paragraphs: tuple(
        each.run for each in stretches(paragraphs, ["", " | ", "", " "][: len(paragraphs)])
    )
)
_BOLD = (Run("Pay "), Run("now", 1), Run(" or "), Run("", 2, RunKind.NOTE), Run("later.", 3))


def _tags(runs: tuple[Run, ...]) -> Counter[tuple[int, RunKind]]:
    return Counter((run.tag, run.kind) for run in runs if run.tag)


def _opaque(runs: tuple[Run, ...]) -> list[Run]:
    return sorted((run for run in runs if run.kind is not RunKind.TEXT), key=lambda run: run.tag)


@given(st.text(st.sampled_from("ab&;<>/ gx12lmp")) | _TEXTS)
def test_what_looks_like_a_tag_is_escaped_and_comes_back(text: str) -> None:
    assert unescape(escape(text)) == text
    assert not re.search(r"<\s*/?\s*[gx]\d+\s*/?\s*>", escape(text))


def test_ordinary_text_reaches_the_model_as_it_is() -> None:
    assert escape("R&D: a < b, <b>bold</b> &c.") == "R&D: a < b, <b>bold</b> &c."


@given(_RUNS)
def test_an_answer_that_is_the_question_gives_the_same_runs(runs: tuple[Run, ...]) -> None:
    found = from_tags(with_tags(runs), runs)
    if shown_text(runs).strip():
        assert (found.runs, found.kept, found.faults) == (runs, Kept.OK, ())


@given(_RUNS, st.randoms(use_true_random=False))
def test_a_permutation_within_paragraphs_keeps_every_tag_and_the_order_of_the_answer(
    runs: tuple[Run, ...], shuffle: "st.DrawFn"
) -> None:
    paragraphs: list[list[Run]] = [[]]
    borders: list[Run] = []
    for run in runs:
        if run.kind is RunKind.JOINT:
            borders.append(run)
            paragraphs.append([])
        else:
            paragraphs[-1].append(run)
    wanted: list[Run] = []
    for number, paragraph in enumerate(paragraphs):
        shuffle.shuffle(paragraph)  # type: ignore[attr-defined]
        wanted += [*(borders[number - 1 : number] if number else []), *paragraph]
    # Edges are put back where they were, whatever the answer: so none in this one.
    wanted = [Run("A"), *wanted, Run("Z")]
    source = (Run("A"), *runs, Run("Z"))
    found = from_tags(with_tags(wanted), source)
    assert found.kept is Kept.OK
    assert found.text == shown_text(wanted)
    order = [run.tag for run in wanted if run.tag]
    assert [run.tag for run in found.runs if run.tag] == order


@given(_RUNS, st.data())
def test_a_lost_tag_loses_no_text_and_nothing_opaque(runs: tuple[Run, ...], data: st.DataObject) -> None:
    asked = with_tags(runs)
    borders = {f"<x{run.tag}/>" for run in runs if run.kind is RunKind.JOINT}
    tags = [tag for tag in _TAG.findall(asked) if not tag.startswith("</") and tag not in borders]
    if not tags or not shown_text(runs).strip():
        return
    lost = data.draw(st.sampled_from(tags))
    answer = asked.replace(lost, "", 1).replace(lost.replace("<", "</"), "", 1)
    found = from_tags(answer, runs)
    assert found.kept in {Kept.REPAIRED, Kept.DEGRADED}
    assert "lost" in found.faults
    assert _opaque(found.runs) == _opaque(runs)
    # White space beside a lost tag at an end is the only thing that may differ.
    letters = [Counter("".join(text.split())) for text in (found.text, shown_text(runs))]
    assert letters[0] == letters[1]
    if "g" not in lost:
        assert found.kept is Kept.REPAIRED


@given(_RUNS, st.data())
def test_a_doubled_tag_degrades_the_segment_or_refuses_it(runs: tuple[Run, ...], data: st.DataObject) -> None:
    asked = with_tags(runs)
    tags = re.findall(r"<g\d+>[^<]*</g\d+>|<x\d+/>", asked)
    if not tags or not shown_text(runs).strip():
        return
    found = from_tags(f"{asked} {data.draw(st.sampled_from(tags))}", runs)
    assert found.kept in {Kept.DEGRADED, Kept.REFUSED}
    if found.kept is Kept.DEGRADED:
        assert "doubled" in found.faults
        assert _opaque(found.runs) == _opaque(runs)
        assert not any(run.tag for run in found.runs if run.kind is RunKind.TEXT)


@given(_RUNS, st.text(st.sampled_from("ab <>/gx123&lt;"), max_size=60))
def test_no_answer_loses_anything_opaque_or_invents_a_tag(runs: tuple[Run, ...], answer: str) -> None:
    found = from_tags(answer, runs)
    if found.kept is Kept.REFUSED:
        assert not found.runs
        return
    assert _opaque(found.runs) == _opaque(runs)
    assert set(_tags(found.runs)) <= set(_tags(runs))
    if found.kept in {Kept.OK, Kept.REPAIRED} and "emptied" not in found.faults:
        assert set(_tags(found.runs)) == set(_tags(runs))


@pytest.mark.parametrize(
    ("answer", "kept", "faults", "runs"),
    [
        (
            "<g3>Später</g3><x2/> oder <g1>jetzt</g1> zahlen",
            Kept.OK,
            (),
            [("Später", 3), ("", 2), (" oder ", 0), ("jetzt", 1), (" zahlen", 0)],
        ),
        (
            "Zahle <g1>jetzt</g1> oder <g3>später.</g3>",
            Kept.REPAIRED,
            ("lost",),
            [("Zahle ", 0), ("jetzt", 1), (" oder", 0), ("", 2), (" ", 0), ("später.", 3)],
        ),
        (
            "Pay now or <x2/><g3>later.</g3>",
            Kept.REPAIRED,
            ("lost",),
            [("Pay ", 0), ("now", 1), (" or ", 0), ("", 2), ("later.", 3)],
        ),
        (
            "Zahle jetzt oder <x2/><g3>später.</g3>",
            Kept.DEGRADED,
            ("lost",),
            [("Zahle jetzt oder ", 0), ("", 2), ("später.", 3)],
        ),
        (
            "Zahle <g1>jetzt</g1> oder <x2/><g3>später</g3><g9>.</g9>",
            Kept.DEGRADED,
            ("unknown",),
            [("Zahle jetzt oder ", 0), ("", 2), ("später.", 0)],
        ),
        (
            "Zahle <g1>jetzt oder <x2/><g3>später.</g3>",
            Kept.DEGRADED,
            ("malformed",),
            [("Zahle jetzt oder ", 0), ("", 2), ("später.", 0)],
        ),
        ("<g1></g1><x2/>", Kept.REFUSED, ("empty",), []),
    ],
)
def test_verdicts(answer: str, kept: Kept, faults: tuple[str, ...], runs: list[tuple[str, int]]) -> None:
    found = from_tags(answer, _BOLD)
    assert (found.kept, found.faults) == (kept, faults)
    assert [(run.text, run.tag) for run in found.runs] == runs


def test_a_literal_tag_that_comes_back_bare_is_text() -> None:
    runs = (Run("Write <g7> and &lt; for "), Run("bold", 1))
    assert with_tags(runs) == "Write &lt;g7> and &amp;lt; for <g1>bold</g1>"
    found = from_tags("Schreibe <g7> für <g1>fett</g1>", runs)
    assert (found.kept, found.text) == (Kept.OK, "Schreibe <g7> für fett")


def test_opaque_things_at_the_ends_are_not_shown_to_the_model() -> None:
    runs = (Run("", 1, RunKind.OBJECT), Run(" See the annex."), Run("", 2, RunKind.NOTE))
    assert with_tags(runs) == " See the annex."
    assert from_tags("Siehe Anhang.", runs).runs == (runs[0], Run(" Siehe Anhang."), runs[2])


def test_cells_keep_their_order_or_nothing_is_written() -> None:
    runs = (Run("Rent"), Run(" | ", 1, RunKind.JOINT), Run("100"), Run(" | ", 2, RunKind.JOINT), Run("due"))
    assert with_tags(runs) == "Rent<x1/>100<x2/>due"
    assert from_tags("Miete<x1/>100<x2/>fällig", runs).text == "Miete | 100 | fällig"
    for answer in ("Miete<x2/>100<x1/>fällig", "Miete 100<x2/>fällig", "Miete<x1/>100<x1/><x2/>fällig"):
        found = from_tags(answer, runs)
        assert (found.kept, found.runs) == (Kept.REFUSED, ())
        assert "borders" in found.faults


_CELLS = (
    Run("Rent"), Run("", 1, RunKind.NOTE), Run(" is "), Run("due", 2), Run(" | ", 3, RunKind.JOINT), Run("on "),
    Run("Friday", 4),
)  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "kept", "faults", "runs"),
    [
        (
            "Miete ist <g2>fällig</g2><x3/>am<x1/> <g4>Freitag</g4>",
            Kept.REPAIRED,
            ("moved",),
            [("Miete ist", 0), ("", 1), (" ", 0), ("fällig", 2), (" | ", 3), ("am ", 0), ("Freitag", 4)],
        ),
        (
            "Miete<x1/> ist <g4>fällig</g4><x3/>am <g2>Freitag</g2>",
            Kept.DEGRADED,
            ("moved",),
            [("Miete", 0), ("", 1), (" ist fällig", 0), (" | ", 3), ("am Freitag", 0)],
        ),
        (
            "Miete<x1/> ist <g2>fällig<x3/>am</g2> <g4>Freitag</g4>",
            Kept.DEGRADED,
            ("moved",),
            [("Miete", 0), ("", 1), (" ist ", 0), ("fällig", 2), (" | ", 3), ("am ", 0), ("Freitag", 4)],
        ),
        (
            "Rent<x1/> is due<x3/>due on <g4>Friday</g4>",
            Kept.REPAIRED,
            ("lost",),
            [("Rent", 0), ("", 1), (" is ", 0), ("due", 2), (" | ", 3), ("due on ", 0), ("Friday", 4)],
        ),
        (
            "Miete am <g4>Freitag</g4><x3/>",
            Kept.DEGRADED,
            ("lost", "moved", "emptied"),
            [("Miete am", 0), ("", 1), (" Freitag", 0), (" | ", 3)],
        ),
    ],
)
def test_nothing_goes_from_one_cell_into_another_unnoticed(
    answer: str, kept: Kept, faults: tuple[str, ...], runs: list[tuple[str, int]]
) -> None:
    found = from_tags(answer, _CELLS)
    assert (found.kept, found.faults) == (kept, faults)
    assert [(run.text, run.tag) for run in found.runs] == runs
    assert fits(found.runs, _CELLS)


def test_a_place_takes_no_runs_that_bring_a_thing_into_another_cell() -> None:
    assert fits(_CELLS, _CELLS)
    assert not fits((*_CELLS[:1], *_CELLS[2:], _CELLS[1]), _CELLS)


@given(_RUNS)
def test_runs_are_the_text_numbered_once_and_short_as_json(runs: tuple[Run, ...]) -> None:
    numbers = [run.tag for run in runs if run.tag]
    assert numbers == sorted(set(numbers))
    assert load_runs(runs_json(runs)) == runs


def test_what_most_of_a_paragraph_looks_like_needs_no_tag() -> None:
    found = stretches([[Item("All of it", key="bold"), Item(" ", key="plain"), Item("is bold", key="bold")]])
    assert [each.run for each in found] == [Run("All of it is bold")]
    assert runs_of(found) == ()


def test_a_row_shows_single_spaces_and_the_borders_of_its_cells() -> None:
    cells = [
        [Item(" two \n "), Item("\n", RunKind.BREAK), Item(" lines")],
        [Item("x"), Item(" ", key="b"), Item("  y ", key="b")],
    ]
    found = stretches(cells, ["", " |  | "], collapse=True)
    assert shown_text([each.run for each in found]) == "two lines |  | x y"
