"""What a real FreeSWITCH sent, cut into frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

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
        rest = stream
        while rest.startswith(b"Content-Length: "):
            head, _, rest = rest.partition(b"\n\n")
            length = int(head.split(b"\n", 1)[0].split(b": ")[1])
            yield rest[:length]
            rest = rest[length:].lstrip(b"\n")


def connect_reply() -> bytes:
    """Give the hook's recorded `connect` reply: one frame without a body."""
    return (RECORDINGS / "hook-connect.plain").read_bytes().partition(b"\n\n")[0] + b"\n\n"
