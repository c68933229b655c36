"""Tokens of texts: characters, words, punctuation marks."""

import re

import numpy as np

CODE_POINTS = 0x110000


def split_words(text: str) -> list[str]:
    """Splits text at spaces; newlines are tokens. Exported graphs follow the same rule."""
    return [word for word in re.sub(r"[ \t\r\f\v]+", " ", text).replace("\n", " \n ").split(" ") if word]


PUNCTUATION = "[^A-Za-z0-9_ \t\n\r\f\v\u0080-\U0010ffff]"


def split_words_and_punctuation(text: str) -> list[str]:
    """Splits text into words and single punctuation marks. Exported graphs follow the same rule.

    A word consists of ASCII letters, digits, underscores and all characters that are not ASCII.
    """
    return [t for t in re.split("[ \t\n\r\f\v]+", re.sub(f"({PUNCTUATION})", r" \1 ", text)) if t]


def code_points(text: str) -> np.ndarray:
    """Returns the Unicode code points of a text."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "uint32")
