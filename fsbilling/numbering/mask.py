"""Numbers for the log: enough to recognise a call one knows of, too little to call anybody."""

from __future__ import annotations

import re

MIN_DIGITS = 7
"""Fewer are an extension, a hotline or an emergency number: nobody's own."""

_SHOWN_TAIL = 3
_HIDDEN = 4
_DIGIT = re.compile(r"\d")


def mask(number: str) -> str:
    """Hide the four digits before the last three: `13800138000` -> `1380****000`.

    Separators stay where they are. A text with fewer than seven digits comes back as it is.
    """
    places = [match.start() for match in _DIGIT.finditer(number)]
    if len(places) < MIN_DIGITS:
        return number
    characters = list(number)
    for place in places[-_SHOWN_TAIL - _HIDDEN : -_SHOWN_TAIL]:
        characters[place] = "*"
    return "".join(characters)
