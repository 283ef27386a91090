"""Paper made of characters: eight dots in each (Braille), or one letter where a terminal has no more than ASCII."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable

BRAILLE: Final = 0x2800

DOTS: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each dot of a Braille character, by row and column (Unicode, block Braille Patterns)."""

LAND: Final = "bright_black"

EMPTY: Final = (" ", "")


class Canvas:
    """A picture that grows: land at the bottom, lines over it, letters on top.

    Args:
        columns: Characters in a row.
        rows: Of characters.
        dots: Whether a character holds 2 x 4 dots of Braille; else it is one dot itself.
    """

    def __init__(self, columns: int, rows: int, *, dots: bool) -> None:
        self.columns = columns
        self.rows = rows
        self.grain = (2, 4) if dots else (1, 1)
        """Dots of a character, across and down."""
        self._dots = dots
        self._land: dict[tuple[int, int], int] = {}
        self._lines: dict[tuple[int, int], tuple[int, str, str]] = {}
        self._letters: dict[tuple[int, int], tuple[str, str]] = {}

    @property
    def size(self) -> tuple[int, int]:
        """Dots across and down."""
        return self.columns * self.grain[0], self.rows * self.grain[1]

    def cell_of(self, x: int, y: int) -> tuple[int, int]:
        """The character that holds a dot."""
        return x // self.grain[0], y // self.grain[1]

    def put_land(self, x: int, y: int) -> None:
        """Draw one dot of land; every second one stays white, so that lines are seen on it."""
        if self._dots and (x + y) % 2:
            return
        cell = self.cell_of(x, y)
        self._land[cell] = self._land.get(cell, 0) | self._bit(x, y)

    def put_line(self, points: Iterable[tuple[int, int]], *, letter: str, style: str) -> None:
        """Draw dots of a line; `letter` is what stands for one in ASCII. Of two lines the later one has the colour."""
        for x, y in points:
            cell = self.cell_of(x, y)
            bits = self._lines.get(cell, (0, "", ""))[0]
            self._lines[cell] = (bits | self._bit(x, y), letter, style)

    def has_room(self, column: int, row: int, length: int) -> bool:
        """Whether so many letters fit there without touching others."""
        if not (0 <= row < self.rows and column >= 0 and column + length <= self.columns):
            return False
        return not any(self._letters.get((at, row), EMPTY) != EMPTY for at in range(column - 1, column + length + 1))

    def write(self, column: int, row: int, text: str, *, style: str) -> None:
        """Write letters over whatever is there, with a blank at either end where no letter stands."""
        for offset, letter in enumerate(text):
            self._letters[column + offset, row] = (letter, style)
        for at in (column - 1, column + len(text)):
            self._letters.setdefault((at, row), EMPTY)

    def mark(self, column: int, row: int, letter: str, *, style: str) -> None:
        """Write one letter, close to whatever is beside it."""
        self._letters[column, row] = (letter, style)

    def lines(self) -> list[Text]:
        """The finished picture, a line for each row; what is empty on the right is left out."""
        picture = []
        for row in range(self.rows):
            line = Text()
            for column in range(self.columns):
                line.append(*self._character(column, row))
            line.rstrip()
            picture.append(line)
        return picture

    def _character(self, column: int, row: int) -> tuple[str, str]:
        cell = (column, row)
        if cell in self._letters:
            return self._letters[cell]
        if cell in self._lines:
            bits, letter, style = self._lines[cell]
            return (chr(BRAILLE + bits) if self._dots else letter), style
        if cell in self._land:
            return (chr(BRAILLE + self._land[cell]) if self._dots else "."), LAND
        return EMPTY

    def _bit(self, x: int, y: int) -> int:
        return DOTS[y % 4][x % 2] if self._dots else 1
