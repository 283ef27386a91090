"""An example or two of each verb, as its `--help` ends."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "up": ("starling up", "starling up --config node.toml --set http.port=8443"),
        "demo": ("starling demo", "starling demo --once --json"),
        "status": ("starling status --config node.toml", "starling status --json"),
        "members": (
            "starling members",
            "starling members --json | jq -r '.members[].node'",
        ),
        "events": ("starling events", "starling events --history --json"),
        "node": ("starling node drain --deadline 10m", "starling node status --json"),
        "links": ("starling links --config node.toml", "starling links --renew singapore --config node.toml"),
        "rtt": ("starling rtt ada bob", "starling rtt --map --matrix"),
        "top": ("starling top", "starling top --once --json"),
        "monitor": ("starling monitor --level debug --source agent", "starling monitor --level warning --json"),
        "doctor": ("starling doctor --config node.toml",),
        "join": ("starling join 192.0.2.1:7946",),
        "leave": ("starling leave --timeout 60",),
        "force-leave": ("starling force-leave ada",),
        "audit": ("starling audit --json",),
        "lab": (
            "starling lab run relay single-far single-near --repeat 5",
            "starling lab run visage --duration 1h --json build/lab/report.json",
        ),
        "account": ("starling account create ann --name Ann", "starling account logout ann"),
        "keygen": ("starling keygen keys",),
        "keys": ("starling keys check", "starling keys rotate new.key"),
        "token": ("starling token keygen service-key.json", "starling token create --key service-key.json --user ann"),
        "version": ("starling version --json",),
    }
)


def epilog_of(verb: str) -> str | None:
    """The end of a verb's help; None for a verb without examples."""
    examples = EXAMPLES.get(verb)
    if not examples:
        return None
    lines = "\n".join(f"  {example}" for example in examples)
    return f"\b\nExamples:\n{lines}"
