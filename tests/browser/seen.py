"""What a participant is to see and hear, as conditions to wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ENOUGH_PICTURES: Final = 10
ENOUGH_PACKETS: Final = 50
"""A second of sound."""


def shows(picture: int) -> Callable[[Mapping[str, Any]], bool]:
    """Whether one track shows this picture, again and again, and no track anything else."""

    def holds(state: Mapping[str, Any]) -> bool:
        right = [seen["right"] for seen in state["pictures"].values() if seen["right"]]
        return len(right) == 1 and set(right[0]) == {str(picture)} and right[0][str(picture)] >= ENOUGH_PICTURES

    return holds


def sounds(state: Mapping[str, Any]) -> bool:
    """Whether one sound arrives and is not silence."""
    return any(heard["packets"] >= ENOUGH_PACKETS and heard["energy"] > 0 for heard in state["sounds"].values())
