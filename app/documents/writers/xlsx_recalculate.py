"""Formulas over cells that have changed: their results in the file are of the old texts, and Excel shows those."""

from lxml import etree

from app.documents.readers.xml import Element, child, name_of

_BEFORE = frozenset(
    {"x:sheets", "x:functionGroups", "x:externalReferences", "x:definedNames"},
)
"""What stands in a workbook just before how it is calculated (ECMA-376 part 1, 18.2.27)."""


def recalculate(workbook: Element) -> bool:
    """Have Excel work out every formula when it opens the workbook; whether that had to be said."""
    told = child(workbook, "x:calcPr")
    if told is None:
        places = [at for at, each in enumerate(workbook) if name_of(each) in _BEFORE]
        if not places:
            return False
        told = etree.Element(f"{{{etree.QName(workbook).namespace}}}calcPr")
        workbook.insert(places[-1] + 1, told)
    if told.get("fullCalcOnLoad") in {"1", "true"}:
        return False
    told.set("fullCalcOnLoad", "1")
    return True
