"""What runs are made of: tariffs with all that a plan can say, accounts, and calls to place."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from fsbilling.billing.attempt import Attempt, NumberPlan
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.calls.call import OUTBOUND, SERVICE_400
from fsbilling.clock import US_PER_S as S
from fsbilling.credit.account import Mode
from fsbilling.credit.limits import Limits
from fsbilling.numbering.line import Line, LineKind
from fsbilling.numbering.number import Number
from fsbilling.numbering.region import Region
from fsbilling.numbering.region_table import RegionTable
from fsbilling.rating.plan import UNLIMITED_S, Band, LevelMode, Levels, LevelUnit, Plan
from fsbilling.rating.rate import Rate
from fsbilling.sim.plan import Outcome

from ..memory import accounts, directory, entries, in_memory, tariffs
from ..memory.books import Books, MemoryDatabase

ZONE = ZoneInfo("Asia/Shanghai")
DAY = datetime(2026, 11, 18, 9, 0, tzinfo=ZONE)
MONTH_END = datetime(2026, 12, 1, tzinfo=ZONE)
TURNS = (
    datetime(2026, 11, 18, 15, 0, tzinfo=ZONE),
    DAY,
    DAY.replace(hour=21),
    MONTH_END,
)
"""Runs begin shortly before one of these: nothing in particular, a band's edges, a new month."""


def us_of(moment: datetime) -> int:
    return round(moment.timestamp()) * S


PLAIN: dict[str, Rate] = {
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
    "percall": Rate(rate_micros_per_min=240_000, per_call_micros=70_000, next_increment_s=15),
}
"""Tariffs of one row."""

BANDS = (Band("day", ("workday",), ((540, 1260),)), Band("rest", ("restday",)))
PLANNED: dict[str, tuple[Plan, tuple[Rate, ...]]] = {
    "package": (
        Plan(included_s=900, month_fee_micros=10_000_000),
        (
            Rate(rate_micros_per_min=300_000, first_increment_s=60, next_increment_s=60),
            Rate(destination="prefix:1", rate_micros_per_min=900_000, in_package=False),
        ),
    ),
    "unlimited": (
        Plan(included_s=UNLIMITED_S),
        (Rate(rate_micros_per_min=600_000, per_call_micros=50_000),),
    ),
    "bands": (
        Plan(bands=BANDS, precision_micros=10_000),
        (
            Rate(rate_micros_per_min=120_000),
            Rate(band="day", rate_micros_per_min=600_000, connect_fee_micros=30_000),
        ),
    ),
    "graduated": (
        Plan(levels=Levels(LevelUnit.MINUTES, LevelMode.GRADUATED), included_s=60),
        (
            Rate(rate_micros_per_min=600_000),
            Rate(level_from=3, rate_micros_per_min=300_000),
            Rate(level_from=15, rate_micros_per_min=100_000),
        ),
    ),
    "volume": (
        Plan(levels=Levels(LevelUnit.CALLS, LevelMode.VOLUME), bands=BANDS),
        (
            Rate(rate_micros_per_min=600_000),
            Rate(level_from=5, rate_micros_per_min=400_000),
            Rate(level_from=20, rate_micros_per_min=650_000),
        ),
    ),
    "places": (
        Plan(zones={"delta": ("area:0755", "prefix:1")}),
        (
            Rate(rate_micros_per_min=0, rate_micros_per_hour=12_000_001),
            Rate(origin="area:0755", rate_micros_per_min=80_000),
            Rate(destination="zone:delta", rate_micros_per_min=900_000, grace_s=3),
            Rate(callee_kind="call_centre", rate_micros_per_min=100_000),
            Rate(relation="same_province", rate_micros_per_min=60_000, next_increment_s=30),
        ),
    ),
}
TARIFFS = (*PLAIN, *PLANNED, "changing")

REGIONS = (
    ("0755", Region("0755", "深圳", "广东")),
    ("0571", Region("0571", "杭州", "浙江")),
    ("1380013", Region("020", "广州", "广东")),
)
CALLERS = ("075512345678", "13800138000", "057187654321", "")
CALLEES = ("075587654321", "13800139999", "0012125550100", "95588")
TARGETS = ("user/1000", "sofia/gateway/carrier/13800138000")
ACCOUNTS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class CorePlan:
    """One call to place.

    Attributes:
        attempt: What the hook would read off its channel; its key is drawn when it arrives.
        owner: The account that must pay for it.
        ring_us, outcome, talk_us, hung_up_by: As in `fsbilling.sim.plan`.
        transfer_us: When the paying leg leaves by a transfer; None: never.
        rest_us: How long the leg that it left then talks on.
    """

    attempt: Attempt
    owner: str
    ring_us: int
    outcome: Outcome
    talk_us: int | None
    hung_up_by: str
    transfer_us: int | None = None
    rest_us: int = 0


OUTAGE_LIMITS_MICROS = (None, None, None, 200_000, 2_000_000, 50_000_000)
MAX_CALLS = (None, None, None, 3)
DAILY_CAPS_MICROS = (None, None, None, 150_000, 1_500_000)
IN_MEMORY = Path("/dev/shm")


class CoreShop:
    """The tariffs and numbers of all runs, read once; each run gets accounts of its own."""

    def __init__(self) -> None:
        self._first = Books()
        self._folder = TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None)
        self.regions = RegionTable.from_rows(REGIONS)
        self._attempts = [list(_attempts(position)) for position in range(ACCOUNTS)]
        db = MemoryDatabase(self._first)
        with db.write() as conn:
            for name, rate in PLAIN.items():
                _import(conn, name, (rate,))
            for name, (plan, rates) in PLANNED.items():
                _import(conn, name, rates, plan)
            _import(conn, "changing", (PLAIN["second"],))
            for turn in TURNS:
                _import(conn, "changing", (PLAIN["six"],), valid_from_us=us_of(turn) + 5 * S)
                _import(conn, "changing", (PLAIN["second"],), valid_from_us=us_of(turn) + 40 * S)
        self.book = TariffBook(db)
        with in_memory():
            self.book.refresh()
            for turn in TURNS:
                self.book.make_ready(us_of(turn) - 60 * S)

    def close(self) -> None:
        """Put away the folder of the journals; all else is memory."""
        self._folder.cleanup()

    @property
    def folder(self) -> Path:
        """Where a run's journals are: in memory as well, where there is such a folder."""
        return Path(self._folder.name)

    def open(self, draw: random.Random, outage_draw: random.Random) -> MemoryDatabase:
        """Give a database with accounts as this run draws them."""
        db = MemoryDatabase(self._first.copy())
        with db.write() as conn:
            for position in range(ACCOUNTS):
                _add_account(conn, draw, position)
                _trust(conn, outage_draw, code_of(position))
        return db

    def draw_plan(self, draw: random.Random) -> CorePlan:
        """Draw one call: whose, to whom, how it rings and how it ends."""
        position = int(draw.random() * ACCOUNTS)
        attempts = self._attempts[position]
        attempt = attempts[int(draw.random() * len(attempts))]
        kind = draw.random()
        outcome = Outcome.ANSWER
        if kind > 0.8:
            outcome = draw.choice((Outcome.BUSY, Outcome.NO_ANSWER, Outcome.CANCEL))
        length = draw.random()
        talk_us: int | None = int(draw.random() * (3 * S if length < 0.3 else 60 * S))
        if length > 0.9:
            talk_us = None
        transfer_us = None
        if attempt.service == OUTBOUND and draw.random() < 0.05:
            transfer_us = int(draw.random() * 30 * S)
        return CorePlan(
            attempt=attempt,
            owner=code_of(position),
            ring_us=int(draw.random() * 8 * S) if draw.random() < 0.7 else 0,
            outcome=outcome,
            talk_us=talk_us,
            hung_up_by="caller" if draw.random() < 0.5 else "callee",
            transfer_us=transfer_us,
            rest_us=int(draw.random() * 60 * S),
        )


def start_us(draw: random.Random) -> int:
    """Draw when a run begins: most calls then live across a turn of band, version or month."""
    turn = draw.choice(TURNS)
    return us_of(turn - timedelta(seconds=draw.randrange(60)))


def code_of(position: int) -> str:
    return f"acc{position:02d}"


def _import(conn, name, rates, plan=None, valid_from_us=0) -> None:
    tariffs.import_version(
        conn, name, rates, valid_from_us=valid_from_us, source="sim", at_us=0, plan=plan or Plan()
    )


def _add_account(conn, draw: random.Random, position: int) -> None:
    code, name = code_of(position), draw.choice(TARIFFS)
    is_postpaid = draw.random() < 0.25
    accounts.add(
        conn,
        code=code,
        mode=Mode.POSTPAID if is_postpaid else Mode.PREPAID,
        credit_limit_micros=draw.choice((0, 400_000, 50_000_000)) if is_postpaid else 0,
        tariffs={SERVICE_400: name, OUTBOUND: draw.choice((name, "second"))},
        at_us=0,
    )
    credit_micros = draw.choice((0, 25_000, 300_000, 1_100_000, 5_000_000, 1_000_000_000))
    if credit_micros:
        entries.topup(conn, code, amount_micros=credit_micros, ref="first", at_us=0)
    directory.add_number(conn, f"40012345{position:02d}", code, TARGETS[position % len(TARGETS)])
    directory.add_line(conn, LineKind.USER, f"10{position:02d}", code)


def _trust(conn, draw: random.Random, code: str) -> None:
    """Trust half of the accounts with an amount while SQL is out."""
    micros = draw.choice(OUTAGE_LIMITS_MICROS)
    account = accounts.find(conn, code)
    limits = Limits(
        outage_limit_micros=micros,
        max_calls=draw.choice(MAX_CALLS),
        daily_cap_micros=draw.choice(DAILY_CAPS_MICROS),
    )
    accounts.keep(conn, replace(account, limits=limits))


def _attempts(position: int):
    plan = NumberPlan(emergency=frozenset())
    own = plan.read(f"40012345{position:02d}")
    for caller in map(plan.read, CALLERS):
        yield _attempt(SERVICE_400, caller, own, caller, ())
    line = Line(LineKind.USER, f"10{position:02d}")
    for callee in map(plan.read, CALLEES):
        for shown in ("", CALLERS[0]):
            yield _attempt(OUTBOUND, plan.read(line.value), callee, plan.read(shown), (line,))


def _attempt(
    service: str, caller: Number, callee: Number, rated_caller: Number, lines: tuple[Line, ...]
) -> Attempt:
    return Attempt(
        switch="",
        uuid="",
        core_uuid="",
        service=service,
        direction="inbound",
        caller=caller,
        callee=callee,
        rated_caller=rated_caller,
        lines=lines,
        account="",
        part_of="",
        is_leg=False,
        created_us=0,
    )
