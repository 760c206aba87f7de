"""The process of `fsbilling serve`: signals, open files, a daemon until it is told to stop."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable

import gevent
import structlog

from fsbilling import log as logs
from fsbilling.config import Config
from fsbilling.daemon.daemon import Daemon
from fsbilling.errors import FsbillingError

log = structlog.get_logger(__name__)

OTHER_DESCRIPTORS = 256
"""Open files besides the hook's connections: the database's, the links', the log."""


def serve(config: Config, reread: Callable[[], Config]) -> None:
    """Run a daemon until it is told to stop; SIGHUP rereads the configuration with `reread`."""
    logs.configure(config.log)
    # Twice: those who are refused or gave their place away are not gone at once.
    allow_descriptors(2 * config.hook.max_connections + OTHER_DESCRIPTORS)
    daemon = Daemon(config)
    gevent.signal_handler(signal.SIGHUP, _rereader(daemon, reread))
    daemon.run()


def allow_descriptors(count: int) -> None:
    """Raise this process's soft limit of open files to `count`, as far as the hard one lets it.

    A shell's stock 1,024 would be used up by silent peers of the hook, and the database and the
    switch could then not be reached.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        within = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (within, hard))


def _rereader(daemon: Daemon, reread: Callable[[], Config]) -> Callable[[], None]:
    def apply() -> None:
        try:
            daemon.apply(reread())
        except FsbillingError as fault:
            log.error("configuration not reread", fault=str(fault))
        daemon.reload()

    return apply
