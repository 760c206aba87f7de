"""The hook, called over real TCP as the dialplan's `socket` application calls it."""

import gevent
import pytest
from esl_peer import CALL, DialplanCall, command_reply, wait_until
from gevent import socket
from gevent.event import Event

from fsbilling.errors import SwitchError
from fsbilling.switch.hook import HookAnswer, HookServer, multiset

DEADLINE_MS = 300
ALLOWED = HookAnswer({"fsbilling_verdict": "allowed", "fsbilling_account": "acme"})


class Billing:
    """Decides as told, and keeps what it was asked."""

    def __init__(self):
        self.decide = lambda _channel: ALLOWED
        self.asked = []
        self.abandoned = []

    def decided(self, channel):
        self.asked.append(channel)
        return self.decide(channel)


@pytest.fixture
def billing():
    return Billing()


@pytest.fixture
def hook(billing):
    server = HookServer(
        ("127.0.0.1", 0),
        decide=billing.decided,
        abandoned=lambda channel: billing.abandoned.append(channel.uuid),
        deadline_ms=DEADLINE_MS,
        max_connections=3,
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture
def call(hook):
    call = DialplanCall(hook.port)
    yield call
    call.sock.close()


def test_the_answer_is_one_multiset_and_then_the_dialplan_goes_on(call, billing):
    call.introduce()
    assert call.take_answer() == "^^|fsbilling_verdict=allowed|fsbilling_account=acme"
    call.sock.sendall(command_reply("+OK"))
    assert call.is_closed(within_s=1)
    assert billing.asked[0].destination_number == "hook123"
    assert billing.abandoned == []


def test_a_caller_who_leaves_before_the_answer_is_abandoned(call, billing):
    deciding, leave = Event(), Event()

    def slowly(_channel):
        deciding.set()
        leave.wait()
        return ALLOWED

    billing.decide = slowly
    call.introduce()
    deciding.wait(1)
    call.sock.sendall(b"Content-Type: text/disconnect-notice\nContent-Length: 0\n\n")
    call.sock.close()
    leave.set()
    wait_until(lambda: billing.abandoned == [CALL])


def test_an_answer_that_is_not_confirmed_is_abandoned(call, billing):
    call.introduce()
    call.take_answer()
    assert call.is_closed(within_s=1)
    wait_until(lambda: billing.abandoned == [CALL])


@pytest.mark.parametrize("reply", ["-ERR invalid command", "-ERR memory error", ""])
def test_an_answer_that_is_refused_is_abandoned(call, billing, reply):
    call.introduce()
    call.take_answer()
    call.sock.sendall(command_reply(reply))
    wait_until(lambda: billing.abandoned == [CALL])


def test_billing_that_fails_closes_the_door(call, billing):
    billing.decide = lambda _channel: 1 / 0
    call.introduce()
    assert call.take_answer() == "^^|fsbilling_verdict=error"


def test_billing_that_answers_what_cannot_be_set_is_abandoned(call, billing):
    billing.decide = lambda _channel: HookAnswer({"fsbilling_target": "${system rm}"})
    call.introduce()
    assert call.is_closed(within_s=1)
    assert billing.abandoned == [CALL]


def test_billing_that_takes_too_long_does_not_hold_the_caller(call, billing):
    done = Event()
    billing.decide = lambda _channel: done.wait() and ALLOWED
    call.introduce()
    assert call.is_closed(within_s=2 * DEADLINE_MS / 1_000)
    assert billing.abandoned == []  # it may have held credit: it is told when it knows
    done.set()
    wait_until(lambda: billing.abandoned == [CALL])


def test_a_channel_without_a_uuid_is_never_allowed(call, billing):
    call.expect(b"connect\n\n")
    call.sock.sendall(b"Content-Type: command/reply\nUnique-ID: all\n\n")
    assert call.take_answer() == "^^|fsbilling_verdict=error"
    assert billing.asked == []


def test_a_dialplan_that_says_async_is_not_answered(call, billing):
    call.expect(b"connect\n\n")
    hello = b"Content-Type: command/reply\nSocket-Mode: async\nUnique-ID: %s\n\n" % CALL.encode()
    call.sock.sendall(hello)
    assert call.is_closed(within_s=1)
    assert billing.asked == []


@pytest.mark.parametrize(
    "noise",
    [
        b"",
        b"Content-Type: ",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x00\xff" * 1_000,
        b"\n" * 100_000,
        b"Content-Type: api/response\nContent-Length: 99999999999\n\n" + b"x" * 100_000,
        b"Content-Type: text/event-json\nContent-Length: 5\n\n{}",
    ],
)
def test_a_peer_that_talks_nonsense_or_nothing_is_gone_by_the_deadline(call, billing, noise):
    call.expect(b"connect\n\n")
    call.sock.sendall(noise)
    assert call.is_closed(within_s=2 * DEADLINE_MS / 1_000)
    assert billing.asked == []


def test_giant_headers_are_cut_off_in_bounded_memory(call, billing):
    call.expect(b"connect\n\n")
    with pytest.raises(OSError):  # noqa: PT011, PT012 # reset or broken pipe, as it happens
        for _ in range(100):
            call.sock.sendall(b"A" * 100_000)
    assert billing.asked == []


def test_beyond_the_bound_a_call_is_refused_at_once(hook, billing):
    decide = Event()
    billing.decide = lambda _channel: decide.wait() and ALLOWED
    waiting = [DialplanCall(hook.port) for _ in range(3)]
    for call in waiting:
        call.introduce()
    wait_until(lambda: len(billing.asked) == 3)
    late = DialplanCall(hook.port)
    assert late.is_closed(within_s=DEADLINE_MS / 1_000 / 3)
    decide.set()
    for call in waiting:
        call.sock.close()
    wait_until(lambda: _answered(hook), within_s=2)


def test_beyond_the_bound_the_longest_silent_peer_gives_way(hook, billing):
    silent = [DialplanCall(hook.port) for _ in range(3)]
    for call in silent:
        call.expect(b"connect\n\n")
    assert _answered(hook)
    assert silent[0].is_closed(within_s=DEADLINE_MS / 1_000 / 3)
    assert not silent[2].is_closed(within_s=0.01)


def _answered(hook):
    call = DialplanCall(hook.port)
    try:
        call.introduce()
    except (AssertionError, OSError):
        return False
    call.sock.close()
    return True


def test_many_calls_are_answered_side_by_side(billing):
    billing.decide = lambda _channel: gevent.sleep(0.05) or ALLOWED
    hook = HookServer(
        ("127.0.0.1", 0), decide=billing.decided, abandoned=lambda _c: None, max_connections=50
    )
    hook.start()

    def one():
        call = DialplanCall(hook.port)
        call.introduce()
        answer = call.take_answer()
        call.sock.sendall(command_reply("+OK"))
        return answer

    jobs = [gevent.spawn(one) for _ in range(50)]
    with gevent.Timeout(1.5):
        assert all("allowed" in job.get() for job in jobs)
    hook.stop()


def test_after_stop_nobody_listens(billing):
    hook = HookServer(("127.0.0.1", 0), decide=billing.decided, abandoned=lambda _c: None)
    hook.start()
    port = hook.port
    hook.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_the_separator_is_one_that_no_value_holds():
    assert multiset({"a": "x=1+2, 3"}) == "^^|a=x=1+2, 3"
    assert multiset({"a": "x|y", "b": "~"}) == "^^;a=x|y;b=~"
    with pytest.raises(SwitchError):
        multiset({"a": "|~;!#@%&*"})


@pytest.mark.parametrize("value", ["a\nb", "a\r", "\x00", "'", "\\", "${x}", "$x", "\udcff"])
def test_a_value_that_freeswitch_would_read_as_more_is_refused(value):  # rule 7
    with pytest.raises(SwitchError):
        multiset({"a": value})


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a|b", "a\nb"])
def test_a_name_that_freeswitch_would_read_as_more_is_refused(name):
    with pytest.raises(SwitchError):
        multiset({name: "x"})
