"""The event socket's bytes, as mod_event_socket.c reads and writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec

MAX_COMMAND_BYTES = 1_048_576
"""More than any command of ours; FreeSWITCH itself takes ten times as much."""

_UNSAFE = re.compile(r"%(?![0-9A-F]{2})|[^\x20-\x7e]|[ #&+:;<=>?@\[\\\]^`{|}\"]")
_LINE_END = re.compile(rb"[\r\n]+")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_json = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a client: its first line, its headers (names in lower case), its body."""

    line: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


class CommandBuffer:
    """Cuts a byte stream into commands."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> None:
        """Add received bytes; raises ValueError when no command can be that long."""
        self._bytes += data
        if len(self._bytes) > MAX_COMMAND_BYTES:
            raise ValueError("a command does not end")

    def next(self) -> Command | None:
        """Take the next whole command; None when more bytes are needed."""
        while self._bytes.startswith((b"\r", b"\n")):
            del self._bytes[:1]
        found = _HEAD_END.search(self._bytes)
        if found is None:
            return None
        first, *lines = _LINE_END.split(bytes(self._bytes[: found.start()]))
        headers = dict(_header(line) for line in lines if b":" in line)
        length = headers.get("content-length", "0")
        end = found.end() + (int(length) if length.isdigit() else 0)
        if len(self._bytes) < end:
            return None
        body = bytes(self._bytes[found.end() : end])
        del self._bytes[:end]
        return Command(_text(first), headers, _text(body))


def _header(line: bytes) -> tuple[str, str]:
    name, _, value = line.partition(b":")
    return _text(name).strip().lower(), _text(value).strip()


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


@lru_cache(maxsize=8192)
def percent_encode(text: str) -> str:
    """Encode as `switch_url_encode` does: what looks encoded already is left as it is."""
    return _UNSAFE.sub(_encoded, text)


def _encoded(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode())


def plain_block(headers: Mapping[str, str]) -> bytes:
    """Headers as a percent-encoded block with its closing blank line."""
    lines = [f"{name}: {percent_encode(text)}\n" for name, text in headers.items()]
    return ("".join(lines) + "\n").encode()


def json_object(headers: Mapping[str, str]) -> bytes:
    """Headers as cJSON prints them, unformatted."""
    return _json.encode(headers)


def event_frame(kind: str, body: bytes) -> bytes:
    """An event of kind `plain` or `json` as it is sent."""
    return b"Content-Length: %d\nContent-Type: text/event-%s\n\n%s" % (
        len(body),
        kind.encode(),
        body,
    )


def reply_frame(text: str, **more: str) -> bytes:
    """A `command/reply`; `more` are further headers, their underscores written as hyphens."""
    extra = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in more.items())
    return f"Content-Type: command/reply\nReply-Text: {text}\n{extra}\n".encode()


def api_frame(output: str) -> bytes:
    """An `api/response`."""
    body = output.encode()
    return b"Content-Type: api/response\nContent-Length: %d\n\n%s" % (len(body), body)


AUTH_REQUEST = b"Content-Type: auth/request\n\n"
_GOODBYE = "Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n"


def goodbye_frame(uuid: str = "") -> bytes:
    """The notice before the socket closes; `uuid` for a hook's own channel."""
    session = f"Controlled-Session-UUID: {uuid}\nContent-Disposition: disconnect\n" if uuid else ""
    return (
        f"Content-Type: text/disconnect-notice\n{session}"
        f"Content-Length: {len(_GOODBYE)}\n\n{_GOODBYE}"
    ).encode()
