"""What becomes of a file name that somebody sends: something to show, never a place to write to."""

import re
import unicodedata

LONGEST = 255
_UNNAMED = "document"
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"
"""Invisible, and part of words and emoji."""
"""Controls, formats (they can turn the order of letters around), halves of pairs, unassigned."""


def display_name(hint: str) -> str:
    """The last part of a path, in composed form, without what cannot be seen; "document" if nothing is left.

    Longer names than `LONGEST` characters lose their middle, so that the ending stays.
    """
    last = re.split(r"[/\\]", hint)[-1]
    seen = "".join(
        one
        for one in unicodedata.normalize("NFC", last)
        if one in _JOINERS or unicodedata.category(one) not in _INVISIBLE
    )
    name = " ".join(seen.split())
    if not name.strip(". "):
        return _UNNAMED
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 33]}…{name[-32:]}"
