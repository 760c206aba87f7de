"""Bugs to plant, one at a time: the simulation of the core must find each, and name its rule."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from fsbilling.billing import first_hold, meter, payer, recover, risk, settle, settler
from fsbilling.calls import command as do
from fsbilling.calls import event as on
from fsbilling.calls import session as life
from fsbilling.calls import settlement
from fsbilling.clock import US_PER_S as S
from fsbilling.credit.limits import Limits
from fsbilling.daemon import duty
from fsbilling.errors import StoreError, SwitchError
from fsbilling.ledger.entry import EntryKind, call_ref
from fsbilling.rating.price import price

from .core import play as core_play
from .core import shop as core_shop
from .memory import accounts, entries
from .memory import holds as held
from .rules import RuleBrokenError
from .weather import Weather

__all__ = ["BUGS", "RuleBrokenError"]

Plant = pytest.MonkeyPatch


def the_hold_is_skipped(plant: Plant) -> None:
    real = first_hold.first_grant
    plant.setattr(first_hold, "first_grant", lambda *a, **k: replace(real(*a, **k), held_micros=0))


def the_timer_is_moved_before_the_commit(plant: Plant) -> None:
    real = meter.Meter._renew

    def renew(self, session):
        paid_until_us = session.paid_until_us + 10 * S
        self._tell(session, do.MoveTimer(paid_until_us, session.timer_seq + 1, ()))
        return real(self, session)

    plant.setattr(meter.Meter, "_renew", renew)


def the_old_timer_goes_before_the_new_one_stands(plant: Plant) -> None:
    real = meter.Meter._tell

    def tell(self, session, command):
        if isinstance(command, do.MoveTimer):
            for seq in command.from_seqs:
                real(self, session, do.RemoveTimer(seq))
        return real(self, session, command)

    plant.setattr(meter.Meter, "_tell", tell)


def a_renewal_without_an_answer_counts(plant: Plant) -> None:
    real = meter.renew

    def renew(db, session, *, slice_s, now_us, seen_us):
        renewed = real(db, session, slice_s=slice_s, now_us=now_us, seen_us=seen_us)
        if isinstance(renewed, on.RenewalUnknown):
            return on.Renewed(now_us, session.granted_s + slice_s, session.held_micros, 60)
        return renewed

    plant.setattr(meter, "renew", renew)


def a_call_is_settled_twice(plant: Plant) -> None:
    plant.setattr(core_play, "STANDBY_SHARE", 1.0)
    real = settler.settle

    def settle_again(db, book, session, ending, *, now_us):
        cdr = real(db, book, session, ending, now_us=now_us)
        if cdr is None:
            with db.write() as conn:
                account_id = conn.books.accounts[session.call.account].account_id
                entries.post(
                    conn,
                    account_id,
                    kind=EntryKind.CHARGE,
                    amount_micros=0,
                    ref=call_ref(session.call.switch, session.call.uuid),
                    note="",
                    at_us=now_us,
                )
        return cdr

    plant.setattr(settler, "settle", settle_again)


def a_lost_link_ends_its_calls(plant: Plant) -> None:
    def lost(self, switch):
        for session in self.calls.all():
            now_us = self.now_us(switch)
            self.post(session.call.key, on.HungUp(leg_uuid=session.leg_uuid, ended_us=now_us))

    plant.setattr(meter.Meter, "lost", lost)


def a_failed_question_means_that_the_leg_is_gone(plant: Plant) -> None:
    real = recover.Recovery._lives

    def lives(self, key, hold, *args, **settings):
        try:
            return real(self, key, hold, *args, **settings)
        except SwitchError:
            self._end(key, hold)
            return True

    plant.setattr(recover.Recovery, "_lives", lives)


def the_daemon_s_clock_ends_the_call(plant: Plant) -> None:
    real = meter.Meter._settle

    def by_own_clock(self, session, ending):
        return real(self, session, replace(ending, ended_us=self._clock.now_us()))

    plant.setattr(meter.Meter, "_settle", by_own_clock)


def more_is_charged_than_was_held(plant: Plant) -> None:
    real = settle.settled_cdr

    def greedy(session, ending):
        cdr = real(session, ending)
        return replace(cdr, charge_micros=session.held_micros + 1) if cdr.charge_micros else cdr

    plant.setattr(settle, "settled_cdr", greedy)


def the_hold_is_not_given_back(plant: Plant) -> None:
    def remove(conn, switch, uuid):
        found = held.find(conn, switch, uuid)
        if found is not None:
            conn.drop(conn.books.holds, (switch, uuid))
        return found

    plant.setattr(held, "remove", remove)


def bands_and_levels_are_forgotten_at_the_end(plant: Plant) -> None:
    def flat(terms, answered_us, duration_us, included_s=0):
        return price(replace(terms, others=(), edges=()), answered_us, duration_us, included_s)

    plant.setattr(settlement, "price", flat)


def the_first_account_pays(plant: Plant) -> None:
    plant.setattr(payer, "_lock_line_owner", lambda conn, _attempt: accounts.lock(conn, "acc00"))


def the_month_is_not_counted(plant: Plant) -> None:
    plant.setattr(settle, "_count", lambda *_args, **_settings: None)


def calls_are_cut_early(plant: Plant) -> None:
    def is_over(session, now_us):
        return session.answered_us != 0 and now_us >= session.paid_until_us - 3 * S

    plant.setattr(life, "is_over", is_over)


def a_settlement_without_an_answer_is_forgotten(plant: Plant) -> None:
    real = settler.settle

    def settle_once(db, book, session, ending, *, now_us):
        try:
            return real(db, book, session, ending, now_us=now_us)
        except StoreError:
            with db.write() as conn:
                held.remove(conn, session.call.switch, session.call.uuid)
            return None

    plant.setattr(settler, "settle", settle_once)


def a_sign_of_life_counts_for_too_long(plant: Plant) -> None:
    plant.setattr(core_play, "STANDBY_SHARE", 1.0)
    plant.setattr(duty, "VALID_S", 30.0)


def a_daemon_off_duty_tells_the_switch(plant: Plant) -> None:
    plant.setattr(core_play, "STANDBY_SHARE", 1.0)
    plant.setattr(duty.Duty, "may_work", lambda _self: True)


def a_daemon_renews_what_another_has_renewed(plant: Plant) -> None:
    plant.setattr(core_play, "STANDBY_SHARE", 1.0)
    real = held.renew

    def renew(conn, switch, uuid, *, timer_seq, **renewal):
        hold = held.find(conn, switch, uuid)
        passed = max(timer_seq, hold.timer_seq if hold else 0)
        return real(conn, switch, uuid, timer_seq=passed, **renewal)

    plant.setattr(held, "renew", renew)


def what_is_at_risk_is_not_counted(plant: Plant) -> None:
    with_many_outages(plant)
    plant.setattr(risk.Risk, "micros", lambda _self, _account=None: 0)


def what_sql_has_just_taken_is_not_counted(plant: Plant) -> None:
    with_many_outages(plant)
    plant.setattr(core_shop, "OUTAGE_LIMITS_MICROS", (None, 200_000))
    plant.setattr(risk.Risk, "hold", risk.Risk.drop)


def a_daemon_forgets_what_its_journal_has_at_risk(plant: Plant) -> None:
    with_many_outages(plant, kill=0.002, sql_refused=0.1)
    plant.setattr(core_shop, "OUTAGE_LIMITS_MICROS", (None, 200_000))
    plant.setattr(settler.Settler, "_take_stock", lambda _self: None)


def a_grant_is_told_and_not_written(plant: Plant) -> None:
    with_many_outages(plant)
    plant.setattr(settler.Settler, "keep_grant", lambda _self, _hold: None)


def everybody_is_trusted(plant: Plant) -> None:
    with_many_outages(plant)
    limits = Limits(outage_limit_micros=1_000_000)

    def all_of_them(conn):
        return [replace(account, limits=limits) for account in accounts.list_all(conn)]

    plant.setattr(accounts, "with_outage_limit", all_of_them)


def a_grant_never_becomes_a_hold(plant: Plant) -> None:
    with_many_outages(plant)
    plant.setattr(settler, "place", lambda _db, _granted: False)


def a_record_that_the_disk_did_not_take_is_forgotten(plant: Plant) -> None:
    with_many_outages(plant)
    real = settler.Settler.settle

    def settle_once(self, session, ending):
        try:
            return real(self, session, ending)
        except StoreError:
            return None

    plant.setattr(settler.Settler, "settle", settle_once)


def a_record_is_charged_whenever_it_is_played(plant: Plant) -> None:
    with_many_outages(plant)
    real = settler.write_down

    def write_twice(db, book, cdr, *, now_us):
        if real(db, book, cdr, now_us=now_us):
            return True
        with db.write() as conn:
            entries.post(
                conn,
                conn.books.accounts[cdr.account].account_id,
                kind=EntryKind.CHARGE,
                amount_micros=0,
                ref=call_ref(cdr.switch, cdr.uuid),
                note="",
                at_us=now_us,
            )
        return True

    plant.setattr(settler, "write_down", write_twice)


def a_sweep_takes_calls_in_the_journal_for_settled(plant: Plant) -> None:
    with_many_outages(plant)
    plant.setattr(meter.Meter, "is_at_risk", lambda _self, _key: False)


def with_many_outages(plant: Plant, **more: float) -> None:
    """Let SQL go and come all the time, of every daemon that has a lock to lose by it."""
    weather = Weather(sql_away=20.0, **more)
    plant.setattr(core_play, "draw_weather", lambda _draw: weather)
    plant.setattr(core_shop, "MAX_CALLS", (None,))
    plant.setattr(core_shop, "DAILY_CAPS_MICROS", (None,))
    plant.setattr(core_play, "STANDBY_SHARE", 0.0)
    plant.setattr(core_play, "LOCK_SHARE", 1.0)
    plant.setitem(core_play.SPELL_US, "sql_away", (S // 10, 3 * S))


BUGS: dict[Callable[[Plant], None], int | str] = {
    more_is_charged_than_was_held: 1,
    the_hold_is_not_given_back: 1,
    what_is_at_risk_is_not_counted: 1,
    what_sql_has_just_taken_is_not_counted: 1,
    a_daemon_forgets_what_its_journal_has_at_risk: 1,
    the_hold_is_skipped: 2,
    a_grant_is_told_and_not_written: 2,
    everybody_is_trusted: 2,
    the_timer_is_moved_before_the_commit: 2,
    a_daemon_renews_what_another_has_renewed: 2,
    a_renewal_without_an_answer_counts: 2,
    the_old_timer_goes_before_the_new_one_stands: 3,
    a_call_is_settled_twice: 4,
    a_settlement_without_an_answer_is_forgotten: 4,
    a_grant_never_becomes_a_hold: 4,
    a_record_is_charged_whenever_it_is_played: 4,
    a_lost_link_ends_its_calls: 5,
    a_failed_question_means_that_the_leg_is_gone: 5,
    calls_are_cut_early: 5,
    the_daemon_s_clock_ends_the_call: 6,
    a_sweep_takes_calls_in_the_journal_for_settled: 6,
    a_record_that_the_disk_did_not_take_is_forgotten: 6,
    the_first_account_pays: 7,
    bands_and_levels_are_forgotten_at_the_end: 8,
    the_month_is_not_counted: 9,
    a_sign_of_life_counts_for_too_long: "never both",
    a_daemon_off_duty_tells_the_switch: "never both",
}
"""The bugs, each with the rule of DESIGN section 4 that it breaks; of two daemons that serve a
switch, never both work (docs/adr/0011)."""
