"""Reversible division of text into words and punctuation marks.

A joiner mark shows where no space is between two tokens: `l'homme, (a)` is `l ￭'￭ homme ￭, (￭ a ￭)`. Exported graphs
follow the same rules, by the same regular expressions.
"""

import re

JOINER = "\uffed"
REPLACEMENT = "\u25a0"  # of a joiner mark in a text
_EDGE = "\x01"  # between two tokens without a space
SPACES = "[ \t\n\r\f\v\x01\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+"
# ASCII without letters, digits and _; then the punctuation and symbols of other blocks
MARKS = (
    "[!-/:-@\\[-^`{-~\u00a1-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7\u2010-\u2027\u2030-\u205e"
)
MARKS += "\u20a0-\u20bf\u2190-\u2bff\u3001-\u3003\u3008-\u3020\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]"
STEPS = (  # regular expressions and their replacements, in order
    (JOINER, REPLACEMENT),
    (SPACES, " "),
    (f"({MARKS})", f"{_EDGE}\\1{_EDGE}"),
    (f"{_EDGE}+", _EDGE),
    (f"{_EDGE}? {_EDGE}?", " "),
    (f"^[{_EDGE} ]+|[{_EDGE} ]+$", ""),
    (f"{_EDGE}({MARKS})", f" {JOINER}\\1"),
    (_EDGE, f"{JOINER} "),
)
JOINED = f" *{JOINER} *"  # is removed where tokens are joined


def split_with_joiners(text: str) -> list[str]:
    """Splits a text into words and punctuation marks.

    >>> split_with_joiners("L'homme, (a)...")
    ['L', "\uffed'\uffed", 'homme', '\uffed,', '(\uffed', 'a', '\uffed)', '\uffed.', '\uffed.', '\uffed.']
    """
    for pattern, replacement in STEPS:
        text = re.sub(pattern, replacement, text)
    return [token for token in text.split(" ") if token]


def join_with_joiners(text: str) -> str:
    """Removes the joiner marks, and the spaces around them, from tokens that are separated by spaces.

    >>> join_with_joiners(" ".join(split_with_joiners("L'homme, (a)...")))
    "L'homme, (a)..."
    """
    return re.sub(JOINED, "", text)
