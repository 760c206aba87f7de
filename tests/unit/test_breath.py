"""Long work lets sockets and timers come first."""

import gevent
import pytest
from gevent import socket

from fsbilling.billing.breath import BREATH_CALLS, unhurried
from fsbilling.switch.breath import breathe


@pytest.fixture
def ends():
    one, other = socket.socketpair()
    yield one, other
    one.close()
    other.close()


def test_a_breath_lets_sockets_and_timers_in(ends):
    one, other = ends
    reader = gevent.spawn(one.recv, 1)
    timer = gevent.spawn_later(0.000_01, lambda: None)
    gevent.sleep(0)  # both wait now
    other.sendall(b"x")
    for _ in range(3):
        breathe()
    assert reader.ready()
    assert timer.ready()


def test_a_long_look_breathes_every_so_often():
    breaths = []
    seen = list(unhurried(range(3 * BREATH_CALLS + 1), lambda: breaths.append(None)))
    assert seen == list(range(3 * BREATH_CALLS + 1))
    assert len(breaths) == 3
