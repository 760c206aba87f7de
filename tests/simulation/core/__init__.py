"""The core at full speed: the use cases over a store in memory and a switch without words.

What is real here: authorise, meter, renew, settle, follow, recover and the sessions, holds,
prices and ledger chain below them; while SQL is out what may be risked, and the journal; where
a switch has two daemons, who is on duty, and who keeps vigil. What is not:
SQL (`simulation.memory`), and the text that hook, link and commands are made of: the switch is
asked by the methods of `switch.node.Node`, and tells its events as the meter takes them.
`simulation.play` has both, and is slower.

Besides all that goes wrong there, events come doubled and out of order here: the core must
bear what no TCP connection would do to it.
"""
