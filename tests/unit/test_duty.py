"""Who works, and what may be told to a switch while nobody can say: docs/adr/0011 and 0017."""

import pytest

from fsbilling.daemon import duty
from fsbilling.daemon.post import Post
from fsbilling.errors import StoreError, SwitchError
from fsbilling.sim.switch import SimSwitch
from fsbilling.sim.virtual_clock import VirtualClock
from fsbilling.store.switch_lock import SILENCE_MS

LEG = "11111111-1111-4111-8111-111111111111"
KILL = f"uuid_kill {LEG} NORMAL_TEMPORARY_FAILURE"
OTHER = "f" * 32


class Lock:
    """A switch's lock; another daemon waits for it, or none, and SQL may be out."""

    def __init__(self):
        self.is_out = False
        self.is_anothers = False
        self.is_awaited = True

    def take(self):
        self._need_sql()
        return not self.is_anothers

    def confirm(self):
        self._need_sql()
        return self.is_awaited

    def release(self): ...

    def _need_sql(self):
        if self.is_out:
            raise StoreError("SQL is out")


class Link:
    """A link that is up, to a simulated switch."""

    is_up = True

    def __init__(self, switch):
        self._switch = switch

    def start(self): ...

    def stop(self): ...

    def api(self, command, _timeout_s=5.0):
        return self._switch.execute(command)


class Hook:
    port = 0

    def start(self): ...

    def stop(self): ...


@pytest.fixture
def switch():
    clock = VirtualClock()
    switch = SimSwitch(clock, heartbeat_us=0)
    switch.execute(f"originate {{origination_uuid={LEG}}}loopback/1000/public &park()")
    clock.play(switch, until_us=clock.now_us() + 1_000_000)
    return switch


@pytest.fixture
def lock():
    return Lock()


@pytest.fixture
def link(switch):
    return Link(switch)


@pytest.fixture
def post(link, lock):
    """A daemon's post: it was on duty, another daemon waits, and SQL is lost."""
    return left_without_sql(link, lock)


def left_without_sql(link, lock):
    post = Post(
        lock,
        {"fs1": link},
        new_hook=Hook,
        begin=lambda: None,
        look_round=lambda: None,
        put_down=lambda: None,
        is_wanted=lambda: False,
    )
    post.take()
    post.linked("fs1")
    assert post._duty._confirm()
    lock.is_out = True
    assert not post._duty._confirm()
    post._pause(is_awaited=lock.is_awaited)
    return post


@pytest.fixture
def api_alone(link, lock):
    """What billing may say then, if no other daemon was there when SQL was last asked."""
    lock.is_awaited = False
    return left_without_sql(link, lock).api(link)


@pytest.fixture
def api(post, link):
    """What billing may say to the switch then."""
    return post.api(link)


def test_a_sign_of_life_counts_less_than_the_server_waits():
    """Rule 3 of two daemons: who was let through in time is heard before another is."""
    assert duty.VALID_S + duty.UNDER_WAY_S <= SILENCE_MS / 1_000
    assert duty.UNDER_WAY_S >= 1
    assert duty.BEAT_S * 2 <= duty.VALID_S


def test_a_takeover_leaves_half_of_its_five_seconds_to_a_busy_machine():
    assert SILENCE_MS / 1_000 + duty.POLL_S <= 2.75


def test_off_duty_the_switch_is_asked_and_told_nothing(api):
    assert api("strmicroepoch").isdigit()
    for order in (f"sched_del fsbilling-{LEG}-1", f"uuid_setvar_multi {LEG} a=b"):
        with pytest.raises(SwitchError, match="not on duty"):
            api(order)


def test_an_unpaid_call_is_ended_though_another_waits_while_the_switch_names_us(api, switch):
    assert api(KILL) == "+OK\n"
    assert LEG not in switch.channels


def test_nothing_is_ended_once_the_switch_names_another(api, switch):
    switch.execute(f"global_setvar fsbilling_on_duty={OTHER}")
    assert api(KILL) == "-ERR No such channel!\n"
    assert LEG in switch.channels


def test_nothing_is_ended_where_the_switch_names_nobody(api, switch):
    """It has restarted: another daemon may have found it first, and not told it yet."""
    del switch.globals["fsbilling_on_duty"]
    assert api(KILL) == "-ERR No such channel!\n"


def test_what_cannot_stand_in_a_condition_is_not_ended(api):
    with pytest.raises(SwitchError, match="not on duty"):
        api("uuid_kill lead:4711 NORMAL_TEMPORARY_FAILURE")


def test_a_link_that_comes_up_off_duty_leaves_the_switch_to_whom_it_names(post, switch):
    switch.execute(f"global_setvar fsbilling_on_duty={OTHER}")
    post.linked("fs1")
    assert switch.globals["fsbilling_on_duty"] == OTHER


def test_back_on_duty_its_hook_is_no_longer_watched_over(post, lock):
    """Else it would be closed again, as nobody is let through without SQL any more."""
    assert post.vigil.is_kept
    lock.is_out = False
    assert post._duty.try_now()
    assert not post.vigil.is_kept


def test_replaced_it_does_not_open_its_hook_again(post, lock):
    lock.is_out, lock.is_anothers = False, True
    assert not post._duty.try_now()
    assert not post.vigil.is_kept


def test_a_daemon_alone_ends_an_unpaid_call(api_alone, switch):
    assert api_alone(KILL) == "+OK\n"
    assert LEG not in switch.channels


def test_a_daemon_alone_ends_an_unpaid_call_of_a_switch_that_has_restarted(api_alone, switch):
    del switch.globals["fsbilling_on_duty"]
    assert api_alone(KILL) == "+OK\n"


def test_a_daemon_alone_ends_one_that_cannot_stand_in_a_condition(api_alone):
    assert api_alone("uuid_kill lead:4711 NORMAL_TEMPORARY_FAILURE").startswith("-ERR No such")


def test_a_daemon_that_was_alone_ends_nothing_once_another_has_begun(api_alone, switch):
    """It was stopped, or cut off from SQL, while the other one started and took over."""
    switch.execute(f"global_setvar fsbilling_on_duty={OTHER}")
    with pytest.raises(SwitchError, match="not on duty"):
        api_alone(KILL)
    assert LEG in switch.channels


def test_a_daemon_that_was_alone_leaves_the_last_word_to_the_switch(switch, lock):
    """The other one begins just after the switch was asked who works."""

    class Overtaken(Link):
        def api(self, command, timeout_s=5.0):
            answer = super().api(command, timeout_s)
            if command.startswith("global_getvar"):
                self._switch.execute(f"global_setvar fsbilling_on_duty={OTHER}")
            return answer

    lock.is_awaited = False
    link = Overtaken(switch)
    assert left_without_sql(link, lock).api(link)(KILL) == "-ERR No such channel!\n"
    assert LEG in switch.channels


def test_a_sign_of_life_that_is_heard_of_too_late_lets_nothing_be_told(lock, monkeypatch):
    """The daemon was stopped while the answer was under way: another may work by now."""
    now = [0.0]
    monkeypatch.setattr(duty, "_now_s", lambda: now[0])
    mine = duty.Duty(lock, begin=lambda: None, pause=lambda _: None, hand_over=lambda: None)
    assert mine.try_now()
    now[0] += duty.VALID_S
    assert mine.may_work()

    def stopped():
        now[0] += 60.0
        return False

    now[0] += duty.VALID_S
    lock.confirm = stopped
    assert not mine.may_work()
