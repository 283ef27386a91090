"""``starling explain``: how a track gets from who publishes it to the local node and its people; why a room gathers."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.asking import ask_local, print_json, print_table
from node.cli.settings import AsJson, ConfigFile, DataDir

if TYPE_CHECKING:
    from node.explain import TrackExplained, TrackStep
    from node.http.candidates import PlanShown


def explain(
    track: Annotated[str, typer.Argument(help="A track's id, as `starling explain` without one lists them.")] = "",
    room: Annotated[str, typer.Option(help="Say of this room whether its people gather on one node, and why.")] = "",
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say which way a track takes, step by step: round trip, jitter, loss and bit rate on each, layers at the end.

    The local node asks the node that the track comes from, and that one the node before it, under one trace id that
    stands in the log of each. Without a track: the tracks that the local node knows. With --room: whether that room
    relays or gathers, why, and what each way to place its people costs. Exit code 1: the node knows no such track, or
    nobody in that room; 2: both were given; 3: no node runs here. Example: starling explain 7d2c91-camera
    """
    if track and room:
        raise typer.BadParameter("give a track or --room, not both")
    from node.admin import Explained, TrackOrder
    from node.errors import NodeStartError

    answer = ask_local(config, data_dir, "explain", Explained, TrackOrder(track=track, room=room))
    if answer.code:
        raise NodeStartError(answer.code, answer.message, next_step="starling explain")
    if as_json:
        print_json(answer.explained or answer.plan or answer.tracks)
    elif answer.plan is not None:
        _show_plan(answer.plan)
    elif answer.explained is None:
        print_table(
            ("track", "kind", "room", "publisher", "node"),
            [(one.track, one.kind, one.room, one.publisher, one.node) for one in answer.tracks],
        )
    else:
        _show(answer.explained)


def _show(explained: "TrackExplained") -> None:
    sys.stdout.write(f"{explained.verdict}\n\n")
    print_table(
        ("from", "to", "over", "rtt ms", "jitter ms", "loss", "kbit/s", "gets"),
        [_row(step) for step in (*explained.steps, *explained.receivers)],
    )
    if explained.ways:
        sys.stdout.write("\n")
        print_table(
            ("way", "cost ms", "taken because"),
            [(" -> ".join(way.path), f"{way.cost_ms:.1f}", way.reason) for way in explained.ways],
        )
    sys.stdout.write(f"\ntrace {explained.trace}\n")


def _show_plan(plan: "PlanShown") -> None:
    from relay.planner.facts import UNKNOWN_LEG_MS

    held = "each is on their near node" if plan.node is None else f"all are led to {plan.node}"
    since = "" if plan.for_s is None else f" for {plan.for_s:.0f} s"
    code = f" ({plan.code})" if plan.code else ""
    sys.stdout.write(f"{held}{since}: {plan.reason}{code}, decided by {plan.decided_by}, policy {plan.policy}\n")
    advised = "relay" if plan.advised is None else f"gather on {plan.advised}"
    sys.stdout.write(f"advice just now: {advised} ({plan.advice}); ")
    sys.stdout.write(f"{plan.measured} of {plan.people} people measured")
    assumed = f", {UNKNOWN_LEG_MS:.0f} ms assumed for the rest" if plan.measured < plan.people else ""
    sys.stdout.write(f"{assumed}\n\n")
    ways = [("each at home" if one.node is None else f"on {one.node}", one) for one in plan.weighed]
    refused = [(f"on {node}", "", "", code) for node, code in sorted(plan.refused.items())]
    print_table(
        ("people", "mean ms", "longest ms", "refused"),
        [(where, f"{one.mean_ms:.1f}", f"{one.longest_ms:.1f}", "") for where, one in ways] + refused,
    )


def _row(step: "TrackStep") -> tuple[str, ...]:
    return (
        step.sender,
        step.receiver,
        step.kind,
        _number(step.rtt_ms),
        _number(step.jitter_ms),
        "" if step.loss is None else f"{step.loss:.1%}",
        "" if step.bitrate_bps is None else f"{step.bitrate_bps / 1000:.0f}",
        layers_of(step),
    )


def layers_of(step: "TrackStep") -> str:
    """What somebody gets of a picture, in words."""
    known = (("stream", step.encoding), ("spatial", step.spatial), ("temporal", step.temporal))
    layers = [f"{name} {value}" for name, value in known if value is not None]
    height = [] if step.height is None else [f"{step.height} lines"]
    return ", ".join(([step.state] if step.state else []) + layers + height)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
