"""Lines of a PDF that nobody sees: minute, white on the bare page, clear, or never painted.

Text that is never painted is how text recognition lies over the picture of a page, so it is read where there is
anything drawn behind it. So is white text: its ground may be dark.
"""

import ctypes

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from app.documents.readers.hiding import SMALLEST_POINTS

Box = tuple[float, float, float, float]
_WHITE = 0xFA
_MOST_OBJECTS = 20_000
"""Of a page that are looked at; beyond them anything may be behind a line."""
_UNPAINTED = (
    pdfium_c.FPDF_TEXTRENDERMODE_INVISIBLE,
    pdfium_c.FPDF_TEXTRENDERMODE_CLIP,
)


class Unseen:
    """Tells it of the lines of one page, by their first character."""

    def __init__(self, page: pdfium.PdfPage, text_page: pdfium.PdfTextPage) -> None:
        self._page = page
        self._text_page = text_page
        self._found: list[Box] | None = None

    def is_unseen(self, box: Box, text_index: int) -> bool:
        """Whether a line is unseen, whose first character has this index in the page's text."""
        at = pdfium_c.FPDFText_GetCharIndexFromTextIndex(self._text_page, text_index)
        if at < 0:
            return False
        # A font of shapes may have boxes of no height.
        if 0.1 < box[3] - box[1] <= SMALLEST_POINTS:
            return True
        return self._is_unpainted(at) and not self._is_over_something(box)

    def _is_unpainted(self, at: int) -> bool:
        drawn = pdfium_c.FPDFText_GetTextObject(self._text_page, at)
        if drawn and pdfium_c.FPDFTextObj_GetTextRenderMode(drawn) in _UNPAINTED:
            return True
        red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
        known = pdfium_c.FPDFText_GetFillColor(self._text_page, at, red, green, blue, alpha)
        return bool(known) and (alpha.value == 0 or min(red.value, green.value, blue.value) >= _WHITE)

    def _is_over_something(self, box: Box) -> bool:
        if self._found is None:
            self._found = self._drawn()
        left, bottom, right, top = box
        return any(
            low_x < right and high_x > left and low_y < top and high_y > bottom
            for low_x, low_y, high_x, high_y in self._found
        )

    def _drawn(self) -> list[Box]:
        """The boxes of everything on the page that is no text."""
        count = pdfium_c.FPDFPage_CountObjects(self._page)
        if count > _MOST_OBJECTS:
            return [(float("-inf"), float("-inf"), float("inf"), float("inf"))]
        found: list[Box] = []
        for number in range(count):
            each = pdfium_c.FPDFPage_GetObject(self._page, number)
            kind = pdfium_c.FPDFPageObj_GetType(each)
            if kind == pdfium_c.FPDF_PAGEOBJ_TEXT:
                continue
            sides = [ctypes.c_float() for _ in range(4)]
            if pdfium_c.FPDFPageObj_GetBounds(each, *sides):
                left, bottom, right, top = (side.value for side in sides)
                found.append((left, bottom, right, top))
        return found
