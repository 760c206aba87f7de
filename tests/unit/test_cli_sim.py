"""`sim` and `serve`: what a person sees of them; what they do is tested where it is done."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from commands import Commands

ROOT = Path(__file__).parents[2]
NOBODY = "127.0.0.1:1"
QUICK = ("--port", "0", "--hook", NOBODY, "--rate", "100", "--after", "0", "--ring", "0")


@pytest.fixture
def start(sqlite_url, tmp_path):
    """Start a command as its own process, in a folder of its own."""
    started = []

    def run(*words, url=sqlite_url):
        process = subprocess.Popen(
            [sys.executable, "-m", "fsbilling", *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "FSBILLING_DATABASE_URL": url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def taken():
    """A port somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_ordered_calls_are_placed_told_and_waited_for(start):
    words = ("--calls", "3", "--callee", "4001234567", "--callee", "120", "--talk", "0")
    process = start("sim", *QUICK, *words)
    out, err = process.communicate(timeout=30)
    first, *ends = out.splitlines()
    assert (process.returncode, err) == (0, "")
    assert first.startswith("simulated switch on 127.0.0.1:")
    assert len(ends) == 3
    assert sum("-> 120: 0.000 s, NORMAL_CLEARING" in end for end in ends) == 1


def test_without_calls_it_waits_until_it_is_interrupted(start):
    process = start("sim", *QUICK)
    assert process.stdout.readline().startswith("simulated switch")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "")


def test_a_taken_port_is_one_line(sqlite_url, taken):
    shell = Commands(sqlite_url)
    assert str(taken) in shell.refused("sim", "--port", taken, "--hook", NOBODY)


@pytest.mark.parametrize(
    "words", [("--hook", "nowhere"), ("--rate", "0"), ("--outcome", "magic"), ("--port", "70000")]
)
def test_wrong_usage_is_one_line(sqlite_url, words):
    Commands(sqlite_url).misused("sim", "--port", "0", *words)


@pytest.fixture
def configure(tmp_path):
    def write(text):
        (tmp_path / "fsbilling.toml").write_text(text)

    return write


def test_serve_refuses_a_taken_port(start, configure, taken):
    configure(f"[hook]\nlisten = '127.0.0.1:{taken}'\n")
    assert_fails(start("serve"), 1, str(taken))


def test_serve_refuses_a_wrong_configuration(start, configure):
    configure("[hook]\nlisten = 'nowhere'\n")
    assert_fails(start("serve"), 2, "[hook] listen")


def test_serve_refuses_an_empty_database(start, tmp_path):
    url = f"sqlite:///{tmp_path}/new.db"
    assert_fails(start("serve", url=url), 1, "fsbilling db upgrade")


def assert_fails(process, code, word):
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in err
    assert word in err.splitlines()[-1]


def test_serve_warns_of_the_stock_password_and_stops_when_told(start, configure):
    configure("[hook]\nlisten = '127.0.0.1:0'\n[[switch]]\nport = 1\n")
    process = start("serve")
    assert "ClueCon" in process.stderr.readline()
    assert any("started" in line for line in process.stderr)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0
