"""Let the payer hear that the credit ends soon."""

from __future__ import annotations

import msgspec
import structlog

from fsbilling.calls.call import SERVICE_400
from fsbilling.calls.session import Session
from fsbilling.switch.node import Node

log = structlog.get_logger(__name__)

PAYING_LEG = "aleg"
OTHER_LEG = "bleg"


class WarningSound(msgspec.Struct, frozen=True):
    """A tone or a file, played to the one who pays.

    The payer of an outbound call is the calling channel's own side; the payer of a 400 call is
    the called company, on the other leg.
    """

    path: str

    def give(self, node: Node, session: Session) -> None:
        """Play it. Raises SwitchError when the switch was not told."""
        if not self.path:
            return
        leg = OTHER_LEG if session.call.service == SERVICE_400 else PAYING_LEG
        node.warn(session.leg_uuid, self.path, leg)
        log.info("warned", call_uuid=session.call.uuid, account=session.call.account)
