"""The meter: holds the live calls and carries out what their sessions ask for.

`calls.session` decides, this room acts: SQL through `store`, the switch through `switch.node`.
Whatever comes back is the next event of the same call. All of one call happens in order in its
mailbox; different calls run beside each other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping

import msgspec
import structlog

from fsbilling.billing.alarms import Alarms
from fsbilling.billing.follow import follow
from fsbilling.billing.giveback import give_back
from fsbilling.billing.live_calls import LiveCalls
from fsbilling.billing.mailbox import MAX_WAITING, Job, Mailboxes
from fsbilling.billing.renewal import renew
from fsbilling.billing.resume import session_of
from fsbilling.billing.settler import Settler
from fsbilling.billing.signs import Signs
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.billing.telling import tell
from fsbilling.billing.warning import WarningSound
from fsbilling.calls import command as do
from fsbilling.calls import event as on
from fsbilling.calls.call import CallKey
from fsbilling.calls.pace import Pace
from fsbilling.calls.session import Phase, Session, resume, step
from fsbilling.clock import Clock
from fsbilling.errors import StoreError
from fsbilling.store import holds
from fsbilling.store.engine import Database
from fsbilling.store.hold_rows import Hold
from fsbilling.switch.node import Node

log = structlog.get_logger(__name__)


class Meter:
    """All live calls of this daemon, on every node it serves."""

    def __init__(
        self,
        db: Database,
        book: TariffBook,
        nodes: Mapping[str, Node],
        *,
        clock: Clock,
        pace: Pace,
        slice_s: int,
        warning: WarningSound,
        spawn: Callable[[Job], object],
        on_alarm_set: Callable[[], None] = lambda: None,
        settler: Settler | None = None,
    ) -> None:
        self._db = db
        self._settler = settler or Settler(db, book, clock)
        self._nodes = nodes
        self._clock = clock
        self._pace = pace
        self._slice_s = slice_s
        self._warning = warning
        self.calls = LiveCalls()
        self.signs = Signs(nodes, clock)
        self._mailboxes = Mailboxes(spawn)
        self._on_alarm_set = on_alarm_set
        self.alarms: Alarms[CallKey] = Alarms()

    def adjust(self, pace: Pace, slice_s: int, warning: WarningSound) -> None:
        """Use other settings: slices and warnings at once, the pace for calls loaded from now."""
        self._pace = pace
        self._slice_s = slice_s
        self._warning = warning

    def is_busy(self, key: CallKey) -> bool:
        """Tell whether something is happening to this call just now."""
        return self._mailboxes.has_job(key)

    def is_at_risk(self, key: CallKey) -> bool:
        """Tell whether a call was let through while SQL was out, and has no hold there yet."""
        return key in self._settler.risk

    def adopt(self, session: Session) -> None:
        """Take charge of a call that was just authorised."""
        if session.call.key not in self.calls:
            self.calls.put(session)

    def begin(self, session: Session) -> None:
        """Take charge of a call that talks already, as its hold says.

        Its timer stands in the switch when this returns.
        """
        unarmed = msgspec.structs.replace(session, self_armed=False)
        self._carry_out(*resume(unarmed, self.now_us(session.call.switch)))

    def post(self, key: CallKey, event: on.Event) -> None:
        """Let something happen to a call, after all that happened to it before."""
        session = self.calls.get(key)
        if isinstance(event, on.HungUp) and session and session.leg_uuid == event.leg_uuid:
            # What waits behind a question without an answer is heard already.
            self.signs.ended(key, event.ended_us)
        self.run(key, lambda: self._handle(key, event))

    def run(self, key: CallKey, job: Job) -> None:
        """Do something for a call before anything that happens to it after now.

        A call that is stuck behind too much already is left to the next sweep, which asks the
        switch what became of it.
        """
        if not self._mailboxes.post(key, job):
            log.error("call stuck", call_uuid=key[1], waiting=MAX_WAITING)

    def wake_due(self, now_us: int) -> None:
        """Wake each call whose alarm is due."""
        for key in self.alarms.due(now_us):
            self.post(key, on.Woken(self.now_us(key[0])))

    def ask_time(self, switch: str) -> None:
        """Ask the switch for its clock: a sign of life as well. Raises SwitchError."""
        asked_us = self._clock.now_us()
        self.signs.told(switch, self._nodes[switch].now_us(), asked_us=asked_us)

    def lost(self, switch: str) -> None:
        """Take note that the link is down: its calls may end unseen until they are taken up."""
        # A call that is just being loaded is one of them: its hang-up would not be heard either.
        known = {session.call.key for session in self.calls.on(switch)}
        loading = {key for key in self._mailboxes.busy() if key[0] == switch}
        self.signs.lost(switch, known | loading)

    def now_us(self, switch: str) -> int:
        """Give the present moment by the switch's clock."""
        return self.signs.now_us(switch)

    def take_up(self, key: CallKey, *, answered_us: int, leg_uuid: str) -> None:
        """Go on with a call that the switch says lives, after a restart or a lost link."""
        if self.calls.bills_leg(key, leg_uuid):
            # Now, as the link may be lost again before its turn comes.
            self.signs.seen(key)
        self.run(key, lambda: self._take_up(key, answered_us, leg_uuid))

    def catch_up(self, held: Iterable[Hold]) -> None:
        """Take over from the holds what another daemon has done for our calls meanwhile.

        A later timer is its doing, and so is a hold that pays for less than we know of: what a
        ringing call gives back has no timer yet.
        """
        for hold in held:
            key = hold.call.key
            session = self.calls.get(key)
            if session is None:
                continue
            if self.is_at_risk(key):
                # What was granted while SQL was out stands in the journal, and is more.
                continue
            if hold.timer_seq > session.timer_seq or hold.granted_s < session.granted_s:
                self.calls.put(session_of(hold, self._pace))

    def put_down(self) -> None:
        """Forget every call but those that are being settled: another daemon has them."""
        for session in self.calls.all():
            if session.phase is not Phase.SETTLING:
                self._forget(session.call.key)

    def _take_up(self, key: CallKey, answered_us: int, leg_uuid: str) -> None:
        session = self.calls.get(key) or self._load(key)
        if session is None:
            return
        now_us = self.now_us(key[0])
        if leg_uuid != session.leg_uuid:
            followed = self._follow(session, leg_uuid)
            if not isinstance(followed, on.LegLives):
                return
            session = msgspec.structs.replace(session, leg_uuid=leg_uuid)
            answered_us = answered_us or followed.answered_us
        if answered_us and not session.answered_us:
            self._run(session, on.Answered(answered_us))
        else:
            self._carry_out(*resume(session, now_us))

    def _handle(self, key: CallKey, event: on.Event) -> None:
        session = self.calls.get(key)
        if session is None and isinstance(event, on.Answered | on.HungUp):
            session = self._load(key)
        if session is None:
            self.signs.forget(key)
        else:
            self._run(session, event)

    def _load(self, key: CallKey) -> Session | None:
        """Find a call that was authorised before this daemon started, by its hold."""
        try:
            with self._db.read() as conn:
                hold = holds.find(conn, *key)
        except StoreError as fault:
            # The hold stays; the next sweep finds the call again.
            log.error("hold unreadable", call_uuid=key[1], fault=str(fault))
            return None
        return session_of(hold, self._pace) if hold else None

    def _run(self, session: Session, event: on.Event) -> None:
        self._carry_out(*step(session, event))

    def _carry_out(self, session: Session, commands: list[do.Command]) -> None:
        """Do what the session asked, and feed what comes of it back, until it asks nothing."""
        key = session.call.key
        self.calls.put(session)
        pending = deque(commands)
        while pending:
            outcome = self._do(session, pending.popleft())
            if key not in self.calls:
                # Put down meanwhile: another daemon has it, or else a sweep finds it again.
                return
            if outcome is not None:
                session, more = step(session, outcome)
                self.calls.put(session)
                pending.extend(more)

    def _do(self, session: Session, command: do.Command) -> on.Event | None:
        match command:
            case do.WakeAt(at_us=at_us):
                key = session.call.key
                if self.alarms.set(key, self.signs.by_our_clock(key[0], at_us)):
                    self._on_alarm_set()
            case do.Renew():
                return self._renew(session)
            case do.GiveBack():
                return self._give_back(session, command)
            case do.Settle(ending=ending):
                return self._settle(session, ending)
            case do.Forget():
                self._forget(session.call.key)
            case do.RecordAnswer(answered_us=answered_us):
                self._record_answer(session, answered_us)
            case do.Follow(leg_uuid=leg_uuid):
                return self._follow(session, leg_uuid)
            case _:
                return self._tell(session, command)
        return None

    def _follow(self, session: Session, leg_uuid: str) -> on.LegLives | on.LegEnded | on.LegUnknown:
        key = session.call.key
        return follow(
            self._db,
            self._nodes[key[0]],
            session,
            leg_uuid,
            now_us=self.now_us(key[0]),
            lives=lambda: self.signs.seen(key),
        )

    def _forget(self, key: CallKey) -> None:
        self.calls.forget(key)
        self.signs.forget(key)
        self.alarms.cancel(key)

    def _tell(self, session: Session, command: do.Command) -> on.Event | None:
        switch = session.call.switch
        now_us = self.now_us(switch)
        return tell(
            self._nodes[switch],
            session,
            command,
            now_us=now_us,
            warning=self._warning,
            heard=lambda: self.signs.heard(switch, now_us),
        )

    def _renew(self, session: Session) -> on.Event:
        now_us = self.now_us(session.call.switch)
        if self._settler.is_out or self.is_at_risk(session.call.key):
            # Nobody waits for an SQL that is out; and renewed is what is held there.
            return on.RenewalUnknown(now_us)
        return renew(
            self._db,
            session,
            slice_s=self._slice_s,
            now_us=now_us,
            seen_us=self.signs.last_us(session.call.key),
        )

    def _give_back(self, session: Session, asked: do.GiveBack) -> on.Event | None:
        switch = session.call.switch
        return give_back(
            self._db,
            self._nodes[switch],
            session,
            asked,
            now_us=self.now_us(switch),
            seen_us=self.signs.last_us(session.call.key),
        )

    def _settle(self, session: Session, ending: on.HungUp) -> on.Event:
        call = session.call
        try:
            self._settler.settle(session, ending)
        except StoreError as fault:
            log.error("settlement unknown", call_uuid=call.uuid, fault=str(fault))
            return on.SettlementUnknown(self.now_us(call.switch))
        return on.Settled()

    def _record_answer(self, session: Session, answered_us: int) -> None:
        call = session.call
        log.info("answered", call_uuid=call.uuid, account=call.account)
        try:
            if self._settler.keep_answer(session.call.key, answered_us) or self._settler.is_out:
                return
            with self._db.write() as conn:
                # No more than this is known: its hang-up may be waiting behind the answer.
                holds.answered(conn, call.switch, call.uuid, answered_us, answered_us, is_last=True)
        except StoreError as fault:
            # The switch keeps the stamp as well: recovery asks it (uuid_dump).
            log.error("answer not recorded", call_uuid=call.uuid, fault=str(fault))
