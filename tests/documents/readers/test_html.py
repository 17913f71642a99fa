import pytest

from app.documents.errors import NoText, TooComplex
from app.documents.readers import html
from app.documents.segments import Segment, TextAnchor


def _told(markup: str) -> list[tuple[str, str, str | None]]:
    return [(each.kind.value, each.text, each.table_header) for each in html.read(markup.encode()).segments]


def test_blocks_keep_their_kind_and_headings() -> None:
    found = html.read(
        b"<title>Page</title><h1>One</h1><p>A <a href='https://x.example'>link</a>,\n a <b>word</b><br>and a line."
        b"<div>loose <p>inner</p> tail</div><h2>Two</h2><ul><li>first<ul><li>nested</ul><li>second</ul><p>end"
        b"<pre>\n  code\n    deep</pre>"
    )
    assert [(each.kind.value, each.text, each.heading_path) for each in found.segments] == [
        ("paragraph", "Page", ()),
        ("heading", "One", ()),
        ("paragraph", "A link, a word\nand a line.", ("One",)),
        ("paragraph", "loose", ("One",)),
        ("paragraph", "inner", ("One",)),
        ("paragraph", "tail", ("One",)),
        ("heading", "Two", ("One",)),
        ("list_item", "first", ("One", "Two")),
        ("list_item", "nested", ("One", "Two")),
        ("list_item", "second", ("One", "Two")),
        ("paragraph", "end", ("One", "Two")),
        ("code", "code\n    deep", ("One", "Two")),
    ]
    assert found.notes == {"links": 1}


def test_tables_of_data_are_rows_and_tables_of_layout_are_not() -> None:
    data = "<table><tr><th>A<th>B<tr><td>1<td>2 <i>x</i><tr><td><td>3</table>"
    assert _told(data) == [
        ("table_row", "A | B", None),
        ("table_row", "1 | 2 x", "A | B"),
        ("table_row", "| 3", "A | B"),
    ]
    layout = f"<table><tr><td><p>Left</p>{data}</td></tr></table>"
    assert _told(layout) == [("paragraph", "Left", None), *_told(data)]


@pytest.mark.parametrize(
    "hidden",
    [
        "<p hidden>secret</p>",
        "<p style='color:red; DISPLAY : none'>secret</p>",
        "<span style='font-size:0px'>secret</span>",
        "<div style='opacity: 0'><p>secret</p></div>",
        "<p style='mso-hide:all'>secret</p>",
        "<style>.x, .y{visibility:hidden}</style><p class='a y'>secret</p>",
        "<style>@import 'a'; #z{display:none}</style><table><tr id=z><td>secret<td>secret</table>",
    ],
)
def test_hidden_elements_are_counted_and_not_read(hidden: str) -> None:
    found = html.read(f"<p>Shown</p>{hidden}".encode())
    assert [segment.text for segment in found.segments] == ["Shown"]
    assert found.notes == {"hidden_text": 1}


def test_what_is_only_half_transparent_or_hidden_in_print_is_shown() -> None:
    markup = "<style>@media print{.x{display:none}}</style><p class=x>a</p><p style='opacity:0.5;font-size:10px'>b</p>"
    assert [text for _, text, _ in _told(markup)] == ["a", "b"]


def test_scripts_comments_and_alternatives_are_no_text() -> None:
    markup = "<p>a<!-- c --><script>s</script><noscript>n</noscript><template>t</template><svg><text>v</text></svg>"
    assert [text for _, text, _ in _told(markup)] == ["a"]
    with pytest.raises(NoText, match="scripts"):
        html.read(b"<script>s</script>")


def test_an_anchor_is_the_place_in_the_shown_text() -> None:
    found = html.read("<p>😀 one<p>two<br>three<p>four".encode()).segments
    shown = "\n".join(segment.text for segment in found).encode("utf-16-le")

    def there(segment: Segment) -> str:
        anchor = segment.anchor
        assert isinstance(anchor, TextAnchor)
        return shown[2 * anchor.offset : 2 * (anchor.offset + anchor.length)].decode("utf-16-le")

    assert [there(segment) for segment in found] == [segment.text for segment in found]
    assert [segment.anchor.line for segment in found if isinstance(segment.anchor, TextAnchor)] == [1, 2, 4]


def test_the_page_says_its_encoding() -> None:
    assert _told("<meta charset=utf-8><p>Größe")[0][1] == "Größe"
    content = "<meta http-equiv=Content-Type content='text/html; charset=iso-8859-2'><p>Łódź".encode(
        "iso-8859-2"
    )
    assert html.read(content).segments[0].text == "Łódź"


def test_elements_without_end_are_refused_before_they_are_parsed() -> None:
    with pytest.raises(TooComplex, match="deep"):
        html.read(b"<div>" * 100_000)
    assert len(html.read(b"<p>a<li>b<td>c" * 5_000).segments) == 10_000
