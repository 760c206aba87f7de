"""A whole billing installation at virtual time: real use cases and SQL, a simulated switch.

Only TCP is missing: the reception gets the switch's headers as they are, and the node's command
strings go straight into the simulated switch. `Daemon`s can be killed and started again, and
each of the doors can be shut.
"""

from __future__ import annotations

from contextlib import suppress

from fsbilling.billing.attempt import NumberPlan
from fsbilling.billing.authorise import Authoriser
from fsbilling.billing.meter import Meter
from fsbilling.billing.outage import Outage
from fsbilling.billing.reception import Reception
from fsbilling.billing.recover import Recovery
from fsbilling.billing.resume import session_of
from fsbilling.billing.settler import Settler
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.billing.unrecorded import Unrecorded
from fsbilling.billing.warning import WarningSound
from fsbilling.billing.watch import CreditWatch
from fsbilling.calls.pace import Pace
from fsbilling.clock import US_PER_S
from fsbilling.credit.account import Mode
from fsbilling.credit.throttle import Throttle
from fsbilling.errors import Refused, StoreError, SwitchError
from fsbilling.numbering.region import Region
from fsbilling.numbering.region_table import RegionTable
from fsbilling.rating.plan import PLAIN
from fsbilling.rating.rate import Rate
from fsbilling.sim.hook import asking
from fsbilling.sim.plan import CallPlan, Service
from fsbilling.sim.switch import SimSwitch
from fsbilling.sim.virtual_clock import EPOCH_US, VirtualClock
from fsbilling.store import accounts, cdrs, directory, entries, holds, tariffs, usages
from fsbilling.store.engine import BOUND_S, Database
from fsbilling.store.journal import Journal
from fsbilling.switch.channel import Channel, ChannelEvent
from fsbilling.switch.node import Node

S = US_PER_S
SWITCH = "fs1"
WATCH_US = S // 2
CENT_A_SECOND = Rate(rate_micros_per_min=600_000)
REGIONS = [("0755", Region("0755", "深圳", "广东")), ("010", Region("010", "北京", "北京"))]
REGION_TABLE = RegionTable.from_rows(REGIONS)
"""Shared by all daemons: it is never changed, and takes longer to make than all the rest."""
PACE = Pace(renew_lead_us=3 * S, cut_lead_us=100_000, warn_before_us=30 * S)


class Daemon:
    """One life of the daemon: everything it knows beyond SQL dies with it, but for a `book` given."""

    def __init__(self, world: World, book: TariffBook | None = None) -> None:
        self._world = world
        nodes = {world.switch: Node(world.switch, world.api)}
        self.book = book = book or TariffBook(world.sql)
        book.refresh()
        self.settler = Settler(world.sql, book, world.clock, world.journal)
        unrecorded = Unrecorded(world.sql)
        authoriser = Authoriser(
            world.sql,
            book,
            clock=world.clock,
            pace=PACE,
            first_slice_s=15,
            gate=lambda: self.settler.objection(len(self.meter.calls)),
            regions=REGION_TABLE,
        )
        self.meter = Meter(
            world.sql,
            book,
            nodes,
            clock=world.clock,
            pace=PACE,
            slice_s=30,
            warning=WarningSound("tone_stream://%(200,100,950)"),
            spawn=lambda job: job(),
            settler=self.settler,
        )
        self.outage = Outage(
            world.sql,
            book,
            self.settler,
            clock=world.clock,
            call_of=authoriser.call_of,
            session_of=lambda hold: session_of(hold, PACE),
            standing=self.meter.calls.get,
            gate=lambda: self.settler.objection(len(self.meter.calls)),
        )
        self.outage.read_trust()
        self.reception = Reception(
            authoriser,
            self.outage,
            self.meter,
            nodes,
            plan=NumberPlan(emergency=frozenset({"110", "119", "120", "122"})),
            node_of_core=lambda _core: world.switch,
            throttle=Throttle(0, world.clock.now_us),
            unrecorded=unrecorded,
            on_doubt=lambda _switch: None,
        )
        self.recovery = Recovery(
            world.sql,
            self.meter,
            nodes,
            witnesses=world.witnesses,
            clock=world.clock,
            on_unheld=self.reception.on_unheld,
        )

        self.watch = CreditWatch(world.sql, self.meter)
        self._watch_us = world.clock.now_us() + WATCH_US

    def next_due_us(self) -> int | None:
        alarm_us = self.meter.alarms.next_us()
        return min(self._watch_us, self._watch_us if alarm_us is None else alarm_us)

    def advance_to(self, now_us: int) -> None:
        self.meter.wake_due(now_us)
        if now_us >= self._watch_us:
            self._watch_us = now_us + WATCH_US
            with suppress(StoreError):
                self.watch.look()

    def sweep(self, *, take_up: bool = False) -> int:
        return self.recovery.sweep(self._world.switch, take_up=take_up)


class SqlDoor:
    """The daemon's way to the database, which can be shut; a test looks past it."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.is_open = True

    def read(self, bound_s=BOUND_S):
        self._pass()
        return self._db.read(bound_s)

    def write(self):
        self._pass()
        return self._db.write()

    def _pass(self):
        if not self.is_open:
            raise StoreError("SQL is out")


class World:
    """A switch, a database and, most of the time, a daemon."""

    def __init__(
        self,
        db: Database,
        *,
        seed: int = 1,
        switch: str = SWITCH,
        now_us: int = EPOCH_US,
        clock: VirtualClock | None = None,
        max_late_us: int = 0,
    ) -> None:
        self.db = db
        self.sql = SqlDoor(db)
        self.journal: Journal | None = None
        self.switch = switch
        self.clock = clock or VirtualClock(now_us)
        self.witnesses = {}
        self.link_is_up = True
        self.commands: list[str] = []
        self.sim = SimSwitch(
            self.clock,
            name=switch,
            seed=seed,
            hook=asking(self._hook),
            show_lag_us=0,
            max_late_us=max_late_us,
        )
        self.sim.listen(self._event, variable="fsbilling_account")
        self.daemon: Daemon | None = None

    def open_for_business(
        self, *, rates=(CENT_A_SECOND,), plan=PLAIN, credit="1.00", **account
    ) -> None:
        """A tariff for both services, the prepaid account acme, its number and its line."""
        with self.db.write() as conn:
            self.add_tariff(conn, rates, plan)
            self.add_account(conn, "acme", credit, **account)
            assert directory.add_number(conn, "4001234567", "acme", "user/1001") is None
            assert directory.add_line(conn, "user", "1001", "acme") is None
        self.daemon = Daemon(self)

    def add_tariff(self, conn, rates, plan=PLAIN, valid_from_us=0):
        tariffs.import_version(
            conn,
            "std",
            list(rates),
            plan=plan,
            valid_from_us=valid_from_us,
            source="test",
            at_us=EPOCH_US,
        )

    def change_tariff(self, rates, plan=PLAIN):
        """A version that prices every further call."""
        with self.db.write() as conn:
            self.add_tariff(conn, rates, plan)
        self.daemon.book.refresh()

    def add_account(self, conn, code, credit, *, mode=Mode.PREPAID, credit_limit_micros=0):
        added = accounts.add(
            conn,
            code=code,
            mode=mode,
            credit_limit_micros=credit_limit_micros,
            currency="CNY",
            tariffs={"400": "std", "outbound": "std"},
            at_us=EPOCH_US,
        )
        assert not isinstance(added, Refused), added
        micros = round(float(credit) * 1_000_000)
        if micros:
            self._topup(conn, code, micros, "first")

    def _topup(self, conn, code, micros, ref):
        entries.topup(conn, code, amount_micros=micros, ref=ref, note="", at_us=self.clock.now_us())

    def topup(self, code, micros, ref):
        with self.db.write() as conn:
            self._topup(conn, code, micros, ref)

    def call(self, **plan) -> str:
        """Place an outbound call from acme's line, unless the plan says otherwise."""
        defaults = {
            "caller": "1001",
            "callee": "13800138000",
            "service": Service.OUTBOUND,
            "variables": {"sip_auth_username": "1001", "sip_authorized": "true"},
            "ring_us": S,
            "talk_us": 10 * S,
        }
        return self.sim.place(CallPlan(**(defaults | plan)))

    def call_400(self, **plan) -> str:
        """Place a call to acme's 400 number from Shenzhen."""
        return self.call(
            **(
                {
                    "caller": "075583765566",
                    "callee": "4001234567",
                    "service": Service.CALLED_PAYS,
                    "variables": {},
                }
                | plan
            )
        )

    def run(self, seconds: float) -> None:
        """Let time pass for the switch and the daemon, which feels the pulse as in production."""
        run_together([self], seconds)

    def kill_daemon(self) -> None:
        self.daemon = None

    def start_daemon(self) -> None:
        """Start anew on the same SQL, and look round as after every link-up."""
        self.daemon = Daemon(self)
        self.daemon.sweep(take_up=True)

    def api(self, command: str, timeout_s: float = 5.0) -> str:
        """What a node's commands go through."""
        if not self.link_is_up:
            raise SwitchError("the link is down")
        self.commands.append(command)
        return self.sim.execute(command)

    def _hook(self, channel: dict[str, str]) -> dict[str, str] | None:
        if self.daemon is None:
            return None
        return self.daemon.reception.answer(Channel(channel | {"Core-UUID": self.sim.core_uuid}))

    def _event(self, event) -> None:
        if self.daemon is not None and self.link_is_up:
            self.daemon.reception.on_event(self.switch, ChannelEvent.of(event.headers))

    def account(self, code="acme"):
        with self.db.read() as conn:
            return accounts.find(conn, code)

    def usage(self, code="acme", month="2026-11"):
        with self.db.read() as conn:
            return usages.find(conn, accounts.find(conn, code).account_id, "std", month)

    def entries(self, kind, code="acme"):
        """The account's entries of a kind, the oldest first."""
        with self.db.read() as conn:
            posted = entries.entries(conn, code, limit=1_000)
        return [entry for entry in reversed(posted) if entry.kind == kind]

    def cdrs(self, uuid=None):
        with self.db.read() as conn:
            if uuid is not None:
                return cdrs.find(conn, uuid)
            return [cdr for _, cdr in cdrs.page(conn)]

    def cdr(self, uuid):
        (only,) = self.cdrs(uuid)
        return only

    def holds(self):
        with self.db.read() as conn:
            return holds.live(conn)

    def ledger_faults(self):
        with self.db.read() as conn:
            return list(entries.verify(conn))


def run_together(worlds: list[World], seconds: float) -> None:
    """Let time pass for several switches, each with its daemon, on one clock and one store."""
    clock = worlds[0].clock
    machines = [world.sim for world in worlds]
    machines += [world.daemon for world in worlds if world.daemon]
    end_us = clock.now_us() + round(seconds * S)
    while (now_us := clock.now_us()) < end_us:
        for world in worlds:
            if world.daemon is not None and world.link_is_up:
                with suppress(SwitchError):
                    world.daemon.meter.ask_time(world.switch)
        clock.play(*machines, until_us=min(now_us + 5 * S, end_us))
