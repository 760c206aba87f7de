"""A daemon goes on duty and off it: its parts, wired as `serve` wires them."""

import gevent
import pytest
from daemons import listens
from gevent import socket
from made_daemon import asks, link_to

from fsbilling.billing.renewal import renew
from fsbilling.config import Hook, Switch
from fsbilling.config import Journal as JournalSettings
from fsbilling.errors import SwitchError
from fsbilling.sim.switch import SimSwitch
from fsbilling.sim.virtual_clock import VirtualClock
from fsbilling.switch.link import Link

ANY_PORT = Hook(listen="127.0.0.1:0")
UUID = "42a1d4a0-bf75-4287-ab9c-614e30a2479f"


@pytest.fixture
def on_duty():
    """Let a daemon go on duty, its hook at a free port."""
    posts = []

    def take(daemon):
        posts.append(daemon._post)
        daemon._post.take()

    yield take
    for post in posts:
        post.close()
        post.leave()


def test_on_duty_again_it_goes_on_from_the_holds_that_another_renewed(made, on_duty):
    daemon = made(hook=ANY_PORT)
    asks(daemon)
    (known,) = daemon.meter.calls.all()
    renewed = renew(daemon.db, known, slice_s=30, now_us=0, seen_us=0)
    on_duty(daemon)
    (session,) = daemon.meter.calls.all()
    assert (session.granted_s, session.timer_seq) == (renewed.granted_s, known.timer_seq + 1)
    assert session.held_micros == renewed.held_micros > known.held_micros


def test_on_duty_again_it_tells_the_switch_and_looks_for_the_calls_that_another_let_in(
    made, on_duty, shell, monkeypatch, tmp_path
):
    said = link_to(SimSwitch(VirtualClock()), monkeypatch)
    asks(made())
    daemon = made(hook=ANY_PORT, journal=JournalSettings(path=str(tmp_path / "second")))
    monkeypatch.setattr(Link, "is_up", True)
    on_duty(daemon)
    gevent.sleep(0.05)
    assert any(command.startswith("global_setvar fsbilling_on_duty=") for command in said)
    (record,) = shell.json("cdr", "list")
    assert record["end_source"] == "estimate", "of a core that is gone"


def test_replaced_it_lets_nobody_in_and_forgets_its_calls(made, on_duty, tmp_path):
    daemon = made(hook=ANY_PORT)
    on_duty(daemon)
    asks(daemon)
    port = daemon._post._doors._hook.port
    assert listens(port)
    daemon._post.leave()
    on_duty(made(hook=ANY_PORT, journal=JournalSettings(path=str(tmp_path / "second"))))
    assert not daemon._post._duty.try_now()
    assert not daemon.meter.calls
    assert not listens(port)


def test_no_two_daemons_work_for_one_switch_though_their_others_differ(made, on_duty, tmp_path):
    on_duty(made(hook=ANY_PORT, switches=(Switch(name="fs1"), Switch(name="fs2"))))
    other = {"hook": ANY_PORT, "journal": JournalSettings(path=str(tmp_path / "second"))}
    second = made(switches=(Switch(name="fs2"), Switch(name="fs3")), **other)
    on_duty(second)
    assert not second._post.is_held


def test_off_duty_the_switch_is_asked_and_told_nothing(made, monkeypatch):
    """A daemon that does not know that it works may be beside one that does."""
    switch = SimSwitch(VirtualClock())
    said = link_to(switch, monkeypatch)
    node = made()._nodes["fs1"]
    assert node.core_uuid() == switch.core_uuid
    assert node.live_uuids() == frozenset()
    assert node.dump(UUID) is None
    questions, said[:] = len(said), []
    for tell in (
        lambda: node.kill(UUID, "ALLOTTED_TIMEOUT"),
        lambda: node.reject("all", "CALL_REJECTED"),
        lambda: node.mark(UUID, {"fsbilling_call": UUID}),
        lambda: node.add_timer(UUID, 1, 1_795_281_711_064_551),
        lambda: node.replace_timer(UUID, 1, 1_795_281_711_064_551),
        lambda: node.remove_timer(UUID, 0),
        lambda: node.warn(UUID, "tone_stream://%(200,100,950)", "aleg"),
    ):
        with pytest.raises(SwitchError, match="not on duty"):
            tell()
    assert (questions, said) == (3, [])


def test_the_hook_has_as_many_places_as_it_says(made, on_duty):
    """The peer that has been silent longest gives way to the next."""
    daemon = made(hook=Hook(listen="127.0.0.1:0", max_connections=1, deadline_ms=10_000))
    on_duty(daemon)
    address = ("127.0.0.1", daemon._post._doors._hook.port)
    with (
        gevent.Timeout(5),
        socket.create_connection(address) as silent,
        socket.create_connection(address) as caller,
    ):
        assert silent.recv(100) == b"connect\n\n"
        assert silent.recv(100) == b""
        assert caller.recv(100) == b"connect\n\n"
