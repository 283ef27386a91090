"""The demo's verdict."""

from __future__ import annotations

import msgspec
import pytest

from node.demo.report import KINDS, DemoReport, ParticipantReport, ReceivedReport, make_report

PAIRS = [("Anna", "Bram"), ("Bram", "Anna")]


def received(source: str, kind: str, packets_per_s: float = 50.0) -> ReceivedReport:
    """One track that arrives at this rate."""
    return ReceivedReport(
        source=source,
        kind="audio" if kind == "audio" else "video",
        node="amsterdam",
        relayed=False,
        packets=1000,
        packets_per_s=packets_per_s,
        lost=0,
        duplicates=0,
        delay_ms_p50=0.5,
        delay_ms_p99=1.0,
    )


def person(name: str, *items: ReceivedReport) -> ParticipantReport:
    """Somebody in the atrium."""
    return ParticipantReport(id=name, room="atrium", node="amsterdam", received=items)


def report(*people: ParticipantReport) -> DemoReport:
    """A report about these people."""
    return make_report(seconds=10, nodes=(), links=(), participants=people)


def test_everybody_has_everything() -> None:
    """Both kinds, both ways."""
    people = [person(a, *(received(b, kind) for kind in KINDS)) for a, b in PAIRS]
    assert report(*people).ok


@pytest.mark.parametrize("missing", KINDS)
@pytest.mark.parametrize("silent", [True, False])
def test_one_missing_track_is_named(missing: str, silent: bool) -> None:
    """Absent, or no longer arriving: the verdict is no, and says who misses what."""
    kept = [received("Bram", kind, 0.0 if kind == missing else 9.0) for kind in KINDS if not silent or kind != missing]
    anna, bram = person("Anna", *kept), person("Bram", *(received("Anna", kind) for kind in KINDS))
    verdict = report(anna, bram)
    assert not verdict.ok
    assert verdict.missing == (f"Anna in atrium receives no {missing} from Bram",)


def test_an_empty_demo_is_not_ok() -> None:
    """Nobody there is not everybody served."""
    assert not report().ok


def test_the_json_says_from() -> None:
    """The documented field name, which Python cannot use as an identifier."""
    document = msgspec.json.decode(msgspec.json.encode(report(person("Anna", received("Bram", "audio")))))
    assert document["participants"][0]["received"][0]["from"] == "Bram"
