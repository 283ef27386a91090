"""Experiments: the same people in the same room over the same network, arranged in different ways, measured.

- choice.py says which network and which scenarios are meant, durations.py how long a run is; settings.py keeps runs of
  different kinds apart, plan.py says in which order they run and keeps each.
- person.py is a process that plays one person on its host; samples.py is what it writes every second.
- flows.py makes of everybody's samples what went from whom to whom.
- records.py is what one run measured, and the form in which it is kept on disk.

Who starts nodes and people, and runs one scenario after the other, is in :mod:`node.lab`.
"""
