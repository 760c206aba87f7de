"""What a real FreeSWITCH sent, cut into frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec

RECORDINGS = Path(__file__).parent.parent / "recordings"
JSON, PLAIN = "*.json", "*.plain"


def streams(pattern: str = "*") -> Iterator[bytes]:
    """Give each recording from its first event on, or whole when it is one frame."""
    for path in sorted(RECORDINGS.glob(pattern)):
        data = path.read_bytes()
        start = data.find(b"Content-Length")
        yield data if data.startswith(b"{") else data[max(start, 0) :]


def bodies(pattern: str) -> Iterator[bytes]:
    """Give the body of each recorded event."""
    for stream in streams(pattern):
        yield from _bodies(stream)


def _bodies(stream: bytes) -> Iterator[bytes]:
    rest = stream
    while rest.startswith(b"Content-Length: "):
        head, _, rest = rest.partition(b"\n\n")
        length = int(head.split(b"\n", 1)[0].split(b": ")[1])
        yield rest[:length]
        rest = rest[length:].lstrip(b"\n")


def calls() -> Iterator[list[dict[str, object]]]:
    """Give the events of each recorded call that was billed."""
    for stream in streams(JSON):
        events = [msgspec.json.decode(body) for body in _bodies(stream)]
        if events:
            yield events


def connect_replies() -> tuple[bytes, bytes, bytes]:
    """Give the hook's recorded `connect` replies: frames without a body.

    A plain call; a carrier leg sent to another number; a caller who wrote headers of his own,
    recorded as JSON.
    """
    plain, leg = (
        (RECORDINGS / name).read_bytes().partition(b"\n\n")[0] + b"\n\n"
        for name in ("hook-connect.plain", "hook-connect-leg.plain")
    )
    spoofed = msgspec.json.decode((RECORDINGS / "hook-spoofed.json").read_bytes())
    lines = [f"{name}: {quote(value)}\n" for name, value in spoofed.items()]
    return plain, leg, "".join([*lines, "\n"]).encode()
