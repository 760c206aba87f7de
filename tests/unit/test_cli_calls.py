"""Live calls: listed from SQL, ended over the event socket (a small one of our own)."""

import socketserver
import threading

import pytest
from commands import Commands

from fsbilling.calls.call import Call
from fsbilling.numbering.number import normalise
from fsbilling.numbering.region import UNKNOWN_REGION
from fsbilling.rating.rate import Rate
from fsbilling.rating.terms import Terms
from fsbilling.store import accounts, holds
from fsbilling.store.engine import Database
from fsbilling.store.hold_rows import Hold

UUID = "5f6d1c3e-0b53-4b69-8a35-6d3f2f0a9b11"
LEG = "0c0b8a52-3a5e-4a8e-9d6c-0a9e0d6d7e21"
PASSWORD = "secret"


class EventSocket(socketserver.StreamRequestHandler):
    """mod_event_socket as `calls kill` meets it: authentication and uuid_kill."""

    def handle(self):
        self.say("Content-Type: auth/request\n\n")
        while (line := self.rfile.readline()) and self.rfile.readline():
            words = line.decode().split()
            if words[0] == "auth":
                verdict = "+OK accepted" if words[1] == PASSWORD else "-ERR invalid"
                self.say(f"Content-Type: command/reply\nReply-Text: {verdict}\n\n")
            elif words[:2] == ["api", "uuid_kill"]:
                lives = words[2] in self.server.live
                self.server.killed.append(words[2:])
                body = "+OK\n" if lives else "-ERR No such channel!\n"
                self.say(f"Content-Type: api/response\nContent-Length: {len(body)}\n\n{body}")

    def say(self, text):
        self.wfile.write(text.encode())


@pytest.fixture
def switch():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), EventSocket) as server:
        server.daemon_threads = True
        server.live, server.killed = {UUID, LEG}, []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def configuration(tmp_path):
    def write(port: int, password: str = PASSWORD) -> str:
        path = tmp_path / "fsbilling.toml"
        path.write_text(f"[[switch]]\nname = 'fs1'\nport = {port}\npassword = '{password}'\n")
        return str(path)

    return write


@pytest.fixture
def acme(sqlite_url, tmp_path):
    shell = Commands(sqlite_url)
    shell.open_for_business(tmp_path)
    return shell


def hold_a_call(shell, *, answered_us=0, leg_uuid=UUID) -> None:
    database = Database.open(shell.url)
    with database.write() as conn:
        payer = accounts.lock(conn, "acme")
        call = Call(
            switch="fs1",
            uuid=UUID,
            core_uuid="core",
            account="acme",
            service="outbound",
            direction="inbound",
            caller=normalise("1001"),
            callee=normalise("13800138000"),
            caller_region=UNKNOWN_REGION,
            callee_region=UNKNOWN_REGION,
            rated_caller=normalise(""),
            rated_caller_region=UNKNOWN_REGION,
            created_us=1,
        )
        hold = Hold(
            call=call,
            terms=Terms(tariff="std", version=1, rate=Rate(rate_micros_per_min=600_000)),
            account_id=payer.account_id,
            amount_micros=150_000,
            granted_s=15,
            leg_uuid=leg_uuid,
            authorised_us=1,
            answered_us=answered_us,
            seen_us=1,
        )
        assert holds.place(conn, hold)
    database.close()


def test_a_live_call_is_listed_with_what_is_held_for_it(acme, monkeypatch):
    hold_a_call(acme, answered_us=1_000_000)
    monkeypatch.setattr("fsbilling.cli.calls.now_us", lambda: 8_999_999)
    (call,) = acme.json("calls", "list", "--account", "acme")
    assert (call["caller"], call["callee"]) == ("1001", "13800138000")
    assert (call["talked_s"], call["granted_s"]) == (7, 15)
    assert (call["held_micros"], call["held"]) == (150_000, "0.15")
    row = acme.do("calls", "list").splitlines()[1]
    assert all(part in row for part in ("acme", "7 s", "15 s", "0.15", UUID))


def test_a_call_that_rings_has_not_talked(acme):
    hold_a_call(acme)
    assert acme.json("calls", "list")[0]["talked_s"] == 0
    assert "ringing" in acme.do("calls", "list")


def test_kill_ends_the_leg_that_pays_now(acme, switch, configuration):
    hold_a_call(acme, leg_uuid=LEG)
    path = configuration(switch.server_address[1])
    assert acme.do("--config", path, "calls", "kill", UUID).startswith(f"ended call {UUID}")
    assert switch.killed == [[LEG, "MANAGER_REQUEST"]]


def test_kill_reaches_a_call_that_billing_does_not_know(acme, switch, configuration):
    path = configuration(switch.server_address[1])
    acme.do("--config", path, "calls", "kill", UUID, "--switch", "fs1")
    assert switch.killed == [[UUID, "MANAGER_REQUEST"]]


def test_kill_of_a_call_that_has_ended_is_refused(acme, switch, configuration):
    switch.live.clear()
    hold_a_call(acme)
    path = configuration(switch.server_address[1])
    assert "ended already" in acme.refused("--config", path, "calls", "kill", UUID)


def test_kill_without_a_switch_to_ask_is_refused(acme):
    assert "--switch" in acme.refused("calls", "kill", UUID)
    assert "fs1" in acme.refused("calls", "kill", UUID, "--switch", "nosuch")


@pytest.mark.parametrize("uuid", ["", "all", "x y", "; hupall"])
def test_what_is_no_uuid_never_reaches_the_switch(acme, switch, configuration, uuid):
    path = configuration(switch.server_address[1])
    acme.refused("--config", path, "calls", "kill", uuid, "--switch", "fs1")
    assert switch.killed == []


def test_a_switch_that_cannot_be_reached_is_one_line(acme, switch, configuration):
    hold_a_call(acme)
    acme.refused("--config", configuration(1), "calls", "kill", UUID)
    wrong = configuration(switch.server_address[1], password="wrong")
    assert "password" in acme.refused("--config", wrong, "calls", "kill", UUID)


def test_an_unknown_account_is_refused(acme):
    acme.refused("calls", "list", "--account", "nobody")


@pytest.mark.parametrize("words", [("kill",), ("list", "extra"), ("end", UUID)])
def test_wrong_usage_is_one_line_and_changes_nothing(acme, words):
    acme.misused("calls", *words)
