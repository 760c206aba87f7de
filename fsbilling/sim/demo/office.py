"""What the demo's company has set up: tariffs, accounts, a 400 number and two lines."""

from __future__ import annotations

from collections.abc import Callable

from fsbilling.config import Config
from fsbilling.credit.account import Mode
from fsbilling.errors import FsbillingError, Refused
from fsbilling.money import parse_micros
from fsbilling.rating.rate import Rate
from fsbilling.store import accounts, directory, entries, migrations, regions, tariffs
from fsbilling.store.engine import Database
from fsbilling.store.region_source import read_package

NUMBER_400 = "4001234567"
OWNER = "flowers"
CALLER = "survey"
SPENDER = "taxi"
OWNER_CREDIT = "5.00"
CALLER_CREDIT = "3.00"
SPENDER_CREDIT = "0.10"
TOP_UP = "1.00"

INBOUND_RATES = (
    Rate(origin="area:0755", rate_micros_per_min=300_000, note="深圳"),
    Rate(origin="province:北京", rate_micros_per_min=450_000, note="北京"),
    Rate(origin="*", rate_micros_per_min=600_000, next_increment_s=6, first_increment_s=6),
)
OUTBOUND_RATES = (
    Rate(destination="area:021", rate_micros_per_min=360_000, note="上海"),
    Rate(destination="prefix:86", rate_micros_per_min=600_000, note="mainland"),
    Rate(
        destination="prefix:852",
        rate_micros_per_min=1_200_000,
        connect_fee_micros=50_000,
        note="香港",
    ),
)


def open_office(config: Config, *, at_us: int, say: Callable[[str], None]) -> None:
    """Make the database and set everything up, as the commands of a newcomer would."""
    migrations.upgrade(config.database.url)
    db = Database.open(config.database.url)
    try:
        source = read_package()
        with db.write() as conn:
            regions.replace_all(
                conn, source.rows, source=source.source, as_of=source.as_of, at_us=at_us
            )
        say(f"regions     {len(source.rows)} prefixes from {source.source}, data of {source.as_of}")
        with db.write() as conn:
            for name, rates in (("std-400", INBOUND_RATES), ("std-out", OUTBOUND_RATES)):
                tariffs.import_version(
                    conn, name, rates, valid_from_us=0, source="demo", at_us=at_us
                )
                say(f"tariff      {name}: {len(rates)} rates")
            for code, credit in (
                (OWNER, OWNER_CREDIT),
                (CALLER, CALLER_CREDIT),
                (SPENDER, SPENDER_CREDIT),
            ):
                _must(
                    accounts.add(
                        conn,
                        code=code,
                        mode=Mode.PREPAID,
                        credit_limit_micros=0,
                        currency="CNY",
                        tariffs={"400": "std-400", "outbound": "std-out"},
                        at_us=at_us,
                    )
                )
                _must(
                    entries.topup(
                        conn,
                        code,
                        amount_micros=parse_micros(credit),
                        ref=f"first-{code}",
                        note="",
                        at_us=at_us,
                    )
                )
                say(f"account     {code}: prepaid, {credit} CNY")
            _must(directory.add_number(conn, NUMBER_400, OWNER, "user/1001"))
            for user, code in (("2001", CALLER), ("3001", SPENDER)):
                _must(directory.add_line(conn, "user", user, code))
    finally:
        db.close()


def top_up(db: Database, *, at_us: int) -> None:
    """Pay in for the account that ran dry."""
    with db.write() as conn:
        _must(
            entries.topup(
                conn,
                SPENDER,
                amount_micros=parse_micros(TOP_UP),
                ref="second-taxi",
                note="",
                at_us=at_us,
            )
        )


def _must(answer: object) -> None:
    if isinstance(answer, Refused):
        raise FsbillingError(f"the demo's own set-up was refused: {answer}")
