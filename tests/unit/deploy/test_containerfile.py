"""What can be said of the Containerfile without an engine that builds it."""

import re
import tomllib
from pathlib import Path

import pytest

from node.config import HttpConfig, MeshConfig

# Without ADD, which may fetch and unpack; COPY says what happens.
KNOWN = {"FROM", "RUN", "COPY", "ENV", "VOLUME", "USER", "WORKDIR", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK"} | {
    "ENTRYPOINT",
    "CMD",
}


@pytest.fixture(scope="module")
def instructions(root: Path) -> list[tuple[str, str]]:
    """Keyword and arguments of each, comments gone and continued lines joined."""
    text = (root / "deploy/Containerfile").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines()) if word]


@pytest.fixture(scope="module")
def stages(instructions: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    starts = [index for index, (word, _) in enumerate(instructions) if word == "FROM"]
    assert starts[0] == 0
    return [instructions[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True)]


def test_instructions_are_known(instructions: list[tuple[str, str]]) -> None:
    assert {word for word, _ in instructions} <= KNOWN


def test_base_images_are_tagged_and_name_no_host(stages: list[list[tuple[str, str]]]) -> None:
    for stage in stages:
        image = stage[0][1].split()[0]
        assert re.fullmatch(r"[a-z0-9]+:[a-z0-9.-]+", image)
        assert not image.endswith(":latest")


def test_both_stages_are_the_same_system(stages: list[list[tuple[str, str]]]) -> None:
    # The virtual environment and the engine made in the one must run in the other.
    assert len({stage[0][1].split()[0] for stage in stages}) == 1


def test_copies_come_from_stages_that_exist(instructions: list[tuple[str, str]]) -> None:
    named = {rest.split()[-1] for word, rest in instructions if word == "FROM" and " AS " in rest}
    taken = {found for word, rest in instructions if word == "COPY" for found in re.findall(r"--from=(\S+)", rest)}
    assert taken == named


def test_apt_leaves_no_lists_and_brings_nothing_unasked(instructions: list[tuple[str, str]]) -> None:
    runs = [rest for word, rest in instructions if word == "RUN" and "apt-get" in rest]
    assert runs
    for run in runs:
        assert run.startswith("apt-get update && apt-get install -y --no-install-recommends ")
        assert "rm -rf /var/lib/apt/lists/*" in run


def test_dependencies_are_checked_by_hash_and_only_once(instructions: list[tuple[str, str]]) -> None:
    from_network = [rest for word, rest in instructions if word == "RUN" and "pip download" in rest]
    assert len(from_network) == 1
    assert "--require-hashes -r requirements.lock" in from_network[0]
    for _, rest in instructions:
        for command in re.findall(r"pip install [^&]*", rest):
            assert "--no-index" in command


def test_the_node_is_nobody_special(stages: list[list[tuple[str, str]]]) -> None:
    words = [word for word, _ in stages[-1]]
    (user,) = [rest for word, rest in stages[-1] if word == "USER"]
    assert user not in {"root", "0"}
    assert "RUN" not in words[words.index("USER") :]


def test_signals_reach_the_node(stages: list[list[tuple[str, str]]]) -> None:
    last = dict(stages[-1])
    assert last["STOPSIGNAL"] == "SIGTERM"
    assert last["ENTRYPOINT"] == '["starling"]'
    assert last["CMD"].startswith("[")


def test_exposed_ports_are_the_defaults(stages: list[list[tuple[str, str]]]) -> None:
    web, gossip = HttpConfig().port, MeshConfig().port
    assert dict(stages[-1])["EXPOSE"].split() == [f"{web}/tcp", f"{gossip}/tcp", f"{gossip}/udp"]
    assert f":{web}/healthz" in dict(stages[-1])["HEALTHCHECK"]


def test_the_context_holds_every_package_and_no_more(root: Path) -> None:
    lines = (root / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    taken = {line[1:] for line in lines if line.startswith("!")}
    find = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    packages = {name.removesuffix("*") for name in find["include"]}
    assert taken == {*packages, "pyproject.toml", "requirements.lock", "README.md"}
