"""Tariff versions, on SQLite and on PostgreSQL."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest
from store_samples import NOW_US

from fsbilling.rating.plan import PLAIN, UNLIMITED_S, Band, LevelMode, Levels, LevelUnit, Plan
from fsbilling.rating.rate import Rate
from fsbilling.store import tariffs

RATES = [
    Rate(
        origin="province:广东",
        destination="prefix:86755",
        callee_kind="mobile",
        relation="same_city",
        band="peak",
        level_from=50,
        rate_micros_per_min=150_000,
        rate_micros_per_hour=7,
        connect_fee_micros=1,
        per_call_micros=4,
        first_increment_s=60,
        next_increment_s=6,
        grace_s=3,
        min_charge_micros=2,
        max_charge_micros=3,
        in_package=False,
        note="深圳",
    ),
    Rate(rate_micros_per_min=300_000),
]


def import_version(conn, rates=(), name="std", valid_from_us=NOW_US, **options):
    return tariffs.import_version(
        conn, name, list(rates), valid_from_us=valid_from_us, source="f.csv", at_us=1, **options
    )


def test_rates_come_back_as_they_were_imported_with_their_ids(db):
    with db.write() as conn:
        import_version(conn, RATES)
    with db.read() as conn:
        [version] = tariffs.versions(conn)
        rates = tariffs.rates(conn, version)
    assert [msgspec.structs.replace(rate, rate_id=0) for rate in rates] == RATES
    assert len({rate.rate_id for rate in rates} - {0}) == 2


def test_a_version_keeps_the_plan_it_came_with(db):
    plan = Plan(
        calendar="CN",
        holidays=(date(2026, 12, 31),),
        bands=(Band("peak", ("workday",), ((480, 1200),)),),
        zones={"delta": ("area:0755",)},
        levels=Levels(LevelUnit.MINUTES, LevelMode.VOLUME),
        included_s=UNLIMITED_S,
        month_fee_micros=300_000_000,
    )
    with db.write() as conn:
        import_version(conn, RATES, plan=plan)
        import_version(conn, RATES)
    with db.read() as conn:
        first, second = tariffs.versions(conn)
        assert tariffs.plan(conn, first) == plan
        assert tariffs.plan(conn, second) == PLAIN


def test_versions_are_numbered_within_their_tariff(db):
    with db.write() as conn:
        ids = [import_version(conn, RATES, name) for name in ("std", "gold", "std")]
        listed = tariffs.versions(conn)
        assert tariffs.versions(conn, "std") == listed[1:]
    assert [(row.tariff, row.version, row.version_id) for row in listed] == [
        ("gold", 1, ids[1]),
        ("std", 1, ids[0]),
        ("std", 2, ids[2]),
    ]
    assert listed[0] == tariffs.Version(
        version_id=ids[1],
        tariff="gold",
        version=1,
        valid_from_us=NOW_US,
        rows=2,
        source="f.csv",
        imported_us=1,
    )


def test_the_version_of_a_moment_is_the_latest_valid_one(db):
    with db.write() as conn:
        import_version(conn, valid_from_us=100)
        import_version(conn, valid_from_us=300)
        import_version(conn, valid_from_us=200)
        import_version(conn, valid_from_us=300)

        def at(moment_us):
            version = tariffs.version_at(conn, "std", moment_us)
            return version and version.version

        assert [at(moment) for moment in (99, 100, 199, 200, 299, 300, 999)] == [
            None,
            1,
            1,
            3,
            3,
            4,
            4,
        ]
        assert tariffs.version_at(conn, "gold", 999) is None
        assert tariffs.version_at(conn, "\0", 999) is None


def test_an_import_that_fails_leaves_nothing(db):
    def fail(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), db.write() as conn:
        import_version(conn, RATES, on_progress=fail)
    with db.read() as conn:
        assert tariffs.versions(conn) == []


def test_a_large_table_is_imported_with_progress_and_read_in_its_order(db):
    total = 3 * tariffs.IMPORT_BATCH
    rates = [Rate(destination=f"prefix:{n}", rate_micros_per_min=n) for n in range(total)]
    seen = []
    with db.write() as conn:
        import_version(conn, rates, on_progress=lambda done, of: seen.append((done, of)))
    assert seen == [(tariffs.IMPORT_BATCH * part, total) for part in (1, 2, 3)]
    with db.read() as conn:
        read = tariffs.rates(conn, tariffs.version_at(conn, "std", NOW_US))
    assert [rate.destination for rate in read] == [rate.destination for rate in rates]
