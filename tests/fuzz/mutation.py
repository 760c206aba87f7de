"""Change header lines as wholes: bytes changed at random seldom make a header that is read."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

MAX_CHANGES = 4


def change_lines(data: bytes, words: Sequence[bytes], draw: random.Random) -> bytes:
    """Put in, take out, move, double and refill lines; `words` has whole lines, and values."""
    lines = data.split(b"\n")
    known = [word.rstrip(b"\n") for word in words if b": " in word]
    values = [word for word in words if b"\n" not in word and not word.endswith(b": ")]
    for _ in range(draw.randint(1, MAX_CHANGES)):
        draw.choice(CHANGES)(lines, known, values, draw)
        lines = lines or [b""]
    return b"\n".join(lines)


Change = Callable[[list[bytes], list[bytes], list[bytes], random.Random], None]


def _put_in(lines: list[bytes], known: list[bytes], values: list[bytes], draw: random.Random):
    line = draw.choice(known)
    if line.endswith(b": "):
        line += draw.choice(values)
    lines.insert(draw.randint(0, len(lines)), line)


def _take_out(lines: list[bytes], _known: object, _values: object, draw: random.Random):
    del lines[draw.randrange(len(lines))]


def _move(lines: list[bytes], _known: object, _values: object, draw: random.Random):
    line = lines.pop(draw.randrange(len(lines)))
    lines.insert(draw.randint(0, len(lines)), line)


def _double(lines: list[bytes], _known: object, _values: object, draw: random.Random):
    lines.insert(draw.randint(0, len(lines)), draw.choice(lines))


def _refill(lines: list[bytes], _known: object, values: list[bytes], draw: random.Random):
    """Give a header another value: a known one, or another line's."""
    place = draw.randrange(len(lines))
    name, colon, _ = lines[place].partition(b": ")
    others = [value for line in lines if (value := line.partition(b": ")[2])]
    if colon:
        lines[place] = (
            name + colon + draw.choice(values if draw.random() < 0.5 else others or values)
        )


def _take_known_name(lines: list[bytes], known: list[bytes], _values: object, draw: random.Random):
    """Call a header by a name that is read, and keep its value."""
    place = draw.randrange(len(lines))
    _, colon, value = lines[place].partition(b": ")
    if colon:
        lines[place] = draw.choice(known).partition(b": ")[0] + colon + value


def _repeat_section(lines: list[bytes], _known: object, _values: object, draw: random.Random):
    """Say a stretch of lines again at the end."""
    start = draw.randrange(len(lines))
    lines += lines[start : start + draw.randint(1, 40)]


CHANGES: tuple[Change, ...] = (
    _put_in,
    _put_in,
    _take_out,
    _move,
    _double,
    _refill,
    _refill,
    _take_known_name,
    _repeat_section,
)
