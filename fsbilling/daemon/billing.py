"""The use cases of `fsbilling.billing`, put together for one daemon as its configuration says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from fsbilling.billing.attempt import NumberPlan
from fsbilling.billing.authorise import Authoriser
from fsbilling.billing.held import read_holds
from fsbilling.billing.meter import Meter
from fsbilling.billing.outage import Outage
from fsbilling.billing.reception import Reception
from fsbilling.billing.recover import Recovery
from fsbilling.billing.resume import session_of
from fsbilling.billing.settler import Settler
from fsbilling.billing.unrecorded import Unrecorded
from fsbilling.billing.warning import WarningSound
from fsbilling.billing.watch import CreditWatch
from fsbilling.calls.pace import Pace
from fsbilling.clock import US_PER_S, Clock
from fsbilling.config import Config, Metering, Numbering
from fsbilling.credit.throttle import Throttle
from fsbilling.daemon.errands import Errand
from fsbilling.daemon.tables import Tables
from fsbilling.errors import Refused
from fsbilling.numbering.region_table import RegionTable
from fsbilling.store.engine import Database
from fsbilling.store.journal import Journal
from fsbilling.switch.breath import breathe
from fsbilling.switch.node import Node
from fsbilling.switch.witness import Witness

TARIFF_REFRESH_S = 5
WATCH_S = 0.5
PLAY_S = 1
REFUSALS_S = 1
PROBE_S = 1
TRUST_S = 30


class Billing:
    """From the tables that price a call to the settler that writes it down.

    Args:
        nodes: What may be said to each switch.
        clock: The time of live calls, which nobody can set.
        wall_clock: The time that calls are priced and dated by.
        spawn: Runs what there is to do for a call beside all else.
        on_alarm_set: Called when a call is to be woken sooner than was known.
        node_of_core: Names the switch that a FreeSWITCH process is.
        on_doubt: Called with a switch that should be looked at soon.
    """

    def __init__(
        self,
        config: Config,
        db: Database,
        journal: Journal,
        nodes: Mapping[str, Node],
        *,
        clock: Clock,
        wall_clock: Clock,
        spawn: Callable[..., object],
        on_alarm_set: Callable[[], None],
        node_of_core: Callable[[str], str | None],
        on_doubt: Callable[[str], None],
    ) -> None:
        metering, pace = config.metering, pace_of(config.metering)
        self._config = config
        self._db = db
        self._nodes = nodes
        self.tables = Tables(db, clock, take_regions=self._take_regions)
        self.settler = Settler(db, self.tables.book, clock, journal)
        self.meter = Meter(
            db,
            self.tables.book,
            nodes,
            clock=clock,
            pace=pace,
            slice_s=metering.slice_s,
            warning=WarningSound(metering.warn_sound),
            spawn=spawn,
            on_alarm_set=on_alarm_set,
            settler=self.settler,
        )
        self._authoriser = Authoriser(
            db,
            self.tables.book,
            clock=wall_clock,
            pace=pace,
            first_slice_s=metering.first_slice_s,
            gate=self._gate,
        )
        self.outage = Outage(
            db,
            self.tables.book,
            self.settler,
            clock=wall_clock,
            call_of=self._authoriser.call_of,
            session_of=lambda hold: session_of(hold, pace_of(self._config.metering)),
            standing=self.meter.calls.get,
            gate=self._gate,
        )
        self._unrecorded = Unrecorded(db)
        self._watch = CreditWatch(db, self.meter, breathe=breathe)
        self.reception = Reception(
            self._authoriser,
            self.outage,
            self.meter,
            nodes,
            plan=plan_of(config.numbering),
            node_of_core=node_of_core,
            throttle=Throttle(config.hook.max_cps, clock.now_us),
            unrecorded=self._unrecorded,
            on_doubt=on_doubt,
        )
        self.recovery = Recovery(
            db,
            self.meter,
            nodes,
            witnesses=witnesses_of(config),
            clock=clock,
            on_unheld=self.reception.on_unheld,
            breathe=breathe,
        )

    def apply(self, config: Config) -> None:
        """Take over changed settings; calls that live keep the pace they started with."""
        metering, pace = config.metering, pace_of(config.metering)
        self._authoriser.adjust(pace, metering.first_slice_s)
        self.meter.adjust(pace, metering.slice_s, WarningSound(metering.warn_sound))
        self._config = config

    def catch_up(self) -> None:
        """Work from the holds in SQL, which another daemon may have moved on."""
        for switch in self._nodes:
            uuids = [session.call.uuid for session in self.meter.calls.on(switch)]
            self.meter.catch_up(read_holds(self._db, switch, uuids))

    def errands(self) -> list[Errand]:
        """Give what is to be done every so often, whoever is on duty."""
        return [
            Errand(TARIFF_REFRESH_S, self.tables.refresh_tariffs, "tariffs not refreshed"),
            Errand(WATCH_S, self._watch.look, "credit not watched"),
            Errand(PLAY_S, self.settler.play, "journal waits"),
            Errand(REFUSALS_S, self._unrecorded.write, "refusals not recorded yet"),
            Errand(PROBE_S, self.outage.probe, "outage not known"),
            Errand(TRUST_S, self.outage.read_trust, "who is trusted not read"),
        ]

    def _gate(self) -> Refused | None:
        """Say why no call may start now: the journal could not take it."""
        return self.settler.objection(len(self.meter.calls))

    def _take_regions(self, table: RegionTable) -> None:
        self._authoriser.regions = table


def pace_of(metering: Metering) -> Pace:
    """Give the leads that the settings ask for."""
    return Pace(
        renew_lead_us=metering.renew_lead_s * US_PER_S,
        cut_lead_us=metering.cut_lead_ms * 1_000,
        warn_before_us=metering.warn_before_s * US_PER_S if metering.warn_payer else 0,
    )


def plan_of(numbering: Numbering) -> NumberPlan:
    """Give the number plan that the settings describe."""
    return NumberPlan(home_area_code=numbering.home_area_code, emergency=numbering.emergency)


def witnesses_of(config: Config) -> dict[str, Witness]:
    """Give the switches' own records, by switch, where the settings say that there are some."""
    return {
        switch.name: Witness(Path(switch.json_cdr_dir))
        for switch in config.switches
        if switch.json_cdr_dir
    }
