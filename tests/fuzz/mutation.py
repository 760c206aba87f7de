"""Change header lines as wholes: bytes changed at random seldom make a header that is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

MAX_CHANGES = 4


class Words(NamedTuple):
    """What may come in: lines, of which some want a value (`Name: `), and values."""

    lines: list[bytes]
    values: list[bytes]


def change_lines(data: bytes, words: Sequence[bytes], draw: Random) -> bytes:
    """Put in, take out, move, double and refill lines; `words` are a target's WORDS."""
    lines = data.split(b"\n")
    known = Words(
        [word.rstrip(b"\n") for word in words if b": " in word],
        [word for word in words if b": " not in word and b"\n" not in word],
    )
    for _ in range(draw.randint(1, MAX_CHANGES)):
        draw.choice(CHANGES)(lines, known, draw)
        if not lines:
            lines.append(b"")
    return b"\n".join(lines)


def _put_in(lines: list[bytes], known: Words, draw: Random) -> None:
    line = draw.choice(known.lines)
    if line.endswith(b": "):
        line += draw.choice(known.values)
    lines.insert(draw.randint(0, len(lines)), line)


def _take_out(lines: list[bytes], _known: Words, draw: Random) -> None:
    del lines[draw.randrange(len(lines))]


def _move(lines: list[bytes], _known: Words, draw: Random) -> None:
    line = lines.pop(draw.randrange(len(lines)))
    lines.insert(draw.randint(0, len(lines)), line)


def _double(lines: list[bytes], _known: Words, draw: Random) -> None:
    lines.insert(draw.randint(0, len(lines)), draw.choice(lines))


def _refill(lines: list[bytes], known: Words, draw: Random) -> None:
    """Give a header another value: a known one, or another line's."""
    place = draw.randrange(len(lines))
    name, colon, _ = lines[place].partition(b": ")
    others = [value for line in lines if (value := line.partition(b": ")[2])]
    if colon:
        lines[place] = name + colon + draw.choice(draw.choice([known.values, others or [b""]]))


def _rename(lines: list[bytes], known: Words, draw: Random) -> None:
    """Call a header by a name that is read, and keep its value."""
    place = draw.randrange(len(lines))
    _, colon, value = lines[place].partition(b": ")
    if colon:
        lines[place] = draw.choice(known.lines).partition(b": ")[0] + colon + value


def _repeat(lines: list[bytes], _known: Words, draw: Random) -> None:
    """Say a stretch of lines again at the end."""
    start = draw.randrange(len(lines))
    lines += lines[start : start + draw.randint(1, 40)]


CHANGES: tuple[Callable[[list[bytes], Words, Random], None], ...] = (
    _put_in,
    _put_in,
    _take_out,
    _move,
    _double,
    _refill,
    _refill,
    _rename,
    _repeat,
)
