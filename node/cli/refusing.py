"""How the program says no: a line on stderr, or with ``--json`` one object where its other JSON goes, on stdout.

    {"error": {"code": "not_running", "message": "no node runs in ...", "next": "starling up"}}

The code is stable, the message is for people, ``next`` is a command that leads on and stands there where one does.
"""

from __future__ import annotations

import sys
from typing import NoReturn

__all__ = ["refuse", "refused"]


def refused(code: str, message: str, next_step: str = "") -> dict[str, str]:
    """What stands under ``error``."""
    return {"code": code, "message": message, **({"next": next_step} if next_step else {})}


def refuse(
    code: str, message: str, *, exit_code: int, as_json: bool, next_step: str = "", text: str | None = None
) -> NoReturn:
    """Say no and end the process.

    Args:
        code: Stable name of the problem.
        message: For people, in one line.
        exit_code: What the process ends with.
        as_json: Whether a program is reading.
        next_step: A command that leads on.
        text: What people read instead of the one line.

    Raises:
        SystemExit: Always.
    """
    if as_json:
        from node.cli.asking import print_json

        print_json({"error": refused(code, message, next_step)})
    else:
        sys.stderr.write(f"starling: {message}\n" if text is None else text)
    raise SystemExit(exit_code)
