"""Markup and addresses in a sentence: following or fetching one could carry text away.

Everything is judged as a reader's program would see it: without invisible characters, with character
references and wide forms resolved.
"""

import html
import re
import unicodedata
from collections.abc import Sequence

_TAG = (
    # A tag, but not a mail address in angle brackets.
    r"<(?:[!?/]|[a-z](?![\w.+-]*@[\w.-]+>))[^<>]*>"
    # A comment or a tag with attributes, which what follows may close.
    r"|<!--|<[a-z](?=[^<>=]*[\s/])[^<>=]*="
)
_MARKUP = re.compile(rf"!\[|\]\(|{_TAG}", re.IGNORECASE)
_NEVER = re.compile(
    r"\b(?:data|file|javascript|vbscript|blob):\S"
    # \\host\share and //host: whatever opens them signs in there.
    r"|\\\\[\w.?[-]|(?<![\w:/\\])[/\\]{2}[\w[]",
    re.IGNORECASE,
)
_SCHEMES = r"https?|wss?|s?ftps?|mailto|tel|sms|callto|ms-[a-z-]+|search-ms|onenote|outlook|intent|ldaps?|smb"
_COMMON = (
    "com|net|org|info|biz|io|ai|dev|app|edu|gov|mil|xyz|top|site|online|shop|store|club|cloud|tech|link|click"
    "|live|icu|work|page|web|example"
)
# Not when capitalized: a sentence that follows without a space begins so. No endings of common files.
_COUNTRIES = (
    "de|uk|fr|es|it|nl|be|ch|at|pl|ru|cn|jp|br|au|ca|us|eu|co|me|tv|cc|ws|to|ly|in|is|no|se|fi|dk|cz|pt|gr|ie"
    "|nz|za|kr|tw|hk|sg|mx|ar|tk|ml|ga|cf|gg|su|ua|tr|il|ro|hu|sk"
)
_LABELS = r"(?<![\w.@-])(?:[\w-]+\.)+"
_ADDRESS = re.compile(
    rf"(?<![a-z0-9])(?:[a-z][a-z0-9+.-]{{0,20}}://|(?:{_SCHEMES}):)\S+"
    r"|\bwww\.\S+"
    r"|(?<![\w.+-])[\w.+-]+@(?:[\w-]+\.)+[\w-]+"
    # A name counts as a host for its path or query, or for its ending; a figure as one with four parts.
    rf"|{_LABELS}(?:[^\W\d_]|xn--)[\w-]+(?::\d+)?(?:/|[?#](?=[\w%&=-]))\S*"
    r"|(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?[/?]\S+"
    rf"|{_LABELS}(?:{_COMMON}|(?-i:{_COUNTRIES}|{_COUNTRIES.upper()}))(?![\w-]|\.\w)(?::\d+)?",
    re.IGNORECASE,
)
_AFTER = ".,;:!?…。、)]}>\"'”’»*"
_ENDS = re.compile(r"[.,;:!?…]*(?:\Z|[\s\"'<>()\[\]{}|`*]|[^\x00-\x7f])")


def has_markup(text: str) -> bool:
    """Whether there is an HTML tag, an image or a link of Markdown."""
    return _MARKUP.search(_seen(text)) is not None


def has_harmful_address(text: str) -> bool:
    """Whether there is an address that is never delivered: data:, file:, javascript:, UNC, no scheme."""
    return _NEVER.search(_seen(text)) is not None


def find_addresses(text: str) -> list[str]:
    """URLs, hosts and mail addresses, each up to white space, without the sentence's punctuation."""
    return [match.group().rstrip(_AFTER) for match in _ADDRESS.finditer(_seen(text))]


def stand_in(addresses: Sequence[str], source: str) -> bool:
    """Whether each address is in the source as a whole: neither lengthened nor cut."""
    seen = _seen(source) if addresses else ""
    return all(_stands_in(address, seen) for address in addresses)


def _stands_in(address: str, seen: str) -> bool:
    _, _, rest = address.rpartition("://")
    # Paths and queries tell capitals apart, and could carry something in them.
    flags = re.NOFLAG if re.search(r"[/?#]", rest) else re.IGNORECASE
    # Scripts without spaces write on right before a URL.
    before = "a-zA-Z0-9_" if rest != address else r"\w"
    found = re.finditer(rf"(?<![{before}./\\@%&=?#+-]){re.escape(address)}", seen, flags)
    return any(_ENDS.match(seen, match.end()) for match in found)


def _seen(text: str) -> str:
    unescaped = html.unescape(text)
    if unescaped.isascii() and unescaped.isprintable():
        return unescaped
    resolved = unicodedata.normalize("NFKC", unescaped)
    return "".join(
        character
        for character in resolved
        if character.isspace() or unicodedata.category(character) not in {"Cf", "Cc", "Cs", "Co"}
    )
