"""The accounts, numbers, lines and tariffs that every run starts with, and its customers."""

from __future__ import annotations

import random
import sqlite3
import tempfile
from pathlib import Path

from fsbilling.clock import US_PER_S as S
from fsbilling.credit.account import Mode
from fsbilling.rating.rate import Rate
from fsbilling.sim.plan import CallPlan, Outcome, Service, Transfer
from fsbilling.sim.virtual_clock import EPOCH_US
from fsbilling.store import accounts, directory, entries, migrations, tariffs
from fsbilling.store.engine import Database

RATES = {
    "second": Rate(rate_micros_per_min=600_000),
    "six": Rate(
        rate_micros_per_min=150_000,
        first_increment_s=6,
        next_increment_s=6,
        connect_fee_micros=20_000,
    ),
    "minute": Rate(rate_micros_per_min=300_000, first_increment_s=60, next_increment_s=60),
    "grace": Rate(rate_micros_per_min=600_001, grace_s=5, min_charge_micros=100_000),
    "capped": Rate(rate_micros_per_min=600_000, max_charge_micros=200_000),
    "free": Rate(rate_micros_per_min=0),
}
ACCOUNTS = {
    "rich": ("second", 1_000_000_000, 0),
    "poor": ("second", 300_000, 0),
    "six": ("six", 500_000, 0),
    "minute": ("minute", 1_100_000, 0),
    "grace": ("grace", 700_000, 0),
    "capped": ("capped", 450_000, 0),
    "post": ("second", 0, 400_000),
    "free": ("free", 0, 0),
}
"""Code: tariff, credit, credit limit (postpaid when there is one)."""

CODES = tuple(ACCOUNTS)
EMERGENCY_SHARE = 0.04


class Shop:
    """A database with everything in it, put back into its first state before each run."""

    def __init__(self) -> None:
        memory = Path("/dev/shm")
        self._folder = tempfile.TemporaryDirectory(
            prefix="fsbilling-sim-", dir=memory if memory.is_dir() else None
        )
        url = f"sqlite:///{self._folder.name}/sim.db"
        migrations.upgrade(url)
        self.db = Database.open(url)
        with self.db.write() as conn:
            _stock(conn)
        self._first = sqlite3.connect(":memory:")
        with self.db.write() as conn:
            pass
        raw = self.db._connections.writer.raw_connection()
        raw.driver_connection.execute("PRAGMA synchronous=OFF")
        raw.driver_connection.backup(self._first)
        raw.close()

    def reset(self) -> Database:
        """Put everything back."""
        raw = self.db._connections.writer.raw_connection()
        self._first.backup(raw.driver_connection)
        raw.close()
        return self.db

    def close(self) -> None:
        self.db.close()
        self._folder.cleanup()


def _stock(conn) -> None:
    for name, rate in RATES.items():
        tariffs.import_version(conn, name, [rate], valid_from_us=0, source="sim", at_us=EPOCH_US)
    for position, (code, (tariff, credit_micros, limit_micros)) in enumerate(ACCOUNTS.items()):
        accounts.add(
            conn,
            code=code,
            mode=Mode.POSTPAID if limit_micros else Mode.PREPAID,
            credit_limit_micros=limit_micros,
            tariffs={"400": tariff, "outbound": tariff},
            at_us=EPOCH_US,
        )
        if credit_micros:
            entries.topup(conn, code, amount_micros=credit_micros, ref="first", at_us=EPOCH_US)
        directory.add_number(conn, number_of(position), code, f"user/{user_of(position)}")
        directory.add_line(conn, "user", user_of(position), code)


def number_of(position: int) -> str:
    return f"40012345{position:02d}"


def user_of(position: int) -> str:
    return f"10{position:02d}"


def draw_plan(draw: random.Random) -> CallPlan:
    """Draw one call: whose, which way, how it rings and how it ends."""
    position = draw.choices(range(len(CODES)), weights=(3, 3, 1, 1, 1, 1, 1, 1))[0]
    outcomes = (Outcome.ANSWER, Outcome.BUSY, Outcome.NO_ANSWER, Outcome.CANCEL)
    outcome = draw.choices(outcomes, weights=(16, 1, 1, 2))[0]
    ring_us = draw.choice((0, draw.randint(0, 20_000), draw.randint(0, 8 * S)))
    behaviour = {
        "ring_us": ring_us,
        "outcome": outcome,
        "talk_us": draw.choice((draw.randint(0, 3 * S), draw.randint(0, 90 * S), None)),
        "hung_up_by": draw.choice(("caller", "callee")),
    }
    if draw.random() < EMERGENCY_SHARE:
        return CallPlan(caller=user_of(position), callee=draw.choice(("110", "119")), **behaviour)
    kind = draw.random()
    stranger = f"1380{draw.randrange(10**7):07d}"
    if kind < 0.4:
        service, caller, callee = Service.CALLED_PAYS, stranger, number_of(position)
        variables = {}
    elif kind < 0.9:
        service = Service.IVR if kind > 0.85 else Service.OUTBOUND
        caller, callee = user_of(position), stranger
        variables = {"sip_auth_username": caller, "sip_authorized": "true"}
    else:
        service, caller, callee = Service.ORIGINATED, user_of(position), stranger
        variables = {"fsbilling_account": CODES[position]}
    return CallPlan(
        caller=caller,
        callee=callee,
        service=service,
        variables=variables,
        transfer=_draw_transfer(draw, service),
        **behaviour,
    )


def _draw_transfer(draw: random.Random, service: Service) -> Transfer | None:
    """The caller of a 400 number is the carrier's: he has nothing to transfer with."""
    if draw.random() < 0.8:
        return None
    parties = ("callee",) if service is Service.CALLED_PAYS else ("caller", "callee")
    return Transfer(
        after_us=draw.randint(0, 40 * S),
        to="13900001111",
        talk_us=draw.randint(0, 60 * S),
        by=draw.choice(parties),
        cause=draw.choice(("BLIND_TRANSFER", "ATTENDED_TRANSFER")),
    )
