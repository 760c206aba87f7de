"""A switch made of recordings: what a real FreeSWITCH sent, with another UUID for each call.

It decides nothing and stores nothing, so that what is measured is the daemon. Both doors are
real TCP: the event socket that the daemon connects to, and calls that connect to its hook.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Sequence

import gevent
from esl_peer import RECORDINGS, EslPeer, api_response, command_reply, event_body
from gevent import socket
from gevent.lock import BoundedSemaphore
from gevent.threadpool import ThreadPool
from lab import PASSWORD
from patience import free_port

CALL = "42a1d4a0-bf75-4287-ab9c-614e30a2479f"
CORE = "8772bdd8-72b3-4b0d-913e-4292cf05947e"
ANSWERED, ENDED = "1" * 16, "2" * 16
"""Stand where a call's own stamps will: of the same length, so that the frames stay valid."""

TALK_US = 7_000_000
NUMBERS = 20
ADDED = api_response("+OK Added: 1\n")
DONE = api_response("+OK\n")


class RecordedSwitch(EslPeer):
    """Places calls to 400 numbers, one account a number."""

    def __init__(self) -> None:
        super().__init__(password=PASSWORD)
        self.name = "lab"
        self.event_port = self.address[1]
        self.hook_port = free_port()
        self.other_port = free_port()
        self.json_cdr_dir = ""
        self.listing = _listing(())
        self._other_legs: set[str] = set()
        self.missed = 0
        """Calls whose hook closed without an answer: its deadline had passed."""
        self.on_command: Callable[[str], None] = lambda _command: None
        self._threads = ThreadPool(1)
        self._one_at_a_time = BoundedSemaphore(1)
        self._connected = _connect_block()
        self._answer = _event("CHANNEL_ANSWER")
        self._hangup = _event("CHANNEL_HANGUP_COMPLETE")

    @staticmethod
    def number(index: int) -> str:
        """The 400 number of the account of this index."""
        return f"40012345{index % NUMBERS:02d}"

    def run(self, work: Callable[[], object]) -> object:
        """Do something that blocks, while the event socket goes on."""
        return self._threads.spawn(work).get()

    def wait_in_hook(self, index: int, call_uuid: str = "") -> tuple[float, str]:
        """Let a call wait in the hook; the seconds it waited, and its UUID if it was allowed."""
        call_uuid = call_uuid or str(uuid.uuid4())
        introduced = (
            self._connected.replace(CALL.encode(), call_uuid.encode())
            .replace(b"4001234500", self.number(index).encode())
            .replace(ANSWERED.encode(), str(time.time_ns() // 1_000).encode())
        )
        began = time.perf_counter()
        with socket.create_connection(("127.0.0.1", self.hook_port)) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reply, verdict = introduced, b""
            while message := _message(sock):
                sock.sendall(reply)
                reply, verdict = command_reply("+OK"), message
        if b"verdict=allowed" not in verdict:
            self.missed += 1
            call_uuid = ""
        return time.perf_counter() - began, call_uuid

    def whole_call(self, index: int) -> float:
        """A call from the hook to the hang-up, as fast as the daemon takes it; its hook wait."""
        waited_s, call_uuid = self.wait_in_hook(index)
        if not call_uuid:
            return waited_s
        answered_us = time.time_ns() // 1_000
        code = f"bench{index % NUMBERS}"
        self.tell(self._answer, call_uuid, code, answered_us)
        self.tell(self._hangup, call_uuid, code, answered_us)
        return waited_s

    def tell(self, template: bytes, call_uuid: str, code: str, answered_us: int) -> None:
        frame = event_body(
            template.replace(CALL.encode(), call_uuid.encode())
            .replace(ANSWERED.encode(), str(answered_us).encode())
            .replace(ENDED.encode(), str(answered_us + TALK_US).encode())
            .replace(b"bench-account", code.encode())
        )
        # A full socket lets others run in the middle of a frame.
        with self._one_at_a_time:
            self.send_event(frame)

    def play(self, calls: int, at_once: int) -> list[float]:
        """Whole calls, so many at once; their hook waits."""
        coming = iter(range(calls))
        waits: list[float] = []

        def caller() -> None:
            waits.extend(self.whole_call(index) for index in coming)

        gevent.joinall([gevent.spawn(caller) for _ in range(at_once)], raise_error=True)
        return waits

    def _api(self, command: str) -> bytes:
        self.on_command(command)
        if "sched_api" in command:
            return ADDED
        if command == "global_getvar core_uuid":
            return api_response(CORE)
        if command == "strmicroepoch":
            return api_response(str(time.time_ns() // 1_000))
        if command == "show channels as json":
            return self.listing
        if command.startswith("uuid_dump "):
            return api_response(self.dump(command.split(" ")[1]))
        return DONE

    def list_calls(self, uuids: Sequence[str]) -> None:
        """Answer `show channels` with these calls from now on: each has two channels."""
        self._other_legs = {_other_leg(each) for each in uuids}
        self.listing = _listing([*uuids, *sorted(self._other_legs)])

    def dump(self, channel_uuid: str) -> str:
        """What `uuid_dump` says of a live call's channel; only the paying one names a payer."""
        now_us = str(time.time_ns() // 1_000)
        body = self._answer.decode().replace(CALL, channel_uuid)
        if channel_uuid in self._other_legs:
            body = body.replace("variable_fsbilling_account", "variable_other_account")
        return body.replace(
            '"Event-Date-Timestamp":"' + ANSWERED, f'"Event-Date-Timestamp":"{now_us}'
        )


def _listing(uuids: Sequence[str]) -> bytes:
    """As the switch's own: without blanks; a row has 41 columns, about 1,050 bytes together."""
    columns = {f"column_{index:02d}": "x" * 9 for index in range(40)}
    rows = [{"uuid": each, **columns} for each in uuids]
    listing = {"row_count": len(rows), "rows": rows}
    return api_response(json.dumps(listing, separators=(",", ":")))


def _other_leg(call_uuid: str) -> str:
    """Name the leg that was called for a call."""
    return "1" + call_uuid[1:]


def _message(sock: socket.socket) -> bytes:
    """One command of the hook's, its body included; nothing when it has closed."""
    message = b""
    while b"\n\n" not in message:
        chunk = sock.recv(65_536)
        if not chunk:
            return b""
        message += chunk
    head, _, body = message.partition(b"\n\n")
    length = 0
    for line in head.split(b"\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    while len(body) < length:
        body += sock.recv(65_536)
    return head + body


def _connect_block() -> bytes:
    """The recorded answer to `connect`, of a call to a 400 number."""
    recorded = (RECORDINGS / "hook-connect.plain").read_bytes().partition(b"\n\n")[0]
    lines = []
    for line in recorded.split(b"\n"):
        name, colon, value = line.partition(b": ")
        if name.endswith(b"Destination-Number"):
            value = b"4001234500"
        elif name.endswith(b"Caller-ID-Number"):
            value = b"13800138000"
        elif name.endswith(b"Channel-Created-Time"):
            value = ANSWERED.encode()
        if not name.startswith(b"variable_fsbilling"):
            lines.append(name + colon + value)
    return b"\n".join(lines) + b"\n\n"


def _event(name: str) -> bytes:
    """A recorded event of a paying leg, as a JSON body."""
    raw = (RECORDINGS / "answered.json").read_bytes()
    at = raw.index(b'{"Event-Name":"%s"' % name.encode())
    event, _ = json.JSONDecoder().raw_decode(raw[at:].decode())
    recorded = event["Unique-ID"]
    event["variable_fsbilling_account"] = "bench-account"
    event["variable_fsbilling_call"] = CALL
    event["Event-Date-Timestamp"] = ENDED if name.endswith("COMPLETE") else ANSWERED
    event["Caller-Channel-Answered-Time"] = ANSWERED
    if name.endswith("COMPLETE"):
        event["Caller-Channel-Hangup-Time"] = ENDED
    body = json.dumps(event, separators=(",", ":"), ensure_ascii=False)
    return body.replace(recorded, CALL).encode()
