"""By which language Word and PowerPoint check the spelling of a text: a language with a region, as they name it."""

_REGIONS = {
    "ar": "SA", "bg": "BG", "bs": "BA", "ca": "ES", "cs": "CZ", "cy": "GB", "da": "DK", "de": "DE", "el": "GR",
    "en": "US", "es": "ES", "et": "EE", "eu": "ES", "fa": "IR", "fi": "FI", "fr": "FR", "ga": "IE", "gl": "ES",
    "he": "IL", "hi": "IN", "hr": "HR", "hu": "HU", "hy": "AM", "id": "ID", "is": "IS", "it": "IT", "ja": "JP",
    "ka": "GE", "kk": "KZ", "ko": "KR", "lb": "LU", "lt": "LT", "lv": "LV", "mk": "MK", "ms": "MY", "mt": "MT",
    "nb": "NO", "nl": "NL", "nn": "NO", "pl": "PL", "pt": "BR", "ro": "RO", "ru": "RU", "sk": "SK", "sl": "SI",
    "sq": "AL", "sv": "SE", "th": "TH", "tr": "TR", "uk": "UA", "ur": "PK", "vi": "VN", "zh": "CN",
}  # fmt: skip
"""Where most of a language's readers are (CLDR, likely subtags), but for Arabic, whose usual tag in Office is this."""
_NAMES = {"no": "nb"}
_EAST_ASIAN = frozenset({"ja", "ko", "zh"})
_RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur"})


def proofing_tag(language: str) -> str:
    """`de` becomes `de-DE`; a language whose region is not known stays as it is."""
    name = _NAMES.get(language, language)
    region = _REGIONS.get(name)
    return name if region is None else f"{name}-{region}"


def word_attribute(language: str) -> str:
    """Which attribute of `w:lang` holds a language of its script (ISO/IEC 29500-1, 17.3.2.20)."""
    if language in _EAST_ASIAN:
        return "eastAsia"
    return "bidi" if language in _RIGHT_TO_LEFT else "val"
