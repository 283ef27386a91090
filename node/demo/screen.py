"""Where the demo is watched: a table that redraws itself, or nothing until the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.live import Live

from node.demo.run import play
from node.demo.table import Room, draw

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from node.demo.report import DemoReport
    from node.demo.run import Scene


async def play_live(console: Console, seconds: float | None, progress: Callable[[str], None]) -> DemoReport | None:
    """Run the demo with a live table; see :func:`node.demo.run.play`."""
    with Live(console=console, auto_refresh=False) as live:
        told = False

        def show(scene: Scene) -> None:
            nonlocal told
            if not told:
                # Above the live part, where it stays whatever the terminal's size.
                live.console.print(f"Join them: {scene.join_url}", markup=False, highlight=False, soft_wrap=True)
                told = True
            room = Room.of(live.console)
            picture = draw(scene.report, join_url=scene.join_url, remaining_s=scene.remaining_s, room=room)
            live.update(picture, refresh=True)

        return await play(seconds=seconds, progress=progress, show=show)


async def play_quietly(seconds: float | None, progress: Callable[[str], None]) -> DemoReport | None:
    """Run the demo, saying only where to join; see :func:`node.demo.run.play`."""
    told = False

    def show(scene: Scene) -> None:
        nonlocal told
        if not told:
            progress(f"everybody is in; join them at {scene.join_url}")
            told = True

    return await play(seconds=seconds, progress=progress, show=show)
