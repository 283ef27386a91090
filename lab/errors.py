"""What the lab refuses, in words."""

from __future__ import annotations

__all__ = ["LabError"]


class LabError(Exception):
    """Something the lab cannot do; ``code`` is stable, ``message`` says the next step.

    Codes: ``topology_invalid``, ``not_permitted`` (not root, or no TUN devices), ``program_missing``,
    ``namespace_failed``, ``emulator_failed``, ``emulator_refused``; of experiments ``duration_invalid``,
    ``scenario_unknown``, ``settings_differ``, ``folder_in_use``, ``run_unreadable``,
    ``report_unwritten``, ``node_failed``, ``links_missing``, ``person_failed``, ``system_refused``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
