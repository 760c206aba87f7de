"""Text that both databases can keep.

PostgreSQL refuses NUL and neither takes a lone surrogate. Both can come off the wire, percent
encoded, from a caller (DESIGN rule 7): such text must not turn into an SQL fault.
"""

from __future__ import annotations

REPLACEMENT = "\ufffd"


def storable(text: str) -> bool:
    """Whether the databases can hold this text; when not, no row can have it as its key."""
    return text == clean(text)


def clean(text: str) -> str:
    """The text with each character that cannot be stored replaced by U+FFFD."""
    if text.isascii():
        return text.replace("\0", REPLACEMENT)
    return "".join(
        REPLACEMENT if char == "\0" or "\ud800" <= char <= "\udfff" else char for char in text
    )
