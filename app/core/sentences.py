"""Cutting text into sentences, in any language and without losing a character."""

import sentencex


def split_sentences(text: str, language: str) -> list[str]:
    """The sentences of `text` with the white space around them; joined they are `text` again.

    `language` is ISO 639-1; an unknown one falls back to English rules, which also know CJK stops.
    """
    if not text:
        return []
    code = language if len(language) == 2 else "en"
    pieces: list[str] = []
    end = 0
    for boundary in sentencex.get_sentence_boundaries(code, text):
        piece = text[boundary["start_index"] : boundary["end_index"]]
        if boundary["start_index"] != end or not piece:
            return [text]
        if pieces and not piece.strip():
            pieces[-1] += piece
        else:
            pieces.append(piece)
        end = boundary["end_index"]
    return pieces if end == len(text) else [text]
