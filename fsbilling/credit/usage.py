"""What an account has used of a tariff in one month: volume and package."""

from __future__ import annotations

import msgspec

from fsbilling.rating.tariff import Volume


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """A month of one account under one tariff, as one transaction saw it.

    All versions of the tariff count together. A call counts for the month it began in, of the
    tariff's local time.

    Attributes:
        tariff: The tariff's name.
        month: Such as `2026-11`.
        billed_s: Billed seconds of the calls that have ended, included ones too.
        calls: How many of these were billed at all.
        package_s: The month's included seconds; 0 without a package, or before its first call.
        included_s: How many of them the ended calls have used.
        included_held_s: How many are set aside for live calls.
    """

    tariff: str
    month: str
    billed_s: int = 0
    calls: int = 0
    package_s: int = 0
    included_s: int = 0
    included_held_s: int = 0

    @property
    def volume(self) -> Volume:
        """What levels are reckoned by."""
        return Volume(self.billed_s, self.calls)

    @property
    def included_free_s(self) -> int:
        """What may still be held of the package: never negative after a commit."""
        return self.package_s - self.included_s - self.included_held_s

    def with_package(self, size_s: int) -> Usage:
        """Give the month a package of another size; what was used and held of it stays."""
        taken_s = self.included_s + self.included_held_s
        return msgspec.structs.replace(self, package_s=max(size_s, taken_s))
