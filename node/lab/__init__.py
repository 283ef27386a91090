"""The experiment as a whole: real nodes and people on the hosts of an emulated network, measured again and again.

- nodes.py starts nodes, a Redis for them, and asks them things; tests use it, too.
- run.py is one run of one scenario, from an empty machine to a record of what was measured.
- steps.py does what a scenario says is to be done meanwhile; ways.py says over which steps media went, and what is
  known of each; traffic.py sees which way it takes; round_trips.py what
  nodes measured there; metrics.py reads what nodes tell Prometheus, machine.py how busy the machine was.
- experiment.py is all runs of an experiment in turn, those left out that are there already.

What is pure of it, and the people's process, is :mod:`lab.experiment`; the verb is :mod:`node.cli.lab`.
"""
