"""`fsbilling sim`: a simulated switch behind a real event socket, with traffic to order."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import click

from fsbilling.cli import output
from fsbilling.cli.context import Invocation, Refusal, now_us, pass_invocation
from fsbilling.clock import US_PER_S

if TYPE_CHECKING:
    from fsbilling.sim.esl_server import SimServer
    from fsbilling.sim.event import SimEvent
    from fsbilling.sim.plan import CallPlan

LOOPBACK = "127.0.0.1"
LAST_WORDS_S = 1.0
"""How long clients may still read after the last call has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The traffic that was ordered; each field is the option of its name."""

    calls: int
    rate: int
    after: int
    callers: tuple[str, ...]
    callees: tuple[str, ...]
    user: str
    account: str | None
    outcome: str
    ring: int
    talk: int

    def plans(self) -> Iterator[CallPlan]:
        """Every call, callers and callees taken in turn."""
        pairs = zip(cycle(self.callers), cycle(self.callees), strict=False)
        for caller, callee in islice(pairs, self.calls):
            yield self._plan(caller, callee)

    def _plan(self, caller: str, callee: str) -> CallPlan:
        """One call: originated for an account, to a 400 number, or from a SIP user."""
        from fsbilling.numbering.number import NumberKind, normalise
        from fsbilling.sim.plan import CallPlan, Outcome, Service

        variables: dict[str, str] = {}
        if self.account is not None:
            service = Service.ORIGINATED
            variables = {"fsbilling_account": self.account, "fsbilling_service": "outbound"}
        elif normalise(callee).kind is NumberKind.SERVICE_400:
            service = Service.CALLED_PAYS
        else:
            service = Service.OUTBOUND
            variables = {"sip_auth_username": self.user, "sip_authorized": "true"}
        return CallPlan(
            caller=caller,
            callee=callee,
            service=service,
            outcome=Outcome(self.outcome),
            ring_us=self.ring * US_PER_S,
            talk_us=self.talk * US_PER_S,
            variables=variables,
        )


@click.command("sim")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    help="Of the event socket; default: the first switch's.",
)
@click.option("--hook", help="HOST:PORT of the daemon's hook; by default [hook] listen.")
@click.option("--calls", type=click.IntRange(0), default=0, help="How many; 0: none, run on.")
@click.option(
    "--rate", type=click.IntRange(1, 1_000), default=1, show_default=True, help="Calls a second."
)
@click.option(
    "--after", type=click.IntRange(0), default=2, show_default=True, help="Seconds to the first."
)
@click.option(
    "--caller",
    "callers",
    multiple=True,
    default=["02088889999"],
    show_default=True,
    help="May be repeated: taken in turn.",
)
@click.option(
    "--callee",
    "callees",
    multiple=True,
    default=["4001234567"],
    show_default=True,
    help="May be repeated: taken in turn.",
)
@click.option("--user", default="1001", show_default=True, help="SIP user of outbound calls.")
@click.option("--originate", "account", help="Originate the calls for this account instead.")
@click.option(
    "--outcome",
    type=click.Choice(["answer", "busy", "no_answer", "cancel"]),
    default="answer",
    show_default=True,
    help="How the ringing ends.",
)
@click.option("--ring", type=click.IntRange(0), default=1, show_default=True, help="Seconds.")
@click.option("--talk", type=click.IntRange(0), default=10, show_default=True, help="Seconds.")
@click.option("--seed", type=int, help="The same seed gives the same UUIDs; default: new ones.")
@pass_invocation
def command(
    invocation: Invocation,
    /,
    *,
    port: int | None,
    hook: str | None,
    seed: int | None,
    **ordered: Any,  # noqa: ANN401 - the fields of Order, by name
) -> None:
    """Simulate a FreeSWITCH on loopback: its event socket, its dialplan's hook, its calls.

    With --calls it ends when the last call has; without, it waits for commands until it is
    interrupted. It takes the password of the configuration's first switch.
    """
    from fsbilling.sim.esl_server import SimServer

    config = invocation.config
    switch = config.switches[0]
    hook = hook or config.hook.listen
    try:
        port = switch.port if port is None else port
        seed = now_us() if seed is None else seed
        server = SimServer(LOOPBACK, port, switch.password, hook, seed=seed)
        server.start()
    except ValueError as fault:
        raise click.BadParameter(f"{fault}.", param_hint="--hook") from None
    except OSError as fault:
        raise Refusal(f"cannot listen on port {port}: {fault.strerror}; give --port") from None
    output.say(f"simulated switch on {LOOPBACK}:{server.port}, hook {hook}")
    try:
        _run(server, Order(**ordered))
    finally:
        server.stop()


def _run(server: SimServer, order: Order) -> None:
    """Place the calls that were ordered and wait for their ends; with none, wait for ever."""
    import gevent
    from gevent.event import Event

    # Left alone, gevent raises it in whatever runs, and prints a traceback.
    gevent.signal_handler(signal.SIGINT, gevent.getcurrent().throw, KeyboardInterrupt)
    live: set[str] = set()
    ended = Event()

    def on_end(event: SimEvent) -> None:
        uuid = event.headers["Unique-ID"]
        if uuid in live:
            live.discard(uuid)
            output.say(_ending(event))
            ended.set()

    server.switch.listen(on_end, {"CHANNEL_HANGUP_COMPLETE"})
    if not order.calls:
        ended.wait()
    gevent.sleep(order.after)
    for plan in order.plans():
        live.add(server.place(plan))
        gevent.sleep(1 / order.rate)
    while live:
        ended.wait()
        ended.clear()
    gevent.sleep(LAST_WORDS_S)


def _ending(event: SimEvent) -> str:
    """One line on a call that is over."""
    from fsbilling.switch.channel import Channel

    channel = Channel(event.headers)
    talked_us = channel.hungup_us - channel.answered_us if channel.answered_us else 0
    reason = channel.variable("fsbilling_reason")
    refused = f", refused: {reason}" if reason else ""
    return (
        f"{channel.caller_number} -> {channel.destination_number}: "
        f"{output.seconds(talked_us)} s, {channel.hangup_cause}{refused} ({channel.uuid})"
    )
