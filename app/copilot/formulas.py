"""Excel formulas checked by a parser, and how other countries write them.

Files hold formulas in English with commas; what a person types depends on the language of their Excel.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import formualizer

from app.documents.readers.cells import column_number
from app.llm.errors import InvalidOutput

_NEVER = frozenset(
    {"WEBSERVICE", "HYPERLINK", "IMAGE", "FILTERXML", "RTD", "CALL", "REGISTER.ID", "INDIRECT"}
)
"""Functions that reach out of the workbook, or to cells that nobody can check."""
_RANGE = re.compile(
    r"(?:(?P<sheet>'(?:[^']|'')+'|[^'!:\[\]]+)!)?"
    r"\$?(?P<left>[A-Z]{1,3})?\$?(?P<top>\d{1,7})?(?::\$?(?P<right>[A-Z]{1,3})?\$?(?P<bottom>\d{1,7})?)?#?",
    re.IGNORECASE,
)
_GERMAN = dict(
    pair.split("=")
    for pair in [
        "ABS=ABS",
        "AND=UND",
        "AVERAGE=MITTELWERT",
        "AVERAGEIF=MITTELWERTWENN",
        "AVERAGEIFS=MITTELWERTWENNS",
        "CEILING=OBERGRENZE",
        "CHOOSE=WAHL",
        "CONCAT=TEXTKETTE",
        "CONCATENATE=VERKETTEN",
        "COUNT=ANZAHL",
        "COUNTA=ANZAHL2",
        "COUNTBLANK=ANZAHLLEEREZELLEN",
        "COUNTIF=ZÄHLENWENN",
        "COUNTIFS=ZÄHLENWENNS",
        "DATE=DATUM",
        "DATEDIF=DATEDIF",
        "DATEVALUE=DATWERT",
        "DAY=TAG",
        "DAYS=TAGE",
        "EDATE=EDATUM",
        "EOMONTH=MONATSENDE",
        "EXACT=IDENTISCH",
        "FALSE=FALSCH",
        "FILTER=FILTER",
        "FIND=FINDEN",
        "FLOOR=UNTERGRENZE",
        "HLOOKUP=WVERWEIS",
        "HOUR=STUNDE",
        "IF=WENN",
        "IFERROR=WENNFEHLER",
        "IFNA=WENNNV",
        "IFS=WENNS",
        "INDEX=INDEX",
        "INT=GANZZAHL",
        "IRR=IKV",
        "ISBLANK=ISTLEER",
        "ISERROR=ISTFEHLER",
        "ISNUMBER=ISTZAHL",
        "ISOWEEKNUM=ISOKALENDERWOCHE",
        "ISTEXT=ISTTEXT",
        "LARGE=KGRÖSSTE",
        "LEFT=LINKS",
        "LEN=LÄNGE",
        "LOOKUP=VERWEIS",
        "LOWER=KLEIN",
        "MATCH=VERGLEICH",
        "MAX=MAX",
        "MAXIFS=MAXWENNS",
        "MEDIAN=MEDIAN",
        "MID=TEIL",
        "MIN=MIN",
        "MINIFS=MINWENNS",
        "MINUTE=MINUTE",
        "MOD=REST",
        "MONTH=MONAT",
        "NETWORKDAYS=NETTOARBEITSTAGE",
        "NOT=NICHT",
        "NOW=JETZT",
        "NPV=NBW",
        "OFFSET=BEREICH.VERSCHIEBEN",
        "OR=ODER",
        "PMT=RMZ",
        "POWER=POTENZ",
        "PRODUCT=PRODUKT",
        "PROPER=GROSS2",
        "QUARTILE.INC=QUARTILE.INKL",
        "RANK.EQ=RANG.GLEICH",
        "REPLACE=ERSETZEN",
        "REPT=WIEDERHOLEN",
        "RIGHT=RECHTS",
        "ROUND=RUNDEN",
        "ROUNDDOWN=ABRUNDEN",
        "ROUNDUP=AUFRUNDEN",
        "ROW=ZEILE",
        "ROWS=ZEILEN",
        "COLUMN=SPALTE",
        "COLUMNS=SPALTEN",
        "SEARCH=SUCHEN",
        "SEQUENCE=SEQUENZ",
        "SMALL=KKLEINSTE",
        "SORT=SORTIEREN",
        "SORTBY=SORTIERENNACH",
        "SQRT=WURZEL",
        "STDEV.P=STABW.N",
        "STDEV.S=STABW.S",
        "SUBSTITUTE=WECHSELN",
        "SUBTOTAL=TEILERGEBNIS",
        "SUM=SUMME",
        "SUMIF=SUMMEWENN",
        "SUMIFS=SUMMEWENNS",
        "SUMPRODUCT=SUMMENPRODUKT",
        "SWITCH=ERSTERWERT",
        "TEXT=TEXT",
        "TEXTJOIN=TEXTVERKETTEN",
        "TIME=ZEIT",
        "TODAY=HEUTE",
        "TRIM=GLÄTTEN",
        "TRUE=WAHR",
        "TRUNC=KÜRZEN",
        "UNIQUE=EINDEUTIG",
        "UPPER=GROSS",
        "VALUE=WERT",
        "VAR.S=VAR.S",
        "VLOOKUP=SVERWEIS",
        "WEEKDAY=WOCHENTAG",
        "WEEKNUM=KALENDERWOCHE",
        "WORKDAY=ARBEITSTAG",
        "XLOOKUP=XVERWEIS",
        "XMATCH=XVERGLEICH",
        "YEAR=JAHR",
    ]
)


@dataclass(frozen=True)
class Area:
    """The cells that a formula may refer to: from a first row down, from one column to another, counted from 0."""

    worksheet: str
    top: int
    left: int
    right: int


@dataclass(frozen=True)
class CheckedFormula:
    """A formula that parses, with what it calls and what it refers to, each once in order."""

    text: str
    functions: tuple[str, ...]
    references: tuple[str, ...]


def check_formula(text: str, area: Area | None) -> CheckedFormula:
    """Parse a formula; its functions are known, its references within the area. Raises: InvalidOutput."""
    text = text.strip()
    if not text.startswith("=") or len(text) > 8_000 or "\n" in text:
        raise InvalidOutput("not_a_formula: the formula does not begin with =")
    tokens = _tokens(text)
    functions = dict.fromkeys(token.value[:-1].strip().upper() for token in tokens if _is_call(token))
    for name in functions:
        if name in _NEVER:
            raise InvalidOutput("forbidden_function: the formula reaches out of the workbook")
        if not is_function(name):
            raise InvalidOutput("unknown_function: the formula calls a function that Excel does not have")
    references = dict.fromkeys(token.value for token in tokens if str(token.subtype) == "Range")
    for reference in references:
        _check_reference(reference, area)
    return CheckedFormula(text, tuple(functions), tuple(references))


@lru_cache(maxsize=512)
def is_function(name: str) -> bool:
    """Whether Excel has such a function, as the parser's own calculation knows it."""
    if not re.fullmatch(r"[A-Z][A-Z0-9.]{0,40}", name):
        return False
    workbook = formualizer.Workbook()
    workbook.add_sheet("S")
    workbook.set_formula("S", 1, 1, f"={name}()")
    value: Any = workbook.evaluate_cell("S", 1, 1)
    return not (isinstance(value, dict) and value.get("kind") == "Name")


def in_german(text: str) -> str | None:
    """The formula as German Excel shows it; None if it calls a function whose German name is not known here."""
    found: list[str] = []
    array = 0
    for token in _tokens(text):
        value, kind, subtype = token.value, str(token.token_type), str(token.subtype)
        array += (kind == "Array") * (1 if subtype == "Open" else -1)
        if _is_call(token):
            name = _GERMAN.get(value[:-1].strip().upper())
            if name is None:
                return None
            value = f"{name}("
        elif kind == "Sep":
            # Rows of an array keep the semicolon, its columns are set apart by a point.
            value = "." if array and subtype == "Arg" else ";"
        elif subtype == "Number":
            value = value.replace(".", ",")
        elif subtype == "Logical":
            value = _GERMAN[value.upper()]
        found.append(value)
    return "=" + "".join(found)


def _tokens(text: str) -> list[Any]:
    try:
        formualizer.parse(text)
        return list(formualizer.tokenize(text).tokens())
    except (formualizer.ParserError, formualizer.TokenizerError):
        raise InvalidOutput("not_a_formula: the formula does not parse") from None


def _is_call(token: Any) -> bool:
    return (str(token.token_type), str(token.subtype)) == ("Func", "Open")


def _check_reference(reference: str, area: Area | None) -> None:
    found = _RANGE.fullmatch(reference)
    if found is None or not (found["left"] or found["top"]):
        raise InvalidOutput("unknown_reference: the formula refers to a name that is not in the range")
    if area is None:
        return
    sheet = (found["sheet"] or area.worksheet).strip("'").replace("''", "'")
    if sheet.casefold() != area.worksheet.casefold():
        raise InvalidOutput("unknown_reference: the formula refers to another worksheet")
    columns = [column_number(found[side]) for side in ("left", "right") if found[side]]
    rows = [int(found[side]) - 1 for side in ("top", "bottom") if found[side]]
    if any(not area.left <= column <= area.right for column in columns) or any(
        row < area.top for row in rows
    ):
        raise InvalidOutput("unknown_reference: the formula refers to cells outside the range")
