"""`fsbilling serve` as a service manager sees it: a process, its signals, its exit codes."""

import signal
import socket
import subprocess
import sys
import time
import tomllib

import pytest


@pytest.fixture
def port():
    def free():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    return free


@pytest.fixture
def site(tmp_path, sqlite_url, port):
    """A configured installation: `run` a command, `start` a process."""
    config = tmp_path / "fsbilling.toml"
    config.write_text(
        f'[database]\nurl = "{sqlite_url}"\n'
        f'[hook]\nlisten = "127.0.0.1:{port()}"\n'
        f'[[switch]]\nname = "sim"\nport = {port()}\npassword = "secret"\n'
        "[metering]\nslice_s = 30\nfirst_slice_s = 30\nrenew_lead_s = 2\npoll_s = 5\n"
    )
    config.chmod(0o600)
    (tmp_path / "rates.csv").write_text("origin,destination,price_per_min\n*,*,0.60\n")
    site = Site(tmp_path, config)
    site.run("rates", "import", "std", "rates.csv", "--from", "2026-01-01T00:00:00")
    site.run("account", "add", "acme", "--mode", "prepaid", "--tariff", "400=std")
    site.run("account", "topup", "acme", "5", "--ref", "one")
    site.run("number", "add", "4001234567", "--account", "acme", "--target", "user/1001")
    yield site
    site.end()


class Site:
    def __init__(self, folder, config):
        self._folder = folder
        self._command = [sys.executable, "-m", "fsbilling", "--config", str(config)]
        self._processes = []
        self.config = config

    def run(self, *words):
        done = subprocess.run(
            [*self._command, *words],
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *words):
        log = (self._folder / f"{words[0]}-{len(self._processes)}.log").open("w+")
        process = subprocess.Popen(
            [*self._command, *words], cwd=self._folder, stdout=log, stderr=log
        )
        process.log = log
        self._processes.append(process)
        return process

    def end(self):
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait(timeout=10)


def wait_for(process, words, timeout_s=20):
    """Wait until the process has logged some words."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        process.log.seek(0)
        text = process.log.read()
        if words in text:
            return text
        time.sleep(0.05)
    pytest.fail(f"{words!r} was never logged:\n{text}")


def test_sigterm_lets_a_call_live_and_the_next_start_goes_on_with_it(site):
    sim = site.start("sim", "--calls", "1", "--talk", "14", "--ring", "0", "--after", "3")
    first = site.start("serve")
    wait_for(first, "event='answered'")
    first.send_signal(signal.SIGTERM)
    assert first.wait(timeout=20) == 0
    assert '"uuid"' in site.run("calls", "list", "--json")
    second = site.start("serve")
    wait_for(second, "event='settled'")
    assert sim.wait(timeout=20) == 0
    assert "14.000" in site.run("cdr", "list")
    assert site.run("calls", "list", "--json").strip() == "[]"
    second.send_signal(signal.SIGTERM)
    assert second.wait(timeout=20) == 0


def test_sighup_rereads_the_configuration_and_the_tariffs(site):
    serve = site.start("serve")
    wait_for(serve, "event='started'")
    site.config.write_text(site.config.read_text() + '[log]\nformat = "json"\n')
    serve.send_signal(signal.SIGHUP)
    wait_for(serve, '"event": "reloaded"')
    site.config.write_text("[nonsense]\n")
    serve.send_signal(signal.SIGHUP)
    wait_for(serve, "configuration not reread")
    serve.send_signal(signal.SIGTERM)
    assert serve.wait(timeout=20) == 0


def test_a_schema_that_is_not_known_is_one_line(site, tmp_path):
    site.config.write_text(f'[database]\nurl = "sqlite:///{tmp_path}/empty.db"\n')
    done = subprocess.run(
        [sys.executable, "-m", "fsbilling", "--config", str(site.config), "serve"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "fsbilling db upgrade" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_hook_address_is_one_line(site):
    hook = tomllib.loads(site.config.read_text())["hook"]["listen"]
    with socket.create_server(("127.0.0.1", int(hook.rpartition(":")[2]))):
        daemon = site.start("serve")
        assert daemon.wait(timeout=20) == 1
    assert "Traceback" not in wait_for(daemon, "in use")


def test_a_second_daemon_needs_a_journal_of_its_own(site):
    first = site.start("serve")
    wait_for(first, "event='started'")
    second = site.start("serve")
    assert second.wait(timeout=20) == 2
    assert "Traceback" not in wait_for(second, "give each daemon a file of its own")


@pytest.mark.parametrize(
    "part",
    [
        "daemon.Daemon._wake_calls",
        "daemon.Daemon._say_status",
        "post.Post.keep",
        "rounds.Rounds._sweep_regularly",
        "rounds.Rounds._feel_the_pulse",
    ],
)
def test_a_daemon_of_which_a_part_broke_stops_and_says_so(site, tmp_path, part):
    """Better started anew by the service manager than on without its meter."""
    broken = (
        "from gevent import monkey; monkey.patch_all()\n"
        "import os, sys\n"
        "from pathlib import Path\n"
        "from fsbilling.daemon import daemon, post, rounds, service\n"
        "from fsbilling.config import load\n"
        "def broken(*_): raise RuntimeError('this part broke')\n"
        f"{part} = broken\n"
        f"path = Path({str(site.config)!r})\n"
        "try:\n"
        "    service.serve(load(path, os.environ), lambda: None)\n"
        "except daemon.FsbillingError as fault:\n"
        "    sys.exit(f'stopped: {fault}')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", broken],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "stopped: the daemon broke and has stopped: this part broke" in done.stderr
