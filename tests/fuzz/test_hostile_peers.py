"""Peers on real TCP that say nothing, too much, too slowly, or half: billing goes on beside them.

The daemon is a process of its own, so that its memory and its descriptors can be read, and so
that who floods it does not wait for it.
"""

import os
import resource
import sys
import threading
import time
import uuid

import pytest
from world import World

from fsbilling.store import holds
from fsbilling.store.engine import Database

from .hostile import (
    HEAD,
    EventSocket,
    ask,
    at_once,
    connection,
    introduce,
    is_closed,
    pour,
    reset,
)
from .serving import DEADLINE_MS, Serving, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

DEADLINE_S = DEADLINE_MS / 1_000
IN_TIME_S = 2.0
"""A call is decided in some 5 ms; this leaves room for a busy machine, and none for a deadline."""
GROWTH_MB = 80
MANY = 1_000


@pytest.fixture(scope="module", autouse=True)
def _many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def switch():
    switch = EventSocket()
    yield switch
    switch.close()


@pytest.fixture(scope="module")
def daemon(sqlite_template, tmp_path_factory, switch):
    folder = tmp_path_factory.mktemp("hostile")
    path = folder / "fsbilling.db"
    path.write_bytes(sqlite_template.read_bytes())
    db = Database.open(f"sqlite:///{path}")
    World(db).open_for_business(credit="1000.00")
    serving = Serving(folder, f"sqlite:///{path}", switch.port)
    serving.db = db
    yield serving
    serving.stop()
    db.close()


@pytest.fixture
def unharmed(daemon, switch):
    """After the test: memory and descriptors as before it, calls answered, nothing crashed."""
    switch.behave()
    check_answered(daemon)
    wait_until(lambda: switch.subscribed > 0, 30)
    before_fds, before_mb, said = daemon.descriptors, daemon.rss_mb, len(daemon.log())
    yield daemon
    switch.behave()
    wait_until(lambda: daemon.descriptors <= before_fds + 3, 30)
    check_answered(daemon)
    assert daemon.rss_mb < before_mb + GROWTH_MB
    assert "Traceback" not in daemon.log()[said:]


def check_answered(daemon, times=1):
    for _ in range(times):
        answer, took_s = ask(daemon.hook_port)
        assert "fsbilling_verdict=allowed" in answer
        assert took_s < IN_TIME_S


def crowd(daemon, count):
    """Connect so many peers, all of them before the first one's deadline."""
    began = time.monotonic()
    sockets = [connection(daemon.hook_port) for _ in range(count)]
    assert time.monotonic() - began < DEADLINE_S
    return sockets


def test_a_thousand_connections_that_say_nothing_keep_no_call_waiting(unharmed):
    silent = crowd(unharmed, MANY)
    check_answered(unharmed, times=5)
    assert all(is_closed(sock, 2 * DEADLINE_S) for sock in silent)


def test_more_silent_connections_than_there_are_places_keep_no_call_waiting(unharmed):
    silent = crowd(unharmed, MANY + 500)
    check_answered(unharmed, times=5)
    assert all(is_closed(sock, 2 * DEADLINE_S) for sock in silent)


def test_half_open_connections_are_let_go_by_the_deadline(unharmed):
    """The peer's machine is gone: no byte, no FIN, nothing ever comes again."""
    gone = crowd(unharmed, 100)
    for sock in gone:
        sock.sendall(HEAD + b"Unique-ID: ")
    check_answered(unharmed)
    assert all(is_closed(sock, 2 * DEADLINE_S) for sock in gone)


def test_callers_that_fall_silent_once_asked_are_given_nothing(unharmed):
    """They say who they are, so a hold is placed, and never confirm the answer."""
    uuids = [str(uuid.uuid4()) for _ in range(50)]
    silent = crowd(unharmed, len(uuids))
    for sock, call_uuid in zip(silent, uuids, strict=True):
        introduce(sock, call_uuid)
    check_answered(unharmed)
    assert all(is_closed(sock, 2 * DEADLINE_S) for sock in silent)
    wait_until(lambda: not any(is_held(unharmed.db, call_uuid) for call_uuid in uuids), 15)


def is_held(db, call_uuid):
    with db.read() as conn:
        return bool(holds.held_on(conn, call_uuid))


def test_a_slow_drip_does_not_outlive_the_deadline(unharmed):
    def drip():
        with connection(unharmed.hook_port) as sock:
            began = time.monotonic()
            try:
                while time.monotonic() - began < 5 * DEADLINE_S:
                    sock.sendall(b"a")
                    time.sleep(0.05)
            except OSError:
                lasted_s.append(time.monotonic() - began)

    lasted_s = []
    with at_once([drip] * 50):
        check_answered(unharmed, times=5)
    assert len(lasted_s) == 50
    assert max(lasted_s) < 2 * DEADLINE_S


def test_connections_reset_in_mid_frame_leave_nothing_behind(unharmed):
    for sock in crowd(unharmed, 300):
        sock.sendall(HEAD + b"Content-Length: 50\n\nhalf of it")
        reset(sock)
    for sock in crowd(unharmed, 300):
        reset(sock)
    check_answered(unharmed)


def test_headers_of_ten_megabytes_are_cut_off(unharmed):
    sent = []

    def swell():
        with connection(unharmed.hook_port) as sock:
            sent.append(pour(sock, b"X-%s: y\n" % (b"a" * 60_000), 5, limit=10_000_000))

    with at_once([swell] * 40):
        check_answered(unharmed, times=5)
        assert unharmed.rss_mb < 400
    # What TCP itself holds back is sent, but never read.
    assert max(sent) < 10_000_000


def test_bodies_of_thirty_megabytes_are_not_kept(unharmed):
    def swell():
        with connection(unharmed.hook_port) as sock:
            sock.sendall(HEAD + b"Content-Length: 33000000\n\n")
            pour(sock, b"x" * 60_000, 5, limit=32_000_000)

    before_mb = unharmed.rss_mb
    highest_mb = 0.0
    with at_once([swell] * 30):
        for _ in range(10):
            check_answered(unharmed)
            highest_mb = max(highest_mb, unharmed.rss_mb)
            time.sleep(0.1)
    assert highest_mb < before_mb + GROWTH_MB


@pytest.mark.parametrize(
    "piece",
    [
        b"\n" * 60_000,
        b"Content-Type: log/data\n\n" * 2_500,
        b"Content-Type: x\nContent-Length: 60000\n\n" + b"x" * 60_000,
    ],
)
def test_a_peer_that_never_pauses_stops_nobody(unharmed, piece):
    def flood():
        with connection(unharmed.hook_port) as sock:
            began = time.monotonic()
            pour(sock, piece, 5 * DEADLINE_S)
            lasted_s.append(time.monotonic() - began)

    lasted_s = []
    with at_once([flood] * 4):
        check_answered(unharmed, times=10)
    assert max(lasted_s) < 3 * DEADLINE_S


HEARTBEAT = b'{"Event-Name": "HEARTBEAT"}'
STRANGER = b'{"Event-Name": "CHANNEL_CREATE", "Unique-ID": "5353e3b2-0c5f-4d0c-8d79-8bfa2c5ff1cc"}'


def event(body):
    return b"Content-Length: %d\nContent-Type: text/event-json\n\n%s" % (len(body), body)


@pytest.mark.parametrize(
    "piece",
    [
        os.urandom(60_000),
        b"A" * 60_000,
        b"Content-Type: log/data\n\n" * 2_500,
        event(HEARTBEAT) * 800,
        event(STRANGER) * 500,
        event(b"{" * 5_000) * 10,
        event(b"x" * 33_000_000),
        b"Content-Type: text/event-json\nContent-Length: 999999999999\n\n" + b"x" * 60_000,
    ],
    ids=[
        "noise",
        "one-header",
        "logs",
        "heartbeats",
        "strangers",
        "no-json",
        "long-body",
        "endless-body",
    ],
)
def test_an_event_socket_that_floods_stops_no_call(unharmed, switch, piece):
    switch.then = lambda sock: pour(sock, piece, 2.0)
    before = switch.subscribed
    switch.drop()
    wait_until(lambda: switch.subscribed > before, 30)
    highest_mb = before_mb = unharmed.rss_mb
    for _ in range(10):
        check_answered(unharmed)
        highest_mb = max(highest_mb, unharmed.rss_mb)
    assert highest_mb < before_mb + GROWTH_MB


def test_an_event_socket_that_stops_reading_is_left_and_connected_anew(unharmed, switch):
    deaf = threading.Event()
    switch.then = lambda _sock: deaf.wait(60)
    before = switch.subscribed
    switch.drop()
    wait_until(lambda: switch.subscribed > before, 30)
    check_answered(unharmed, times=3)
    wait_until(lambda: switch.subscribed > before + 1, 40)
    deaf.set()


LOOK_S = 4.0


def never_logs_in(daemon, switch):
    """Let the link try for a while: calls are answered, and what it takes stays bounded."""
    before, before_fds, before_mb = switch.logins, daemon.descriptors, daemon.rss_mb
    greeted = switch.greeted
    switch.drop()
    wait_until(lambda: switch.greeted > greeted, 30)
    end = time.monotonic() + LOOK_S
    while time.monotonic() < end:
        check_answered(daemon)
        assert daemon.descriptors <= before_fds + 3
        assert daemon.rss_mb < before_mb + GROWTH_MB
        time.sleep(0.1)
    assert switch.logins == before


def test_an_event_socket_that_welcomes_without_end_is_left(unharmed, switch):
    switch.greet = lambda sock: sock.sendall(b"Content-Type: " + b"a" * 10_000_000)
    never_logs_in(unharmed, switch)


def test_an_event_socket_that_says_nothing_costs_one_connection(unharmed, switch):
    switch.greet = lambda _sock: None
    never_logs_in(unharmed, switch)


def test_an_event_socket_that_drips_its_welcome_is_left(unharmed, switch):
    def drip(sock):
        for byte in b"Content-Type: " + b"a" * 1_000:
            sock.sendall(bytes([byte]))
            time.sleep(0.05)

    switch.greet = drip
    never_logs_in(unharmed, switch)


def test_an_event_socket_that_resets_in_mid_frame_is_connected_anew(unharmed, switch):
    def break_off(sock):
        sock.sendall(event(HEARTBEAT)[:-5])
        reset(sock)

    switch.then = break_off
    before = switch.subscribed
    switch.drop()
    wait_until(lambda: switch.subscribed > before + 1, 60)
    check_answered(unharmed, times=3)


def rows_without_end(sock):
    sock.sendall(LIST_HEAD + b'{"row_count":9999999,"rows":[')
    for first in range(0, 8_000_000, 1_000):
        sock.sendall(b"".join(b'{"uuid":"%d"},' % (first + each) for each in range(1_000)))


LIST_HEAD = b"Content-Type: api/response\nContent-Length: 250000000\n\n"


@pytest.mark.parametrize(
    "answer",
    [
        lambda sock: pour(sock, LIST_HEAD + b"x" * 60_000, 3.0),
        lambda sock: pour(sock, LIST_HEAD + b'{"row_count":1,"rows":[{"uuid":"' + b"x" * 60_000, 3),
        lambda sock: pour(sock, b"Content-Type: api/response\n" * 3_000, 3.0),
        rows_without_end,
        lambda _sock: None,
        reset,
    ],
    ids=["no-json", "one-row", "headers", "rows", "silence", "reset"],
)
def test_an_event_socket_whose_list_has_no_end_costs_no_call_its_hold(unharmed, switch, answer):
    asked = []
    switch.lists = lambda sock: (asked.append(sock), answer(sock))
    highest_mb = before_mb = unharmed.rss_mb
    wait_until(lambda: asked, 30)
    for _ in range(20):
        check_answered(unharmed)
        highest_mb = max(highest_mb, unharmed.rss_mb)
        time.sleep(0.1)
    assert highest_mb < before_mb + GROWTH_MB
