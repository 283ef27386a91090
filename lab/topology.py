"""Who is where, and what lies between them: a topology, from TOML.

Presets are the same, in files that come along::

    name = "two"
    about = "One line for people."

    [within]                    # paths between hosts of one region; 0.6 ms if not said
    rtt_ms = 0.6

    [everywhere]                # what paths between regions have that do not say otherwise
    jitter_ms = 0.3

    [regions.frankfurt]
    latitude = 50.11
    longitude = 8.68

    [[hosts]]
    name = "fra1"
    region = "frankfurt"

    [[paths]]                   # one for every two regions; two hosts may have one of their own
    between = ["frankfurt", "singapore"]
    rtt_ms = 160.0
    source = "who measured that, and when"

How people are arranged in it for experiments, if any are: :mod:`lab.scenarios`.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from lab.conditions import PERFECT, Change, Conditions
from lab.errors import LabError
from lab.scenarios import Scenario, Step, complaint

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Host", "PathEntry", "Region", "Topology", "load_preset", "load_topology", "parse_topology", "presets"]

PRESETS: Final = Path(__file__).with_name("presets")

MAX_HOSTS: Final = 64
"""Each ordered pair of hosts has a path of its own in the emulator, each host a namespace."""

MAX_FILE_BYTES: Final = 1 << 20

NETWORK: Final = (10, 77)
"""Where hosts without an address of their own get one: 10.77.<region>.<host>, both counted from 1."""

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$")]
"""Like a node's id, because hosts are named after the nodes on them."""


class Region(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place, in degrees, north and east positive."""

    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)]


class Host(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A machine: its name, its region, and the IPv4 address under which the others reach it."""

    name: Name
    region: Name
    address: str = ""


class PathEntry(Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What lies between two regions, or between two hosts, and who says so."""

    between: tuple[Name, Name]
    source: str = ""


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Name
    about: str = ""
    seed: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)] = 1
    mtu: Annotated[int, msgspec.Meta(ge=576, le=9000)] = 1500
    within: Conditions = Conditions(rtt_ms=0.6)
    everywhere: Change = Change()
    regions: dict[Name, Region]
    hosts: Annotated[list[Host], msgspec.Meta(min_length=1, max_length=MAX_HOSTS)]
    paths: list[PathEntry] = []
    scenarios: dict[Name, Scenario] = {}


_TABLES: Final = {
    "within": Conditions,
    "everywhere": Change,
    "regions": Region,
    "hosts": Host,
    "paths": PathEntry,
    "scenarios": Scenario,
}


class Topology(msgspec.Struct, frozen=True, kw_only=True):
    """A checked topology.

    Attributes:
        name: What it is called.
        about: One line for people.
        seed: For the dice of losses and jitter.
        mtu: Largest packet of every path, in bytes.
        regions: Places by name.
        hosts: All of them, each with its address.
        conditions: By name of the sender and of the receiver, for every two hosts and for each with itself.
        sources: Who says how far two regions or hosts are, by their names.
        scenarios: Arrangements of its people, by name; none where nobody has thought of experiments.
    """

    name: str
    about: str
    seed: int
    mtu: int
    regions: dict[str, Region]
    hosts: tuple[Host, ...]
    conditions: dict[tuple[str, str], Conditions]
    sources: dict[tuple[str, str], str]
    scenarios: dict[str, Scenario] = {}

    def host(self, name: str) -> Host:
        """Find a host by its name.

        Raises:
            LabError: ``topology_invalid``, there is none.
        """
        for host in self.hosts:
            if host.name == name:
                return host
        raise _invalid(f"there is no host {name!r}; there are {', '.join(host.name for host in self.hosts)}")

    def named(self, name: str) -> tuple[str, ...]:
        """Names of the hosts that are meant by the name of a host, of a region, or by ``*``.

        Raises:
            LabError: ``topology_invalid``, nothing is called that.
        """
        found = tuple(host.name for host in self.hosts if name in ("*", host.name, host.region))
        if not found:
            known = ", ".join(itertools.chain((host.name for host in self.hosts), self.regions))
            raise _invalid(f"no host or region is called {name!r}; there are {known}, and * for all")
        return found

    def pairs(self, a: str, b: str, *, both: bool = True) -> frozenset[tuple[str, str]]:
        """Ordered pairs of different hosts from what ``a`` names to what ``b`` names, and back if ``both``.

        Raises:
            LabError: ``topology_invalid``, nothing is called that.
        """
        there = {(one, other) for one in self.named(a) for other in self.named(b) if one != other}
        return frozenset(there | {(other, one) for one, other in there} if both else there)


def presets() -> tuple[str, ...]:
    """Names of the topologies that come with Starling."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.toml")))


def load_preset(name: str) -> Topology:
    """Read one of the topologies that come with Starling.

    Raises:
        LabError: ``topology_invalid``, there is none of that name.
    """
    if name not in presets():
        raise _invalid(f"there is no preset {name!r}; there are {', '.join(presets())}")
    return load_topology(PRESETS / f"{name}.toml")


def load_topology(path: Path) -> Topology:
    """Read a topology from a file.

    Raises:
        LabError: ``topology_invalid``; the message names the key and what is allowed.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise _invalid(f"{path} has more than {MAX_FILE_BYTES} bytes")
    try:
        return parse_topology(data)
    except LabError as error:
        raise _invalid(f"{path}: {error.message.removesuffix('.')}; the files in lab/presets/ are examples") from error


def parse_topology(data: bytes) -> Topology:
    """Read a topology from the text of a file.

    Raises:
        LabError: ``topology_invalid``; the message names the key and what is allowed.
    """
    try:
        file = msgspec.convert(tomllib.loads(data.decode()), _File)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _invalid(f"this is no TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise _invalid(_in_words(str(error))) from error
    names = [host.name for host in file.hosts] + list(file.regions)
    for name in names:
        if names.count(name) > 1:
            raise _invalid(f"{name!r} is the name of two things; hosts and regions need names of their own")
    for name, scenario in file.scenarios.items():
        wrong = complaint(name, scenario, (host.name for host in file.hosts), file.regions)
        if wrong is not None:
            raise _invalid(wrong)
    hosts = tuple(_with_addresses(file))
    return Topology(
        name=file.name,
        about=file.about,
        seed=file.seed,
        mtu=file.mtu,
        regions=file.regions,
        hosts=hosts,
        conditions=dict(_conditions(file, hosts)),
        sources={entry.between: entry.source for entry in file.paths},
        scenarios=file.scenarios,
    )


def _with_addresses(file: _File) -> Iterator[Host]:
    numbers = {region: number for number, region in enumerate(file.regions, 1)}
    taken: set[ipaddress.IPv4Address] = set()
    for number, host in enumerate(file.hosts, 1):
        if host.region not in numbers:
            raise _invalid(f"hosts: {host.name!r} is in {host.region!r}; regions are {', '.join(numbers)}")
        text = host.address or f"{NETWORK[0]}.{NETWORK[1]}.{numbers[host.region]}.{number}"
        try:
            address = ipaddress.IPv4Address(text)
        except ValueError:
            raise _invalid(f"hosts: the address {text!r} of {host.name!r} must be an IPv4 address") from None
        if address in taken or address.is_loopback or address.is_multicast or address.is_unspecified:
            raise _invalid(f"hosts: the address {text} of {host.name!r} must be its own, and one that can be sent to")
        taken.add(address)
        yield msgspec.structs.replace(host, address=str(address))


def _conditions(file: _File, hosts: tuple[Host, ...]) -> Iterator[tuple[tuple[str, str], Conditions]]:
    known = {host.name for host in hosts} | set(file.regions)
    entries: dict[frozenset[str], PathEntry] = {}
    for entry in file.paths:
        for name in entry.between:
            if name not in known:
                raise _invalid(f"paths: between names {name!r}; it must name two of {', '.join(sorted(known))}")
        if entries.setdefault(frozenset(entry.between), entry) is not entry:
            raise _invalid(f"paths: there are two between {' and '.join(entry.between)}")
    for one, other in itertools.product(hosts, hosts):
        if one.name == other.name:
            yield (one.name, other.name), PERFECT
            continue
        between = frozenset((one.region, other.region))
        found = file.within if one.region == other.region else None
        for names in (between, frozenset((one.name, other.name))):
            special = entries.get(names)
            if special is None:
                continue
            if found is None and special.rtt_ms is not None:
                found = Conditions(rtt_ms=special.rtt_ms).changed(file.everywhere)
            if found is not None:
                found = found.changed(_change(special))
        if found is None:
            regions = " and ".join(sorted(between))
            raise _invalid(f"paths: there is none between {regions} that says its rtt_ms; every two regions need one")
        yield (one.name, other.name), found


def _change(entry: PathEntry) -> Change:
    return Change(**{name: getattr(entry, name) for name in Change.__struct_fields__})


def _in_words(error: str) -> str:
    """Add the allowed keys to what msgspec says of an unknown or a missing one."""
    what, _, where = error.partition(" - at ")
    place = where.strip("`").removeprefix("$").lstrip(".")
    sentence = f"{place}: {what}" if place else what
    if "field" not in what:
        return sentence
    table = re.match(r"\w*", place)
    record = Step if ".steps[" in place else _TABLES.get(table.group() if table else "", _File)
    return f"{sentence}; allowed are {', '.join(record.__struct_fields__)}"


def _invalid(message: str) -> LabError:
    return LabError("topology_invalid", message)
