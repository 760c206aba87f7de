"""The link to a switch, over real TCP, to a peer that misbehaves to order."""

import gevent
import gevent.event
import pytest
from esl_peer import (
    PASSWORD,
    RECORDINGS,
    EslPeer,
    api_response,
    command_reply,
    event_body,
    event_frame,
    wait_until,
)

from fsbilling.errors import SwitchError, SwitchTimeout
from fsbilling.switch import link as link_module
from fsbilling.switch.link import BACKOFF_LAST_S, Link, backoff_s

UUID = "4b6d2999-06f3-4d45-a202-06743d7dc97c"


@pytest.fixture
def peer():
    peer = EslPeer()
    yield peer
    peer.close()


class Billing:
    """Writes down what the link says, in order."""

    def __init__(self):
        self.heard = []
        self.link = None

    def up(self):
        self.heard.append("up")

    def down(self):
        self.heard.append("down")

    def event(self, event):
        self.heard.append(event.name)


@pytest.fixture
def billing():
    billing = Billing()
    yield billing
    if billing.link:
        billing.link.stop()


@pytest.fixture
def connect(peer, billing):
    def connect(password=PASSWORD, *, until_up=True, **more):
        more = {"on_event": billing.event, **more}
        billing.link = Link(
            "fs1",
            peer.address,
            password,
            on_up=billing.up,
            on_down=billing.down,
            jitter=lambda: 0.0,
            **more,
        )
        billing.link.start()
        if until_up:
            wait_until(lambda: "up" in billing.heard)
        return billing.link

    return connect


def create(uuid=UUID):
    return event_frame(
        Event_Name="CHANNEL_CREATE", Unique_ID=uuid, Event_Date_Timestamp="1795281711064551"
    )


def test_it_subscribes_to_the_billed_legs_only(peer, connect):
    connect()
    asked = [command for command in peer.commands if not command.startswith("auth")]
    assert asked == [
        "filter variable_fsbilling_account /./",
        "filter variable_sip_h_X-FS-Refer-For /./",
        "filter Event-Name HEARTBEAT",
        "event json CHANNEL_CREATE CHANNEL_ANSWER CHANNEL_HANGUP_COMPLETE HEARTBEAT",
    ]


def test_a_recorded_call_arrives_in_order(peer, billing, connect):
    connect()
    recorded = (RECORDINGS / "answered.json").read_bytes()
    start = recorded.index(b"Content-Length")
    peer.send_event(recorded[start:])
    wait_until(lambda: billing.heard.count("CHANNEL_HANGUP_COMPLETE") == 2)
    assert billing.heard == [
        "up",
        "CHANNEL_CREATE",
        "CHANNEL_CREATE",
        "CHANNEL_ANSWER",
        "CHANNEL_ANSWER",
        "CHANNEL_HANGUP_COMPLETE",
        "CHANNEL_HANGUP_COMPLETE",
    ]


def test_events_that_come_with_the_subscription_wait_for_up(peer, billing, connect):
    eager = create()

    def send_at_once(sock, command, obey=peer._obey):
        obey(sock, command)
        if command.startswith("event "):
            sock.sendall(eager)

    peer._obey = send_at_once
    connect()
    wait_until(lambda: len(billing.heard) == 2)
    assert billing.heard == ["up", "CHANNEL_CREATE"]


def test_a_command_is_answered_whole(peer, connect):
    text = "x" * 100_000 + "\n"
    peer.replies["show channels as json"] = api_response(text)
    assert connect().api("show channels as json") == text


def test_many_greenlets_commands_do_not_mix(peer, connect):
    link = connect()
    for number in range(200):
        peer.replies[f"echo {number}"] = api_response(str(number))
    jobs = [gevent.spawn(link.api, f"echo {number}") for number in range(200)]
    gevent.joinall(jobs, timeout=5)
    assert [job.value for job in jobs] == [str(number) for number in range(200)]


def test_a_late_reply_answers_its_own_command_only(peer, connect):
    link = connect()
    peer.replies["slow"] = lambda: gevent.sleep(0.2) or api_response("slow's")
    peer.replies["next"] = api_response("next's")
    with pytest.raises(SwitchTimeout):
        link.api("slow", timeout_s=0.05)
    assert link.api("next") == "next's"
    assert link.is_up


def test_commands_fail_at_once_when_the_connection_drops(peer, connect):
    link = connect()
    peer.replies["slow"] = None
    waiting = gevent.spawn(link.api, "slow", timeout_s=30)
    wait_until(lambda: "api slow" in peer.commands)
    peer.drop()
    with pytest.raises(SwitchError, match="closed the connection"):
        waiting.get(timeout=1)


def test_commands_without_a_link_fail_at_once(peer, connect):
    link = connect("wrong", until_up=False)
    with pytest.raises(SwitchError, match="is down"):
        link.api("status")


@pytest.mark.parametrize("command", ["status\n\nexit", "status\rexit"])
def test_a_command_of_two_lines_is_refused(peer, connect, command):
    link = connect()
    with pytest.raises(SwitchError, match="one line"):
        link.api(command)
    assert not any("exit" in sent for sent in peer.commands)


def test_a_command_that_cannot_be_written_takes_no_slot(peer, connect):
    link = connect()
    peer.replies["echo 1"] = api_response("1")
    with pytest.raises(UnicodeEncodeError):
        link.api("echo \udcff")
    assert link.api("echo 1") == "1"


def test_a_refused_command_is_a_fault(peer, connect):
    peer.replies["status"] = command_reply("-ERR permission denied")
    with pytest.raises(SwitchError, match="permission denied"):
        connect().api("status")


def test_too_many_commands_are_refused_not_queued(peer, connect, monkeypatch):
    monkeypatch.setattr("fsbilling.switch.connection.MAX_PENDING", 2)
    link = connect()
    peer.replies["slow"] = None
    for _ in range(2):
        with pytest.raises(SwitchTimeout):
            link.api("slow", timeout_s=0.01)
    with pytest.raises(SwitchError, match="wait for a reply already"):
        link.api("slow")


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"Event-Name":', b"\xff\xfe", b'"x"', b"[" * 100_000]
)
def test_one_bad_event_does_not_take_the_link_down(peer, billing, connect, body):
    link = connect()
    peer.send_event(event_body(body))
    peer.send_event(create())
    wait_until(lambda: "CHANNEL_CREATE" in billing.heard)
    assert billing.heard == ["up", "CHANNEL_CREATE"]
    assert link.is_up


def test_an_event_with_an_unreadable_length_does_not_take_the_link_down(peer, billing, connect):
    connect()
    peer.send_event(b"Content-Length: many\nContent-Type: text/event-json\n\n" + create())
    wait_until(lambda: len(billing.heard) == 2)
    assert billing.heard == ["up", "CHANNEL_CREATE"]


def test_events_of_other_kinds_are_not_billings_business(peer, billing, connect):
    connect()
    peer.send_event(event_frame(Event_Name="HEARTBEAT"))
    peer.send_event(b"Content-Type: log/data\nContent-Length: 3\n\nabc" + create())
    wait_until(lambda: "CHANNEL_CREATE" in billing.heard)
    assert billing.heard == ["up", "CHANNEL_CREATE"]


def test_a_stream_that_is_not_esl_is_left_and_connected_anew(peer, billing, connect):
    connect()
    peer.send_event(b"HTTP/1.1 200 OK\r\n\n\n")
    wait_until(lambda: billing.heard == ["up", "down", "up"])


def test_a_truncated_body_ends_the_connection_and_no_more(peer, billing, connect):
    connect()
    peer.send_event(b"Content-Length: 5000\nContent-Type: text/event-json\n\n{")
    peer.drop()
    wait_until(lambda: billing.heard == ["up", "down", "up"])


def test_a_disconnect_notice_is_taken_at_its_word(peer, billing, connect):
    connect()
    peer.send_event(b"Content-Type: text/disconnect-notice\nContent-Length: 0\n\n")
    wait_until(lambda: billing.heard == ["up", "down", "up"])


def test_a_long_answer_keeps_no_command_waiting(peer, connect):
    listed = gevent.event.Event()
    peer.replies |= {
        "show channels": lambda: api_response("[]") if listed.wait(5) else b"",
        "uuid_exists x": api_response("true"),
    }
    link, taken = connect(), []
    long_answer = gevent.spawn(link.stream, "show channels", taken.append)
    wait_until(lambda: "api show channels" in peer.commands)
    assert link.api("uuid_exists x") == "true"
    listed.set()
    long_answer.get(5)
    assert taken == [b"[]"]


def test_a_long_answer_is_taken_in_pieces_as_it_comes(peer, connect):
    whole = bytes(range(256)) * 4_000
    first, rest = api_response("x" * len(whole)).replace(b"x" * len(whole), b""), whole
    peer.replies["show channels"] = first + rest[:1_000]
    link, taken = connect(), []
    long_answer = gevent.spawn(link.stream, "show channels", taken.append)
    wait_until(lambda: b"".join(taken) == rest[:1_000])
    peer.sockets[-1].sendall(rest[1_000:])
    long_answer.get(5)
    assert b"".join(taken) == whole
    assert len(taken) > 5


def test_a_long_answer_that_breaks_off_is_none(peer, connect):  # rule 5
    def hang_up():
        peer.sockets[-1].sendall(api_response("x" * 500_000)[:400_000])
        peer.sockets[-1].close()

    link, taken = connect(), []
    peer.replies |= {"show channels": hang_up, "uuid_exists x": api_response("true")}
    with pytest.raises(SwitchError):
        link.stream("show channels", taken.append)
    assert taken
    assert link.api("uuid_exists x") == "true"


def test_a_long_answer_that_takes_too_long_is_unknown_and_left(peer, connect):  # rule 5
    link, taken = connect(), []
    peer.replies["show channels"] = api_response("xyz")[:-1]
    with pytest.raises(SwitchTimeout):
        link.stream("show channels", taken.append, timeout_s=0.05)
    assert taken == [b"xy"]
    wait_until(lambda: peer.sockets[-1].fileno() < 0)


def test_who_refuses_a_long_answer_ends_it(peer, connect):
    def refuse(piece):
        raise SwitchError(f"{len(piece)} bytes too many")

    link = connect()
    peer.replies["show channels"] = api_response("xyz")
    with pytest.raises(SwitchError, match="3 bytes too many"):
        link.stream("show channels", refuse)
    assert link.is_up


def test_a_long_answer_that_is_refused_or_cannot_be_asked_for_is_a_fault(peer, connect):
    link, taken = connect(), []
    peer.replies["show channels"] = command_reply("-ERR permission denied")
    with pytest.raises(SwitchError, match="permission denied"):
        link.stream("show channels", taken.append)
    with pytest.raises(SwitchError, match="one line"):
        link.stream("show\nchannels", taken.append)
    link.stop()
    with pytest.raises(SwitchError, match="is down"):
        link.stream("show channels", taken.append)
    assert taken == []


def test_a_wrong_password_is_named_and_tried_again(peer, billing, connect, capsys):
    connect("wrong", until_up=False)
    wait_until(lambda: peer.commands.count("auth wrong") >= 2)
    assert billing.heard == []
    assert "refuses the event socket password" in capsys.readouterr().out


def test_a_rejection_by_the_acl_is_named(peer, connect, capsys):
    peer.welcome = (
        b"Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n"
    )
    connect(until_up=False)
    gevent.sleep(0.1)
    assert "ACL refuses this address" in capsys.readouterr().out


def test_a_peer_that_never_welcomes_is_left(peer, connect, monkeypatch, capsys):
    monkeypatch.setattr(link_module, "CONNECT_TIMEOUT_S", 0.05)
    peer.welcome = b"Content-Type: "
    connect(until_up=False)
    gevent.sleep(0.3)
    assert "no welcome within 0.05 s" in capsys.readouterr().out


def test_a_link_that_dies_silently_is_found(peer, billing, connect):
    peer.replies["strepoch"] = None
    connect(silence_s=0.05)
    wait_until(lambda: billing.heard[:3] == ["up", "down", "up"], within_s=3)


def test_a_frame_that_never_comes_whole_ends_the_link(peer, billing, connect, monkeypatch):
    monkeypatch.setattr("fsbilling.switch.connection.FRAME_S", 0.2)

    def drip():
        while billing.heard == ["up"]:
            peer.send_event(b"a")
            gevent.sleep(0.02)

    connect()
    gevent.spawn(drip)
    wait_until(lambda: billing.heard[:3] == ["up", "down", "up"], within_s=3)


def test_a_slow_link_whose_frames_come_whole_is_kept(peer, billing, connect, monkeypatch):
    monkeypatch.setattr("fsbilling.switch.connection.FRAME_S", 0.2)
    connect()
    raw = create() * 3
    for start in range(0, len(raw), 20):
        peer.send_event(raw[start : start + 20])
        gevent.sleep(0.02)
    gevent.sleep(0.3)
    peer.send_event(create())
    wait_until(lambda: billing.heard.count("CHANNEL_CREATE") == 4)
    assert billing.heard == ["up"] + ["CHANNEL_CREATE"] * 4


def test_a_quiet_link_that_answers_is_kept(peer, billing, connect):
    peer.replies["strepoch"] = api_response("1795281711")
    connect(silence_s=0.02)
    gevent.sleep(0.3)
    assert billing.heard == ["up"]
    assert peer.commands.count("api strepoch") > 4


def test_a_handler_that_fails_does_not_stop_the_events(peer, billing, connect):
    def stumble(event):
        billing.event(event)
        raise RuntimeError("billing stumbled")

    connect(on_event=stumble)
    peer.send_event(create() + create())
    wait_until(lambda: billing.heard.count("CHANNEL_CREATE") == 2)


def test_a_slow_handler_pushes_back_and_loses_nothing(peer, billing, connect, monkeypatch):
    monkeypatch.setattr(link_module, "MAX_QUEUED_EVENTS", 3)
    go_on = gevent.event.Event()

    def slow(event):
        go_on.wait()
        billing.event(event)

    link = connect(on_event=slow)
    peer.replies["status"] = api_response("UP")
    sender = gevent.spawn(peer.send_event, create() * 5_000)
    gevent.sleep(0.1)
    assert link._handover.qsize() == 3
    assert link.api("status") == "UP"  # replies do not queue behind events
    go_on.set()
    sender.join(timeout=5)
    wait_until(lambda: billing.heard.count("CHANNEL_CREATE") == 5_000)


def test_a_handler_may_ask_the_switch(peer, billing, connect):
    peer.replies["status"] = api_response("UP")
    answers = []
    connect(on_event=lambda _event: answers.append(billing.link.api("status")))
    peer.send_event(create())
    wait_until(lambda: answers == ["UP"])


def test_after_stop_nothing_is_heard(peer, billing, connect):
    link = connect()
    link.stop()
    peer.drop()
    gevent.sleep(0.1)
    assert billing.heard == ["up"]
    assert not link.is_up


def test_back_off_doubles_to_its_bound_and_jitter_takes_at_most_half():
    waits = [backoff_s(attempt, 1.0) for attempt in range(50)]
    assert waits[:4] == [0.25, 0.5, 1.0, 2.0]
    assert max(waits) == BACKOFF_LAST_S
    assert backoff_s(3, 0.0) == waits[3] / 2
