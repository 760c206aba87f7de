"""A loop that hangs ends the process; systemd is told what it asked to be told."""

import socket
import subprocess
import sys

from fsbilling.daemon.watchdog import STUCK_EXIT, notify

HANGING = """
from gevent import monkey; monkey.patch_all()
import gevent
from fsbilling.daemon import watchdog
watchdog.CHECK_S = 0.05
watchdog.BEAT_S = 0.01
dog = watchdog.Watchdog()
dog.start()
gevent.sleep(1)
print("alive", flush=True)
{end}
"""


def run(end):
    return subprocess.run(
        [sys.executable, "-c", HANGING.format(end=end)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_loop_that_does_not_come_round_ends_the_process_and_says_where_it_was():
    hung = run("while True: pass")
    assert (hung.stdout, hung.returncode) == ("alive\n", STUCK_EXIT)
    assert "most recent call first" in hung.stderr


def test_a_loop_that_waits_is_no_hang_and_an_ended_watch_bites_no_more():
    ended = run("gevent.sleep(1); dog.stop(); import time; [sum(range(10**6)) for _ in range(60)]")
    assert ended.returncode == 0


def test_systemd_hears_what_it_asked_for(tmp_path, monkeypatch):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        notify("READY=1")
        assert manager.recv(100) == b"READY=1"
    notify("WATCHDOG=1")
    monkeypatch.delenv("NOTIFY_SOCKET")
    notify("READY=1")
