"""Log lines: structured, one a decision, the call's UUID in each, customers' numbers masked."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import TextIO, cast

import structlog

from fsbilling.config import Log
from fsbilling.numbering.mask import mask

NUMBER_KEYS = ("caller", "callee")
"""The keys under which a customer's number stands in a log line."""

EventDict = MutableMapping[str, object]


def configure(settings: Log) -> None:
    """Write log lines to standard error as the configuration says; may be called again.

    Standard library loggers (greenswitch, SQLAlchemy) go the same way, from `warning` on.
    """
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=False),
    ]
    if settings.mask_numbers:
        shared.append(_mask_numbers)
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, _renderer(settings)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=cast("TextIO", _Stderr())),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s", force=True)


class _Stderr:
    """Standard error, of which a full disk or a reader that has gone stops no call.

    What is lost is a log line; raising here would break into a settlement instead.
    """

    def write(self, text: str) -> None:
        """Write what can be written."""
        with suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        """Flush, as far as that goes."""
        with suppress(OSError):
            sys.stderr.flush()


def _mask_numbers(_logger: object, _method: str, event: EventDict) -> EventDict:
    for key in NUMBER_KEYS:
        number = event.get(key)
        if isinstance(number, str):
            event[key] = mask(number)
    return event


def _renderer(settings: Log) -> structlog.typing.Processor:
    if settings.format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    # Control characters in a caller's name must not start a line of their own: repr escapes them.
    return structlog.processors.KeyValueRenderer(
        key_order=["timestamp", "level", "event", "call_uuid"], drop_missing=True
    )
