"""The demo: a whole cluster on this machine, with people in it, until Ctrl-C.

`starling demo` starts a private Redis and three nodes, each a process of its own with its own
serf agent and engine, on free loopback ports and below one temporary folder. Six synthetic
participants talk in two rooms; each room spans two of the nodes, so that some media stays local
and some crosses a link.

- cast.py says who plays: the regions, the rooms, the people.
- cluster.py starts the processes and stops exactly these.
- people.py brings the participants in and reads what they received.
- report.py turns that into one document and the verdict.
- table.py draws it, live on a terminal, as plain lines elsewhere.
- run.py is the play itself.

Tests use the same cluster: what `make test` tries is what `make demo` shows.
"""
