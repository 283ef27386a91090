"""What an operator asks when something is wrong: every check with its result and the next step.

It works with and without a running node. Without one, the configuration and this machine are looked at: programs,
limits, keys and certificates, ports that must be free, the store. With one, its own effective settings are, and what
only a running node can know: whether its agent answers, which peers are reached by UDP and by links, whose clock is
off. :mod:`node.doctor.examination` puts all together; each other file is one kind of checks.
"""

from node.doctor.examination import examine
from node.doctor.findings import Check, Examination, Verdict

__all__ = ["Check", "Examination", "Verdict", "examine"]
