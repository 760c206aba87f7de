"""How a number is written: from what a switch sent to bare digits.

Everything here is chosen by a caller (DESIGN rule 7), so the work is bounded: a text longer than
`MAX_TEXT` is not read at all. It is not cut and then read either, because a cut number is another
number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_TEXT = 256
MAX_DIALLED = 64
MAX_DIGITS = 32

_FULL_WIDTH = {0xFF01 + i: 0x21 + i for i in range(94)}
_DASHES = dict.fromkeys([*range(0x2010, 0x2016), 0x2212], ord("-"))
_PLAIN = str.maketrans(_FULL_WIDTH | _DASHES | {0x3000: " ", 0xA0: " "})

_SCHEME = re.compile(r"<? *(?:sips?|tel):", re.IGNORECASE)
_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_SEPARATORS = re.compile(r"[- ./()]+")
_DIGITS = re.compile(rf"\+?[0-9]{{1,{MAX_DIGITS}}}")
_EXTENSION_MARK = re.compile(
    r"(?:[,;#*]|ext\.?|x|p|w|转|轉|分机){1,3}[ .:=]{0,3}[0-9]{1,8}$", re.IGNORECASE
)
_LAST_GROUP = re.compile(r"-[0-9]{1,6}$")

_HIDDEN_WORDS = re.compile(
    r"anonymous|unavailable|restricted|unknown|withheld|private|privacy|hidden|blocked"
    r"|nocallerid|outofarea|匿名|未知|无主叫"
)
_HIDDEN_ZEROS = re.compile(r"0{3,}")
_MAX_HIDDEN_DIGITS = 4


def printable(text: str) -> str:
    """Cut to at most `MAX_DIALLED` printable characters: safe in SQL, in a log, on a terminal."""
    shown = text[:MAX_TEXT]
    if not shown.isprintable():
        shown = "".join(filter(str.isprintable, shown))
    return shown[:MAX_DIALLED]


def user_part(text: str) -> str:
    """Take what names the party: the user of a `sip:`, `sips:` or `tel:` URI, else the text itself.

    A `sip:` URI without `@` has a host and no user (RFC 3261, 19.1.1), and a host that is an
    IPv4 address must not pass for a number; that is left to `digit_readings`.
    """
    if len(text) > MAX_TEXT:
        return "?"
    if not text.isascii():
        text = text.translate(_PLAIN)
    text = text.strip()
    scheme = _SCHEME.match(text)
    if scheme:
        text = text[scheme.end() :].partition(">")[0].partition("@")[0].partition(":")[0]
        user, _, parameters = text.partition(";")
        extension = re.search(r"(?:^|;)(ext=[0-9]{1,8})(?:;|$)", parameters)
        text = f"{user};{extension[1]}" if extension else user
        return re.sub("%2b", "+", text, flags=re.IGNORECASE).strip()
    return text.partition("@")[0].strip()


def is_hidden(user: str) -> bool:
    """Whether the caller withheld the number.

    That is a word such as `anonymous` (a country code may stand before it), nothing at all, or
    zeros only: FreeSWITCH itself writes 0000000000 (SWITCH_DEFAULT_CLID_NUMBER, switch_types.h).
    """
    if not user or _HIDDEN_ZEROS.fullmatch(user):
        return True
    words = "".join(filter(str.isalpha, user)).lower()
    few_digits = sum(map(str.isdigit, user)) <= _MAX_HIDDEN_DIGITS
    return few_digits and _HIDDEN_WORDS.fullmatch(words) is not None


def digit_readings(user: str) -> Iterator[tuple[str, bool]]:
    """Yield the ways to read the text as digits, likeliest first, with whether one has lost a tail.

    First the whole text; then without an extension suffix (`,801`, `ext 801`, `转801`, `-801`).
    A reading is an optional `+` and 1 to `MAX_DIGITS` ASCII digits.
    """
    user = user.removesuffix("#")
    if _IPV4.fullmatch(user):
        return
    yield from ((digits, False) for digits in _bare(user))
    for suffix in (_EXTENSION_MARK, _LAST_GROUP):
        match = suffix.search(user)
        if match:
            yield from ((digits, True) for digits in _bare(user[: match.start()]))


def _bare(text: str) -> Iterator[str]:
    digits = _SEPARATORS.sub("", text)
    if _DIGITS.fullmatch(digits):
        yield digits
