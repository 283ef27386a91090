"""What people see of an experiment while it runs: one bar on stderr, a line for each run that has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn
from typing_extensions import override

from lab.experiment.flows import mean_delay_ms
from lab.report.caveats import trouble_of
from node.lab.experiment import Audience

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console

    from lab.experiment.plan import Turn
    from lab.experiment.records import Run

__all__ = ["Screen", "left_in_words"]


class Screen(Audience):
    """A bar; off a terminal only the lines."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"))
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("", total=1, left="")
        self._turns = 0
        self._done = 0

    def __enter__(self) -> Screen:
        """Show the bar."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take it away."""
        self._progress.stop()

    def say(self, text: str) -> None:
        """A line above the bar."""
        self._console.print(text, markup=False, highlight=False, style="dim")

    @override
    def begins(self, turns: int, done: int) -> None:
        self._turns, self._done = turns, done
        self._progress.update(self._task, total=turns, completed=done)
        if done:
            self.say(f"{done} of {turns} runs are there already")

    @override
    def told(self, turn: Turn, what: str, share: float, left_s: float) -> None:
        self._progress.update(
            self._task,
            completed=self._done + share,
            description=f"{self._done + 1}/{self._turns} {turn.scenario} {turn.repeat}: {what}",
            left=left_in_words(left_s),
        )

    @override
    def ended(self, turn: Turn, run: Run) -> None:
        self._done += 1
        self._progress.update(self._task, completed=self._done)
        delay_ms = mean_delay_ms(flow for flow in run.flows if flow.kind == "video")
        heard = "no picture came" if delay_ms is None else f"picture {delay_ms:.1f} ms late on average"
        self.say(f"{self._done}/{self._turns} {turn.scenario} {turn.repeat}: {heard}")
        why = trouble_of(run)
        if why is not None:
            self.say(f"    not to be trusted: {why}")


def left_in_words(left_s: float) -> str:
    """How long it still takes, no finer than it is known."""
    minutes = round(left_s / 60)
    if minutes < 1:
        return "less than a minute left"
    hours, minutes = divmod(minutes, 60)
    return f"about {hours} h {minutes} min left" if hours else f"about {minutes} min left"
