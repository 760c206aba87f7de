"""The simulation's store in memory is the store: the same calls, the same answers, the same rows.

Random transactions, some of which fail or are given up, are played on both.
"""

from __future__ import annotations

import inspect
import random
from types import SimpleNamespace

import msgspec
import pytest
from simulation.memory import TWINS
from simulation.memory.books import MemoryDatabase
from store_samples import NOW_US, a_cdr, a_hold, a_refused_cdr

from fsbilling.calls.cdr import EndSource
from fsbilling.credit.account import Mode
from fsbilling.credit.limits import Periods
from fsbilling.errors import Refused, StoreError
from fsbilling.ledger.chain import FaultKind
from fsbilling.ledger.entry import EntryKind
from fsbilling.rating.plan import Plan
from fsbilling.rating.rate import Rate
from fsbilling.store.entries import Draft

REAL = SimpleNamespace(**{module.__name__.rpartition(".")[2]: module for module in TWINS})
MEMORY = SimpleNamespace(**{twin.__name__.rpartition(".")[2]: twin for twin in TWINS.values()})
CODES = ("acme", "bolt")
UUIDS = tuple(f"00000000-0000-4000-8000-00000000000{digit}" for digit in range(6))
MONTHS = ("2026-11", "2026-12")
SCRIPTS, TRANSACTIONS = 8, 40


class GivenUp(Exception):  # noqa: N818 -- says what happened
    """The caller leaves its transaction by an exception of its own."""


@pytest.mark.parametrize("real", TWINS, ids=lambda module: module.__name__)
def test_a_twin_is_called_as_what_it_stands_for(real):
    for name, function in inspect.getmembers(TWINS[real], inspect.isfunction):
        if not name.startswith("_") and function.__module__ == TWINS[real].__name__:
            if name == "keep":
                continue  # the twins' own
            asked = inspect.signature(getattr(real, name)).parameters
            taken = inspect.signature(function).parameters
            assert [*asked] == [*taken], name
            for parameter in asked:
                assert asked[parameter].kind == taken[parameter].kind
                assert asked[parameter].default == taken[parameter].default


@pytest.mark.parametrize("script", range(SCRIPTS))
def test_it_answers_as_the_store_does(db, script):
    memory = MemoryDatabase()
    for store, base in ((REAL, db), (MEMORY, memory)):
        with base.write() as conn:
            set_up(store, conn)
    draw = random.Random(script)
    for _ in range(TRANSACTIONS):
        steps = [draw_step(draw) for _ in range(draw.randint(1, 4))]
        gives_up = draw.random() < 0.1
        outcomes = [
            play(store, base, steps, gives_up=gives_up)
            for store, base in ((REAL, db), (MEMORY, memory))
        ]
        if base_says_late(db):
            outcomes = [kept(outcome) for outcome in outcomes]
        assert outcomes[0] == outcomes[1], steps
        assert rows(REAL, db) == rows(MEMORY, memory), steps


def set_up(store, conn):
    rates = [Rate(rate_micros_per_min=600_000), Rate(destination="prefix:1", rate_micros_per_min=7)]
    for plan in (Plan(), Plan(included_s=600)):
        store.tariffs.import_version(
            conn, "std", rates, valid_from_us=5, source="x", at_us=NOW_US, plan=plan
        )
    for code, mode in zip(CODES, (Mode.PREPAID, Mode.POSTPAID), strict=True):
        store.accounts.add(conn, code=code, mode=mode, tariffs={"400": "std"}, at_us=NOW_US)
        store.directory.add_line(conn, "user", code, code)
        store.directory.add_number(conn, f"400000000{len(code)}{mode[0]}", code, "user/1")


def draw_step(draw):
    """Draw one thing to do: a name, and a function of a store and its connection."""
    code, uuid, month = draw.choice(CODES), draw.choice(UUIDS), draw.choice(MONTHS)
    account_id = CODES.index(code) + 1
    micros, seconds = draw.randrange(0, 3_000_000), draw.randrange(0, 400)
    ref, at_us = f"r{draw.randrange(4)}", NOW_US + draw.randrange(9)
    key = ("sw1", uuid)
    hold = msgspec.structs.replace(
        a_hold(account_id, micros, uuid=uuid, account=code, month=month),
        included_s=draw.choice((0, 0, seconds)),
        granted_s=seconds,
        authorised_us=at_us,
    )
    cdr = draw.choice((a_cdr, a_refused_cdr))(
        uuid=uuid, account=code, month=month, charge_micros=0, tariff="std"
    )
    if draw.random() < 0.5 and not cdr.refusal:
        cdr = msgspec.structs.replace(cdr, end_source=EndSource.ESTIMATE)
    exact = msgspec.structs.replace(cdr, ended_us=at_us, end_source=EndSource.WITNESS)

    def locked(act):
        return lambda s, c: (s.accounts.lock(c, code), act(s, c))

    steps = {
        "find": lambda s, c: s.accounts.find(c, code),
        "nobody": lambda s, c: s.accounts.lock(c, "nobody"),
        "taken": lambda s, c: s.accounts.add(c, code=code, mode=Mode.PREPAID, at_us=at_us),
        "topup": lambda s, c: s.entries.topup(c, code, amount_micros=micros + 1, ref=ref, at_us=1),
        "adjust": lambda s, c: s.entries.adjust(c, code, amount_micros=-1000, ref=ref, at_us=1),
        "charge": lambda s, c: s.entries.post(
            c,
            account_id,
            kind=draw_kind,
            amount_micros=-micros // 4,
            ref=ref,
            note="n",
            at_us=at_us,
        ),
        "posted": lambda s, c: s.entries.amounts(c, account_id, EntryKind.ADJUSTMENT, "r"),
        "suspend": lambda s, c: s.accounts.set_suspended(c, code, micros % 2 == 0),
        "limit": lambda s, c: s.accounts.set_credit_limit(c, "bolt", micros),
        "owner": lambda s, c: s.directory.lock_owner(c, "4000000004p"),
        "place": locked(lambda s, c: s.holds.place(c, hold)),
        "place too": locked(lambda s, c: s.holds.place(c, hold)),
        "renew": lambda s, c: s.holds.renew(
            c,
            *key,
            amount_micros=micros,
            included_s=hold.included_s,
            granted_s=seconds,
            timer_seq=seconds % 3,
            seen_us=at_us,
        ),
        "renewing": lambda s, c: s.holds.lock(c, hold.call, "std"),
        "answered": lambda s, c: s.holds.answered(c, *key, at_us, at_us + 1),
        "follow": lambda s, c: s.holds.follow(c, *key, "leg", at_us),
        "remove": lambda s, c: s.holds.remove(c, *key),
        "outlines": lambda s, c: list(s.holds.outlines(c, "sw1")),
        "among": lambda s, c: s.holds.among(c, "sw1", UUIDS[:3]),
        "live": lambda s, c: s.holds.live(c, account=code),
        "package": locked(lambda s, c: s.usages.open_package(c, account_id, "std", month, seconds)),
        "count": locked(
            lambda s, c: s.usages.count_call(
                c, account_id, "std", month, billed_s=seconds, included_s=seconds % 3
            )
        ),
        "record": lambda s, c: s.cdrs.write(c, cdr),
        "settled": lambda s, c: s.cdr_keys.is_settled(c, *key),
        "month": lambda s, c: sorted(
            (
                (each.version, each.billed_s, each.call)  # the twin numbers its rows its own way
                for each in s.cdrs.settled(c, account=code, tariff="std", month=month)
            ),
            key=repr,
        ),
        "standings": lambda s, c: sorted(s.accounts.standings(c, [code, "nobody"]), key=repr),
        "throttle": lambda s, c: s.accounts.set_throttle(c, account_id, micros),
        "left": lambda s, c: s.usages.included_free(c, [account_id], [month]),
        "period": locked(
            lambda s, c: s.spending.open_periods(c, account_id, Periods("2026-11-21", month))
        ),
        "spend": locked(lambda s, c: s.spending.add(c, account_id, [month], micros)),
        "spent": lambda s, c: s.spending.used_by(c, {account_id: [month]}),
        "line owner": lambda s, c: s.directory.lock_line_owner(c, [("ip", "1"), ("user", "acme")]),
        "lines": lambda s, c: (s.directory.lines(c), s.directory.lines(c, code)),
        "numbers": lambda s, c: (s.directory.numbers(c), s.directory.numbers(c, code)),
        "plans": lambda s, c: list(s.tariffs.plans(c, "std")),
        "overdraft": locked(lambda s, c: s.accounts.set_overdraft(c, account_id, micros)),
        "overdrawn": lambda s, c: s.accounts.with_overdraft(c),
        "pay back": locked(lambda s, c: s.accounts.pay_back(c, account_id)),
        "post all": lambda s, c: s.entries.post_all(
            c,
            account_id,
            [
                Draft(kind=EntryKind.REVERSAL, amount_micros=micros // 2, ref=ref, note="back"),
                Draft(kind=EntryKind.CHARGE, amount_micros=-micros, ref=ref, note="anew"),
            ],
            at_us,
        ),
        "recount": locked(
            lambda s, c: s.usages.recount(
                c,
                account_id,
                "std",
                month,
                billed_s=seconds,
                calls=1,
                included_s=draw_package_s,
            )
        ),
        "exact": lambda s, c: s.cdrs.make_exact(c, exact),
        "revise": lambda s, c: revise(s, c, uuid, seconds),
        "line": lambda s, c: s.directory.add_line(c, "user", code, "nobody"),
    }
    draw_package_s = draw.choice((0, seconds))
    draw_kind = draw.choice((EntryKind.CHARGE, EntryKind.ADJUSTMENT))
    return draw.choice(list(steps.items()))


def revise(store, conn, uuid, seconds):
    """Give a record another price, as whoever has its account locked."""
    found = store.cdrs.find(conn, uuid, "sw1")
    if not found or found[0].refusal:
        return
    before = found[0]
    after = msgspec.structs.replace(before, billed_s=seconds, revision=before.revision + 1)
    store.revisions.replace(conn, [(before, after)], NOW_US)


def play(store, base, steps, *, gives_up):
    """Do the steps in one transaction; give what each answered, or how it ended."""
    answers = []
    try:
        with base.write() as conn:
            for _name, step in steps:
                answers.append(plain(step(store, conn)))
            if gives_up:
                give_up()
    except StoreError:
        answers.append("StoreError")
    except GivenUp:
        answers.append("given up")
    return answers


def base_says_late(base):
    """PostgreSQL is asked in few exchanges: what it declines is heard of at the commit."""
    return base.dialect == "postgresql"


def kept(answers):
    """What was answered, if it was committed."""
    return [] if answers[-1:] in (["StoreError"], ["given up"]) else answers


def give_up():
    raise GivenUp


def plain(answer):
    """A refusal is its reason: what it says to people is the real store's affair."""
    if isinstance(answer, Refused):
        return answer.reason
    return [plain(each) for each in answer] if isinstance(answer, tuple) else answer


def rows(store, base):
    """Give all that a store holds."""
    with base.read() as conn:
        versions = store.tariffs.versions(conn)
        return {
            "accounts": store.accounts.list_all(conn),
            "holds": sorted(store.holds.live(conn), key=lambda hold: hold.call.uuid),
            "entries": [store.entries.entries(conn, code) for code in CODES],
            # Packages that nobody has opened are held from here: that shows in the real store.
            "faults": [f for f in store.entries.verify(conn) if f.kind is not FaultKind.PACKAGE],
            "cdrs": [store.cdrs.find(conn, uuid) for uuid in UUIDS],
            "usages": [
                store.usages.find(conn, account_id, "std", month)
                for account_id in (1, 2)
                for month in MONTHS
            ],
            "tariffs": [
                (version, store.tariffs.plan(conn, version), store.tariffs.rates(conn, version))
                for version in versions
            ],
            "number": store.directory.number(conn, "4000000004p"),
        }
