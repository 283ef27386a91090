"""HTML and SVG as a tree of elements: what comes from outside is text or an attribute in it, never markup."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Final, TypeAlias
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Child", "Node", "path_data", "render", "tag", "unbroken"]

Node: TypeAlias = ElementTree.Element
Child: TypeAlias = "Node | str | None"

CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
"""Neither HTML nor UTF-8 has a place for these."""


RANGE: Final = re.compile(r"(?<=\d)\u2013(?=\d)")
HYPHEN: Final = re.compile(r"(?<=\w)-(?=\w)")
UNIT: Final = re.compile(r"(?<=\d) (?=%|ms\b|Mbit|\()")


def tag(name: str, attributes: Mapping[str, str | float] | None = None, *children: Child) -> Node:
    """Make an element.

    Args:
        name: As HTML or SVG spells it.
        attributes: Numbers are written with two decimals at most.
        children: Elements and texts, in order; None is left out.
    """
    node = ElementTree.Element(name, {key: _text(value) for key, value in (attributes or {}).items()})
    last: Node | None = None
    for child in children:
        if child is None:
            continue
        if not isinstance(child, str):
            node.append(child)
            last = child
        elif last is None:
            node.text = (node.text or "") + _text(child)
        else:
            last.tail = (last.tail or "") + _text(child)
    return node


def render(root: Node) -> str:
    """The document as text, with its type in front."""
    return "<!doctype html>\n" + ElementTree.tostring(root, encoding="unicode", method="html") + "\n"


def path_data(points: list[tuple[float, float]]) -> str:
    """A line through points, as the ``d`` of a path: from the first, then relative, to a tenth of a unit."""
    if not points:
        return ""
    tenths = [(round(x * 10), round(y * 10)) for x, y in points]
    steps = (f"{(x2 - x1) / 10:g} {(y2 - y1) / 10:g}" for (x1, y1), (x2, y2) in itertools.pairwise(tenths))
    return f"M{tenths[0][0] / 10:g} {tenths[0][1] / 10:g}" + "".join(f"l{step}" for step in steps)


def unbroken(text: str) -> str:
    """Prose in which no line ends between a number and its unit, within a range, or within a name."""
    return HYPHEN.sub("-\u2060", RANGE.sub("\u2060\u2013\u2060", UNIT.sub("\u00a0", text)))


def _text(value: str | float) -> str:
    if isinstance(value, str):
        return CONTROLS.sub("\ufffd", value)
    return f"{value:.2f}".rstrip("0").rstrip(".")
