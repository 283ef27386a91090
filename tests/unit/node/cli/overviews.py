"""A node at one moment, as its admin listener tells it."""

from __future__ import annotations

from node.admin import LinkReport, Links, LoadReport, MemberReport, Members, Overview, RoomReport, Rtts, StatusReport


def a_load(**changed: int) -> LoadReport:
    """A load with some figures of its own."""
    figures = {"at_ms": 1000, "rooms": 2, "participants": 5, "peers": 7, "workers": 2, **changed}
    return LoadReport(load_1m=0.5, cores=4, **figures)


def a_link(node: str = "bob", **bytes_carried: int) -> LinkReport:
    """A link that is up."""
    carried = {"bytes_in": 0, "bytes_out": 0, **bytes_carried}
    return LinkReport(
        node=node, state="up", rtt_ms=81.6, jitter_ms=0.4, loss=0.015, setup_ms=200.0, age_s=9.0, reason="", **carried
    )


def an_overview(
    *,
    rtts: Rtts,
    load: LoadReport | None = None,
    links: tuple[LinkReport, ...] = (),
    rooms: tuple[RoomReport, ...] = (),
) -> Overview:
    """Three members, one of them without a place."""
    status = StatusReport(
        node="ada", cluster="c", region="eu", url="http://ada", pid=1, mesh=True, ready=True, problems=()
    )
    members = (
        MemberReport(node="ada", state="alive", region="eu", latitude=52.0, longitude=5.0, me=True),
        MemberReport(node="bob", state="alive", region="us", latitude=39.0, longitude=-77.0, rtt_ms=81.6),
        MemberReport(node="cyd", state="failed", region="ap", reason="gone"),
    )
    return Overview(
        status=status,
        members=Members(members=members),
        links=Links(links=links),
        rtts=rtts,
        rooms=rooms,
        load=load or a_load(),
    )
