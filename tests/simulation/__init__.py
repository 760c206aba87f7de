"""Deterministic simulation: the real use cases under every fault, from one seed.

    python -m tests.simulation --seconds 600               as many seeds as fit (make soak)
    python -m tests.simulation --kind core --seed 123      replay one run, with all that happened

There are two kinds (`kind`). In both, time is virtual, every `fsbilling.billing` use case is wired
as `fsbilling/daemon/` does, and one seed is one run:

- `whole` (`play`): the switch is `fsbilling.sim`, with every word of it; the store is a real
  SQLite in memory. Some 300 calls per CPU second.
- `core` (`core.play`): a store in memory (`memory`), held equal to SQL by a contract test, and a
  switch without words. Tariffs have bands, levels, packages, fees and versions. Some 3,500
  calls per CPU second, 60 % of it in the code under test.

`planted` has bugs that the core's simulation must find, each by the rule that it breaks.

What can really happen, and so happens here (`weather`):

- A daemon is killed at any await: before or after any SQL transaction or switch command; or it
  hangs (SIGSTOP) and goes on later with what it knew. Another life follows.
- SQL fails before its commit, or after it with the outcome unknown; is away for a while; is slow.
  In the core some accounts may call all the same (docs/adr/0017), and what ends meanwhile goes to
  the real journal: on a disk that may be small, full, or fail to sync. One machine alone may be
  cut off from SQL.
- The link is down for a while. Events of that time are lost; they are never repeated, as
  FreeSWITCH keeps none for a client that is away, and TCP doubles none. One connection keeps
  their order, but they may be late, and what a command on the other connection tells may be
  newer. So "doubled and reordered" can only mean: an end that an event and a sweep both tell.
  (The core bears doubled events and any order as well, and is told so.)
- A command is executed and its answer lost, or lost before it was executed.
- FreeSWITCH restarts: calls and timers are gone without a word.
- The daemon's machine has another time than the switch, and its clock is set in mid-run.

Two daemons on one switch are not played: nothing promises that yet.
"""
