"""Whole nodes in one thread, on a clock that jumps, from one number.

Real: session service and registry, rooms, conductor, the client's connection with its protocol machine, what nodes
say of rooms over their links. Ours: the store (slow, silent, away, rolled back), the wires between nodes (slow, cut,
twice), sockets that die unnoticed, nodes that are killed, clocks that step, and people who do what people do.

The seed decides everything, the scheduler's dice included: a seed that fails fails again.

- universe.py: clock, dice and names of one run; faulty_store.py; links.py; simulated_node.py; person.py
- run.py: one seed from start to verdict; `python -m tests.simulation.run --seed 7` tells its story
"""
