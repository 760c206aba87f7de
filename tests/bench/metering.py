"""A whole daemon with many live calls, in a process of its own. `python metering.py ORDER.json`.

Their holds are written by one statement and their sessions given to the meter, because to place
20,000 calls would take minutes. From there on everything is the daemon's own: alarms, renewals
in SQL, timers moved in the switch by TCP, and every `poll_s` the comparison with its list.
"""

# ruff: noqa: E402  (everything is imported after the patch, as in the daemon)
from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import sys
import time
from contextlib import ExitStack
from pathlib import Path

import gevent
import msgspec
from sqlalchemy import text

from fsbilling import log as logs
from fsbilling.billing.resume import session_of
from fsbilling.billing.watch import PLENTY_S
from fsbilling.calls.call import Call
from fsbilling.clock import US_PER_S, SystemClock
from fsbilling.config import Config, Database, Hook, Log, Metering, Secret, Switch
from fsbilling.daemon.billing import pace_of
from fsbilling.daemon.daemon import Daemon
from fsbilling.numbering.number import normalise
from fsbilling.numbering.region import UNKNOWN_REGION
from fsbilling.rating.rate import Rate
from fsbilling.rating.terms import Terms
from fsbilling.store import accounts, holds
from fsbilling.store.hold_rows import Hold

SWITCH = "lab"
LONGEST_S = 600
POOLED = 8
LOOK_S, SAY_S = 0.005, 5.0


class Order(msgspec.Struct):
    """What is to be run, and when the first renewal is due."""

    url: str
    event_port: int
    hook_port: int
    password: str
    core_uuid: str
    calls: int
    accounts: int
    slice_s: int
    lead_s: int
    poll_s: int
    first_due_us: int


def run(order: Order) -> None:
    config = Config(
        database=Database(url=Secret(order.url)),
        hook=Hook(listen=f"127.0.0.1:{order.hook_port}"),
        switches=(Switch(name=SWITCH, port=order.event_port, password=Secret(order.password)),),
        metering=Metering(
            slice_s=order.slice_s,
            renew_lead_s=order.lead_s,
            warn_payer=False,
            poll_s=order.poll_s,
        ),
        log=Log(level="warning"),
    )
    logs.configure(config.log)
    daemon = Daemon(config)
    daemon.start()
    while not daemon.is_linked:
        gevent.sleep(0.05)
    # The round that a new link makes is over: it would look for each call on the switch.
    gevent.sleep(1)
    step_us = order.slice_s * US_PER_S // order.calls
    model = _model(daemon, order)
    _multiply(daemon, order, model, step_us)
    pace = pace_of(config.metering)
    with daemon.db.read() as conn:
        for index, hold in enumerate(holds.live(conn, switch=SWITCH)):
            # As its last renewal would have left it: the credit watch passes it by.
            session = msgspec.structs.replace(session_of(hold, pace), reserve_s=PLENTY_S)
            daemon.meter.adopt(session)
            due_us = order.first_due_us + index * step_us
            daemon.meter.alarms.set((SWITCH, hold.call.uuid), due_us)
    _fill_pool(daemon)
    print("live", len(daemon.meter.calls), flush=True)
    daemon._alarm_set.set()
    watch_loop(order)


def _fill_pool(daemon: Daemon) -> None:
    """Open every connection to SQL, as placing the calls would have done."""
    with ExitStack() as transactions:
        for _ in range(POOLED):
            transactions.enter_context(daemon.db.read()).execute(text("SELECT 1"))


def watch_loop(order: Order) -> None:
    """Say every so often for how long the event loop did not come round, at most."""
    held_s, say_at = 0.0, time.monotonic() + SAY_S
    gevent.sleep(max(0.0, order.first_due_us / US_PER_S - time.time()))
    end = time.monotonic() + LONGEST_S
    while (began := time.monotonic()) < end:
        gevent.sleep(LOOK_S)
        held_s = max(held_s, time.monotonic() - began - LOOK_S)
        if began > say_at:
            print("held", f"{held_s * 1e3:.1f}", flush=True)
            held_s, say_at = 0.0, began + SAY_S


def _model(daemon: Daemon, order: Order) -> Hold:
    """The hold of the first call; the others differ from it by their UUID, payer and end."""
    call = Call(
        switch=SWITCH,
        uuid=_uuid(0),
        core_uuid=order.core_uuid,
        account="bench0",
        service="400",
        direction="inbound",
        caller=normalise("13800138000"),
        callee=normalise("4001234500"),
        caller_region=UNKNOWN_REGION,
        callee_region=UNKNOWN_REGION,
        rated_caller=normalise("13800138000"),
        rated_caller_region=UNKNOWN_REGION,
        created_us=order.first_due_us,
        month="2026-11",
    )
    terms = Terms(tariff="std", version=1, rate=Rate(rate_micros_per_min=600_000))
    answered_us = SystemClock().now_us()
    paid_s = (order.first_due_us - answered_us) // US_PER_S + order.lead_s
    hold = Hold(
        call=call,
        terms=terms,
        account_id=1,
        amount_micros=paid_s * 10_000,
        granted_s=paid_s,
        leg_uuid=call.uuid,
        # Their order: that in which they are due.
        authorised_us=1,
        answered_us=order.first_due_us + (order.lead_s - paid_s) * US_PER_S,
        seen_us=answered_us,
        timer_seq=1,
    )
    with daemon.db.write() as conn:
        account = accounts.lock(conn, "bench0")
        assert account is not None
        assert holds.place(conn, msgspec.structs.replace(hold, account_id=account.account_id))
    return hold


def _multiply(daemon: Daemon, order: Order, model: Hold, step_us: int) -> None:
    """Copy the model's row for every other call, and what is held with it."""
    columns = (
        "switch, tariff, month, included_s, amount_micros, granted_s, seen_us, timer_seq, terms"
    )
    code = f"'bench' || (n % {order.accounts})"
    uuid = "'00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0')"
    with daemon.db.write() as conn:
        conn.execute(text("SET LOCAL statement_timeout = 0"))
        conn.execute(
            text(
                f"INSERT INTO hold (uuid, leg_uuid, account_id, authorised_us, answered_us, call, "
                f"{columns}) SELECT {uuid}, {uuid}, (SELECT id FROM account WHERE code = {code}), "
                f"authorised_us + n, answered_us + n * {step_us}, "
                f"replace(replace(call, '{model.call.uuid}', {uuid}), '\"bench0\"', "
                f"'\"' || {code} || '\"'), {columns} "
                f"FROM hold, generate_series(1, {order.calls - 1}) AS n"
            )
        )
        conn.execute(
            text(
                "UPDATE account SET (held_micros, live_calls) = (SELECT "
                "coalesce(sum(amount_micros), 0), count(*) FROM hold WHERE account_id = account.id)"
            )
        )


def _uuid(index: int) -> str:
    return f"00000000-0000-4000-8000-{index:012x}"


if __name__ == "__main__":
    run(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Order))
