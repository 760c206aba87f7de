"""The simulated switch over real TCP: with raw sockets, and with greenswitch as a stranger."""

import json
import re
from pathlib import Path

import gevent
import pytest
from gevent import socket
from gevent.event import Event
from gevent.server import StreamServer
from greenswitch import InboundESL
from greenswitch.esl import OutboundSession

from fsbilling.sim.esl_server import SimServer
from fsbilling.sim.plan import CallPlan, Outcome

RECORDINGS = Path(__file__).parents[1] / "recordings"
SECOND = 1_000_000
PATIENCE_S = 5


class Wire:
    """A client that reads frames off any byte stream: a live socket or a recording."""

    def __init__(self, stream):
        self.stream = stream

    def frame(self):
        headers = {}
        while (line := self.stream.readline()) not in {b"\n", b""}:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            headers[name] = value
        body = self.stream.read(int(headers.get("Content-Length", 0)))
        return headers, body

    def frames(self):
        while True:
            headers, body = self.frame()
            if not headers:
                return
            yield headers, body


class RawClient(Wire):
    """The same over a live socket, with commands."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        super().__init__(self.sock.makefile("rb"))

    def ask(self, command):
        self.sock.sendall(command.encode() + b"\n\n")
        return self.frame()

    def reply(self, command):
        return self.ask(command)[0]["Reply-Text"]

    def api(self, command):
        return self.ask(f"api {command}")[1].decode()

    def close(self):
        self.stream.close()
        self.sock.close()


@pytest.fixture
def start():
    servers = []

    def start_server(**options):
        server = SimServer(**options)
        server.start()
        servers.append(server)
        return server

    yield start_server
    for server in servers:
        server.stop()


@pytest.fixture
def client(start):
    server = start()
    client = RawClient(server.port)
    client.server = server
    client.greeting = client.frame()
    client.welcome = client.reply("auth ClueCon")
    yield client
    client.close()


def emergency(**facts):
    """A call that needs no hook."""
    facts = {"caller": "1001", "callee": "110", "ring_us": 0, "talk_us": 100_000} | facts
    return CallPlan(**facts)


def test_a_conversation_begins_as_recorded(client):
    recorded = Wire((RECORDINGS / "answered.json").open("rb"))
    subscribed = client.ask("event json CHANNEL_CREATE CHANNEL_ANSWER CHANNEL_HANGUP_COMPLETE")
    assert client.greeting == recorded.frame()
    assert {"Content-Type": "command/reply", "Reply-Text": client.welcome} == recorded.frame()[0]
    assert subscribed == recorded.frame()


@pytest.mark.parametrize("kind", ["json", "plain"])
def test_event_frames_have_the_recorded_form(client, kind):
    recorded = Wire((RECORDINGS / f"answered.{kind}").open("rb"))
    real = next(frame for frame in recorded.frames() if b"CHANNEL_HANGUP_COMPLETE" in frame[1])
    client.reply(f"event {kind} CHANNEL_HANGUP_COMPLETE")
    client.server.place(emergency())
    headers, body = client.frame()
    assert list(headers) == list(real[0])
    assert headers["Content-Type"] == real[0]["Content-Type"]
    assert 0.5 < len(body) / len(real[1]) < 1.5
    if kind == "json":
        assert set(json.loads(body)) & set(json.loads(real[1])) >= {"Unique-ID", "Hangup-Cause"}
        assert b'","' in body
        assert b'", "' not in body
    else:
        assert body.endswith(b"\n\n")
        assert body.count(b"\n\n") == 1


def test_a_plain_event_cannot_be_split_by_what_a_caller_writes(client):
    client.reply("event plain CHANNEL_CREATE")
    evil = "evil\nvariable_fsbilling_account: victim 100%"
    client.server.place(emergency(caller=evil))
    body = client.frame()[1]
    assert b"\nvariable_fsbilling_account" not in body
    assert (
        b"Caller-Caller-ID-Number: evil%0Avariable_fsbilling_account%3A%20victim%20100%25\n" in body
    )


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("filter variable_x /./", "+OK filter added. [variable_x]=[/./]"),
        ("filter add Event-Name HEARTBEAT", "+OK filter added. [Event-Name]=[HEARTBEAT]"),
        ("filter delete variable_x", "+OK filter deleted. [variable_x][]"),
        ("filter delete all", "+OK filter deleted. [all][]"),
        ("filter x", "-ERR invalid syntax"),
        ("linger", "-ERR not controlling a session"),
        ("noevents", "-ERR not listening for events"),
        ("event json", "-ERR no keywords supplied"),
        ("event json HEARTBEAT", "+OK event listener enabled json"),
        ("event plain ALL", "+OK event listener enabled plain"),
        ("nixevent HEARTBEAT", "+OK events nixed"),
        ("bogus", "-ERR command not found"),
        ("api", "-ERR command not found"),
        ("sendmsg 1234", "-ERR invalid session id [1234]"),
    ],
)
def test_a_command_is_answered_as_the_real_switch_does(client, command, reply):
    assert client.ask(command) == ({"Content-Type": "command/reply", "Reply-Text": reply}, b"")


def test_exit_says_goodbye_as_the_real_switch_does(client):
    assert client.reply("exit") == "+OK bye"
    assert client.stream.read() == (
        b"Content-Type: text/disconnect-notice\nContent-Length: 67\n\n"
        b"Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n"
    )


def test_a_wrong_password_is_refused_and_disconnected(start):
    client = RawClient(start(password="secret").port)
    client.frame()
    assert client.reply("api status") == "-ERR command not found"
    assert client.reply("auth ClueCon") == "-ERR invalid"
    assert client.stream.read().startswith(b"Content-Type: text/disconnect-notice\n")
    client.close()


def test_api_answers_with_a_length_and_the_output(client):
    assert client.ask("api nosuch thing") == (
        {"Content-Type": "api/response", "Content-Length": "31"},
        b"-ERR nosuch Command not found!\n",
    )
    assert client.api("global_getvar core_uuid") == client.server.switch.core_uuid


def test_commands_sent_together_are_answered_in_order(client):
    client.sock.sendall(b"api msleep 1\n\n\nbogus\n\napi uuid_exists x\r\n\r\n")
    answers = [client.frame() for _ in range(3)]
    assert [body for _, body in answers] == [b"+OK", b"", b"false"]


def test_bgapi_answers_at_once_and_reports_by_an_event(client):
    client.reply("event json BACKGROUND_JOB")
    headers, _ = client.ask("bgapi uuid_exists x\nJob-UUID: my-job")
    assert headers["Reply-Text"] == "+OK Job-UUID: my-job"
    assert headers["Job-UUID"] == "my-job"
    event = json.loads(client.frame()[1])
    assert event["Job-UUID"] == "my-job"
    assert event["Job-Command"] == "uuid_exists"
    assert event["_body"] == "false"


def test_filters_are_or_ed_and_events_without_the_header_stay_out(client):
    client.reply("filter variable_fsbilling_account /./")
    client.reply("filter Event-Name HEARTBEAT")
    client.reply("event json CHANNEL_CREATE CHANNEL_ANSWER CHANNEL_HANGUP_COMPLETE HEARTBEAT")
    client.server.place(emergency())
    billed = client.server.place(emergency(variables={"fsbilling_account": "acme"}))
    events = [json.loads(client.frame()[1]) for _ in range(3)]
    assert {event["Unique-ID"] for event in events} == {billed}
    assert [event["Event-Name"] for event in events] == [
        "CHANNEL_CREATE",
        "CHANNEL_ANSWER",
        "CHANNEL_HANGUP_COMPLETE",
    ]
    client.server.switch.announce(client.server.switch.event("HEARTBEAT"))
    assert json.loads(client.frame()[1])["Event-Name"] == "HEARTBEAT"


def test_a_plain_filter_value_must_be_equal_and_a_minus_takes_away(client):
    client.reply("filter Caller-Destination-Number 119")
    client.reply("filter Caller-Destination-Number 110")
    client.reply("filter Caller-Caller-ID-Number -1002")
    client.reply("event json CHANNEL_CREATE")
    client.server.place(emergency(caller="1002"))
    client.server.place(emergency(callee="1"))
    wanted = client.server.place(emergency(callee="119"))
    assert json.loads(client.frame()[1])["Unique-ID"] == wanted


def test_time_runs_by_itself_and_a_timer_inside_the_switch_ends_the_call(client):
    client.reply("event json CHANNEL_HANGUP_COMPLETE")
    uuid = client.server.place(emergency(talk_us=None))
    client.api(f"sched_api +1 g uuid_kill {uuid} ALLOTTED_TIMEOUT")
    ends = [json.loads(client.frame()[1]) for _ in range(2)]
    assert {end["Hangup-Cause"] for end in ends} == {"NORMAL_CLEARING", "ALLOTTED_TIMEOUT"}


def test_a_restart_drops_the_clients_and_shows_another_core(client):
    before = client.api("global_getvar core_uuid")
    client.server.restart()
    assert client.stream.read() == b""
    again = RawClient(client.server.port)
    again.frame()
    again.reply("auth ClueCon")
    assert again.api("global_getvar core_uuid") != before
    again.close()


def test_an_endless_command_ends_the_connection(client):
    with pytest.raises(OSError):  # noqa: PT011  reset or broken pipe, as the kernel likes
        client.sock.sendall(b"x" * 50_000_000)


def test_greenswitch_itself_can_use_it(start):
    server = start()
    heard, ended = [], Event()
    esl = InboundESL("127.0.0.1", server.port, "ClueCon")
    esl.register_handle("CHANNEL_ANSWER", heard.append)
    esl.register_handle("CHANNEL_HANGUP_COMPLETE", lambda event: (heard.append(event), ended.set()))
    esl.connect()
    assert esl.send("event plain CHANNEL_ANSWER CHANNEL_HANGUP_COMPLETE").data.startswith("+OK")
    assert esl.send("filter variable_direction inbound").data.startswith("+OK")
    uuid = server.place(emergency())
    assert esl.send(f"api uuid_getvar {uuid} sip_from_user").data == "1001"
    assert ended.wait(PATIENCE_S)
    assert [event.headers["Unique-ID"] for event in heard] == [uuid, uuid]
    assert heard[1].headers["variable_billusec"] == "100000"
    esl.stop()


class RecordingHook:
    """A hook that does with each connection what it is told, on a port of its own."""

    def __init__(self, talk):
        self.server = StreamServer(("127.0.0.1", 0), lambda sock, _peer: talk(sock))
        self.server.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.server.server_port}"


@pytest.fixture
def hook():
    hooks = []

    def make(talk):
        hooks.append(RecordingHook(talk))
        return hooks[-1]

    yield make
    for one in hooks:
        one.server.stop(timeout=0)


def ends_of(server):
    """A queue of CHANNEL_HANGUP_COMPLETE events."""
    ends = gevent.queue.Queue()
    server.switch.listen(ends.put, {"CHANNEL_HANGUP_COMPLETE"})
    return ends


def outbound(**facts):
    return CallPlan(
        **({"caller": "1001", "callee": "075512345678", "ring_us": 0, "talk_us": 50_000} | facts)
    )


def test_the_hook_is_given_the_channel_as_recorded(start, hook):
    blocks = gevent.queue.Queue()

    def talk(sock):
        sock.sendall(b"connect\n\n")
        blocks.put(Wire(sock.makefile("rb")).frame()[0])
        sock.close()

    server = start(hook_address=hook(talk).address)
    server.place(outbound(caller="a:b c"))
    mine = blocks.get(timeout=PATIENCE_S)
    real = Wire((RECORDINGS / "hook-connect.plain").open("rb")).frame()[0]
    assert {"Content-Type", "Reply-Text", "Socket-Mode"} <= set(mine)
    for name in ("Content-Type", "Reply-Text", "Socket-Mode", "Event-Name", "Channel-State"):
        assert mine[name] == real[name]
    assert {name for name in real if name.startswith(("Channel-", "Caller-"))} <= set(mine)
    assert mine["Channel-Caller-ID-Number"] == "a%3Ab%20c"
    assert mine["variable_fsbilling_verdict"] == "unavailable"


def test_greenswitch_as_the_hook_lets_a_call_through(start, hook):
    def talk(sock):
        session = OutboundSession(None, sock)
        session.connect()
        session.call_command(
            "multiset", "^^|fsbilling_verdict=allowed|fsbilling_account=acme|fsbilling_note=a b"
        )
        session.call_command("export", "fsbilling_tag=x")
        session.stop()

    server = start(hook_address=hook(talk).address)
    ends = ends_of(server)
    uuid = server.place(outbound())
    carrier, paying = (ends.get(timeout=PATIENCE_S).headers for _ in range(2))
    assert paying["Unique-ID"] == uuid
    assert paying["variable_billusec"] == "50000"
    assert paying["variable_fsbilling_note"] == "a b"
    assert carrier["variable_fsbilling_tag"] == "x"
    assert "variable_fsbilling_account" not in carrier


def test_an_argument_may_come_as_the_body(start, hook):
    def talk(sock):
        argument = "fsbilling_verdict=refused fsbilling_cause=OUTGOING_CALL_BARRED"
        sock.sendall(
            "sendmsg\ncall-command: execute\nexecute-app-name: multiset\n"
            f"content-type: text/plain\ncontent-length: {len(argument)}\n\n{argument}".encode()
        )
        Wire(sock.makefile("rb")).frame()
        sock.close()

    server = start(hook_address=hook(talk).address)
    ends = ends_of(server)
    server.place(outbound())
    assert ends.get(timeout=PATIENCE_S).headers["Hangup-Cause"] == "OUTGOING_CALL_BARRED"


def test_a_hook_that_is_down_refuses_calls_and_lets_emergencies_pass(start):
    probe = socket.socket()
    probe.bind(("127.0.0.1", 0))
    server = start(hook_address=f"127.0.0.1:{probe.getsockname()[1]}")
    ends = ends_of(server)
    server.place(outbound())
    assert ends.get(timeout=PATIENCE_S).headers["Hangup-Cause"] == "NORMAL_TEMPORARY_FAILURE"
    server.place(emergency())
    assert ends.get(timeout=PATIENCE_S).headers["Hangup-Cause"] == "NORMAL_CLEARING"
    probe.close()


def test_the_second_hook_is_asked_when_the_first_is_down(start, hook):
    def talk(sock):
        sock.sendall(
            b"sendmsg\ncall-command: execute\nexecute-app-name: set\n"
            b"execute-app-arg: fsbilling_verdict=refused\n\n"
        )
        Wire(sock.makefile("rb")).frame()
        sock.close()

    probe = socket.socket()
    probe.bind(("127.0.0.1", 0))
    down = f"127.0.0.1:{probe.getsockname()[1]}"
    server = start(hook_address=f"{down}|{hook(talk).address}")
    ends = ends_of(server)
    server.place(outbound())
    assert ends.get(timeout=PATIENCE_S).headers["Hangup-Cause"] == "CALL_REJECTED"
    probe.close()


def test_a_caller_who_leaves_is_told_to_the_waiting_hook(start, hook):
    told = gevent.queue.Queue()

    def talk(sock):
        sock.sendall(b"connect\n\n")
        stream = sock.makefile("rb")
        Wire(stream).frame()
        told.put(stream.read())
        sock.close()

    server = start(hook_address=hook(talk).address)
    uuid = server.place(outbound(outcome=Outcome.CANCEL, ring_us=100_000))
    assert told.get(timeout=PATIENCE_S) == (
        b"Content-Type: text/disconnect-notice\n"
        b"Controlled-Session-UUID: " + uuid.encode() + b"\nContent-Disposition: disconnect\n"
        b"Content-Length: 67\n\nDisconnected, goodbye.\n"
        b"See you at ClueCon! http://www.cluecon.com/\n"
    )


def test_the_hook_may_not_use_the_api(start, hook):
    answers = gevent.queue.Queue()

    def talk(sock):
        wire = Wire(sock.makefile("rb"))
        for command in (b"api status", b"linger", b"getvar fsbilling_service", b"exit"):
            sock.sendall(command + b"\n\n")
            answers.put(wire.frame()[0]["Reply-Text"])
        sock.close()

    server = start(hook_address=hook(talk).address)
    server.place(outbound())
    replies = [answers.get(timeout=PATIENCE_S) for _ in range(4)]
    assert replies == ["-ERR command not found"] * 2 + ["outbound", "+OK bye"]


def test_a_wrong_hook_address_is_named():
    with pytest.raises(ValueError, match=re.escape("'nowhere' is not an address")):
        SimServer(hook_address="nowhere")
