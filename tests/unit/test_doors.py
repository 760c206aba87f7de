"""The hook's address, when another process has it: tried again, and let go of."""

import socket

import gevent
import pytest
from daemons import listens, wait_until

from fsbilling.daemon import doors as module
from fsbilling.daemon.doors import Doors
from fsbilling.switch.hook import HookAnswer, HookServer


@pytest.fixture
def taken():
    """A socket that listens where the hook should."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def hooks():
    """Every hook that was made."""
    return []


@pytest.fixture
def doors(taken, hooks, monkeypatch):
    monkeypatch.setattr(module, "REBIND_S", 0.02)
    address = taken.getsockname()

    def new_hook():
        hooks.append(
            HookServer(
                address,
                decide=lambda _channel: HookAnswer({}),
                abandoned=lambda _channel: None,
                deadline_ms=1_000,
                max_connections=10,
            )
        )
        return hooks[-1]

    doors = Doors(new_hook, {})
    yield doors
    doors.close()


def test_a_taken_address_is_tried_until_it_is_free(doors, taken):
    """Who takes over must not stay deaf because the other's process was slow to go."""
    port = taken.getsockname()[1]
    doors.open(patient=True)
    gevent.sleep(0.1)
    taken.close()
    wait_until(lambda: listens(port), "the hook", 5)


def test_closed_meanwhile_it_is_not_opened_any_more(doors, taken):
    port = taken.getsockname()[1]
    doors.open(patient=True)
    gevent.sleep(0.1)
    doors.close()
    taken.close()
    gevent.sleep(0.2)
    assert not listens(port)


def test_opened_twice_it_is_one_hook(doors, hooks, taken):
    taken.close()
    doors.open(patient=True)
    doors.open(patient=True)
    assert len(hooks) == 1
