"""The database is lost, and a backup restored: what the switch wrote down brings back the rest."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest
from billing import Billing
from patience import wait_for
from phones import CARRIER_HOST, Dial

GRACE_S = 11
"""`fsbilling reconcile` says nothing of calls that ended within 10 s."""

PAYERS = ("caller", "company", "short")
AS_BILLED = (
    *("account", "service", "caller_dialled", "callee_dialled", "answered_us"),
    *("ended_us", "duration_us", "billed_s", "charge_micros", "waived_micros", "hangup_cause"),
    *("tariff", "tariff_version", "rate_id", "price_micros_per_min", "last_leg_uuid"),
)


class Backup:
    """A dump of the shop's database, and the shop that is opened on what is restored of it."""

    def __init__(self, postgres, database: str, lab, folder) -> None:
        self.shop: Billing | None = None
        self._postgres, self._database = postgres, database
        self._lab, self._folder = lab, folder
        self._dump = b""

    def take(self) -> None:
        self._dump = self._postgres.backup(self._database)

    def restore(self) -> Billing:
        url = self._postgres.url(self._postgres.restore(self._dump))
        self.shop = _billing(self._lab, self._folder, url)
        return self.shop


@pytest.fixture
def database(postgres, postgres_template):
    """The name of a database of this test alone."""
    name = postgres.create(postgres_template)
    yield name
    postgres.drop(name)


@pytest.fixture
def shop(billing, lab, tmp_path, postgres, database):
    """Billing for the lab on that database; the suite's own is away meanwhile."""
    billing.stop()
    shop = _billing(lab, tmp_path / "before", postgres.url(database))
    _open(shop, lab)
    shop.start()
    yield shop
    shop.stop()


@pytest.fixture
def backup(shop, postgres, database, lab, tmp_path):
    backup = Backup(postgres, database, lab, tmp_path / "after")
    yield backup
    if backup.shop is not None:
        backup.shop.stop()


def test_calls_since_a_restored_backup_are_billed_again_once_and_as_they_were(
    shop, backup, lab, phones, measured
):
    began = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    _calls(phones, 1).done()
    before = shop.wait_for_cdrs("caller", 3)
    lasting = phones.place([Dial("13700000000", user="1002", ms=9_000)])
    wait_for(lambda: [row for row in shop.live("caller") if row["answered_us"]], "one talks on")
    backup.take()

    shop.commands.do("account", "topup", "caller", "1.00", "--ref", "second")
    lost = [_calls(phones, 2), *_calls_in(phones), _cut(phones)]
    _originate(lab)
    for calls in (lasting, *lost):
        calls.done()
    lab.wait_until_idle()
    wait_for(lambda: not any(shop.live(code) for code in PAYERS), "all are settled")
    was, balances = _billed(shop), _balances(shop)
    assert shop.stop() == 0
    time.sleep(GRACE_S)

    again = backup.restore()
    assert {cdr["uuid"] for cdr in again.cdrs("caller")} == {cdr["uuid"] for cdr in before}
    again.commands.do("account", "topup", "caller", "1.00", "--ref", "second")
    named = _reconcile(again, lab, began)
    kinds = Counter(each["kind"] for each in named)
    assert kinds == {"missing_here": len(was) - len(before) - 1, "unsettled": 1}

    applied = _reconcile(again, lab, began, "--apply")
    assert {each["uuid"] for each in applied} == {each["uuid"] for each in named}
    assert [each for each in applied if not each["applied"]] == []
    now = _billed(again)
    assert [(now.get(uuid), call) for uuid, call in was.items() if now.get(uuid) != call] == []
    assert (len(now), _balances(again)) == (len(was), balances)
    for code in PAYERS:
        again.assert_ledger_adds_up(code)

    rows = again.commands.rows()
    assert _reconcile(again, lab, began, "--apply") == []
    assert again.commands.rows() == rows
    again.start()
    assert (_billed(again), _balances(again)) == (now, balances)
    measured("restored backup: calls billed again", f"{len(applied)} of {len(was)}, all alike")


def _billing(lab, folder, url) -> Billing:
    folder.mkdir()
    return Billing(lab, folder, url)


def _open(shop: Billing, lab) -> None:
    """Who calls out, who owns a 400 number, and who has credit for four seconds."""
    shop.tariff("std")
    shop.customer("caller", "5", user="1002")
    shop.customer("company", "5")
    shop.customer("short", "0.04", user="1003")
    agent = f"sofia/lab/agent0020@{CARRIER_HOST}:{lab.carrier_port}"
    shop.number("4009000001", "company", agent)
    shop.number("4009000002", "company", "extension/menu/company")
    shop.number("4009000003", "company", "extension/forward-13700003090/company")


def _calls(phones, serial: int):
    """Out: one that the caller ends, one that the callee ends, and one that is busy."""
    return phones.place(
        [
            Dial(f"1370{serial:03}0050", user="1002", ms=1_800),
            Dial(f"1371{serial:03}3120", user="1002", mode="wait"),
            Dial(f"1372{serial:03}1000", user="1002", mode="wait"),
        ]
    )


def _calls_in(phones) -> list:
    """To an agent, to a voice menu, and through a menu to a mobile."""
    numbers = ("4009000001", "4009000002", "4009000003")
    dials = [Dial(numbers[0], shown="13900000001", ms=1_300)]
    dials += [Dial(number, shown="13900000001", mode="wait") for number in numbers[1:]]
    return [phones.place([dial], host=CARRIER_HOST) for dial in dials]


def _cut(phones):
    return phones.place([Dial("13730000000", user="1003", mode="wait")])


def _originate(lab) -> None:
    lab.api(
        "bgapi originate {fsbilling_account=caller,fsbilling_service=outbound,"
        "origination_caller_id_number=02088888888}"
        "sofia/gateway/carrier/13740003150 &park"
    )


def _reconcile(shop: Billing, lab, since: str, *options: str) -> list[dict]:
    """What it finds and, with --apply, what became of it; exit 0 only if nothing is left."""
    done = shop.commands.run(
        "reconcile", lab.json_cdr_dir, "--since", f"{since}Z", *options, "--json"
    )
    differences = json.loads(done.stdout)["differences"]
    assert bool(done.exit_code) is any(not each["applied"] for each in differences), done.output
    return differences


def _billed(shop: Billing) -> dict[str, dict]:
    """What each call was billed as, by its UUID."""
    cdrs = [cdr for code in PAYERS for cdr in shop.cdrs(code)]
    return {cdr["uuid"]: {key: cdr[key] for key in AS_BILLED} for cdr in cdrs}


def _balances(shop: Billing) -> dict[str, int]:
    return {code: shop.account(code)["balance_micros"] for code in PAYERS}
