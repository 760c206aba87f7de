"""The two ways a request can fail.

An expected refusal (no credit, no rate, unknown number) is a value: `Refused`.
A fault (a bad file, a lost database, a frame that cannot be read) is an exception
below `FsbillingError`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refused:
    """A request was understood and declined.

    `reason` is one stable snake_case word that scripts and the dialplan may test
    (`no_credit`, `no_rate`, ...); `detail` is one sentence for a person, saying what to do.
    """

    reason: str
    detail: str = ""

    def __str__(self) -> str:
        return self.detail or self.reason.replace("_", " ")


class FsbillingError(Exception):
    """The root of every fault raised by this package."""


class ConfigError(FsbillingError):
    """The configuration cannot be used; the message names the key and says what to do."""


class InputError(FsbillingError):
    """A file or an argument given by a person is wrong; nothing was changed."""


class SchemaError(FsbillingError):
    """The database has a schema this version does not know."""


class StoreError(FsbillingError):
    """SQL failed or took too long; nothing is known to have been written."""


class StoreDeclined(StoreError):  # noqa: N818 -- says what happened
    """SQL answered, and will never take what it was asked to write: a constraint, or the data."""


class SwitchError(FsbillingError):
    """The switch did not answer, or answered something that is not ESL."""


class SwitchTimeout(SwitchError):  # noqa: N818 -- the field says time-out
    """The switch did not answer in time: the outcome is unknown (DESIGN rule 5)."""
