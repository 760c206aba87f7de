"""Live chaos: everything real, and every part of it killed at random.

    make live-chaos SECONDS=600 SEED=17      the same seed kills in the same order

A FreeSWITCH, a PostgreSQL, two daemons and SIPp's calls of every kind, all on loopback. What
happens to them is drawn from one seed (`storm`): kill -9 of the daemon that works, of the one
that stands by, of PostgreSQL's postmaster, of FreeSWITCH; SIGSTOP of the daemon that works, as
long as systemd's watchdog lets it; a cut event socket. Each is started again a second after it
ended, as by a service manager (`service`). The accounts are topped up meanwhile, and watched.

Then the calls end, `fsbilling reconcile --apply` runs, and the books are compared with what the
switch itself recorded of every leg (`audit`): nothing lost, nothing doubled, nothing overspent.
Exit code 1 when anything of that does not hold. No verdict depends on how fast the machine is,
but for the one promise that is about time: a call ends one second after its last paid one.
"""
