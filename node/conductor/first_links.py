"""Whether a node that just started has its first links: until then a person who comes would be alone for a moment.

A link takes a second to come up. Whoever is moved to a node without one is gone for those in the room who sit behind
other nodes, and comes back when the link does. So a node is ready once its links to the peers that are linked without
a reason (`mesh.warm_links`) have come up, or some seconds have passed: a peer that cannot be linked is a matter for its
operator, and no reason to stay closed. After that, links that fall and rise change nothing here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from membership import NodeState
from node.http.backend import ReadinessProblem
from relay import LinkState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from membership import ClusterView
    from relay import LinkStatus
    from signalling.ids import NodeId

__all__ = ["FirstLinks"]

WAIT_S: Final = 5.0
"""Two tries of an offer, at 0 and some 2 s, and the second each takes; more would keep a rolling restart waiting."""


class FirstLinks:
    """Says what is missing; made when the links begin.

    Args:
        view: The cluster as this node sees it now.
        links: This node's links now.
        warm_links: How many peers are linked as soon as they appear, the first ones by id.
    """

    def __init__(
        self, *, view: Callable[[], ClusterView], links: Callable[[], Iterable[LinkStatus]], warm_links: int
    ) -> None:
        self._view = view
        self._links = links
        self._warm_links = warm_links
        self._until = trio.current_time() + WAIT_S
        self._are_there = False

    def problems(self) -> tuple[ReadinessProblem, ...]:
        """What of this speaks against new clients now; once nothing does, nothing ever will."""
        missing = () if self._are_there or trio.current_time() >= self._until else self._missing()
        if not missing:
            self._are_there = True
            return ()
        sentence = f"The links to {', '.join(missing)} are coming up; this takes about a second."
        return (ReadinessProblem(part="mesh", code="links_starting", message=sentence),)

    def _missing(self) -> tuple[NodeId, ...]:
        view = self._view()
        others = [one for one in view.alive() if one.node_id != view.own_id]
        # One that drains takes no new link; it stands in its place of the list all the same, as in relay/owner.py.
        wanted = [one.node_id for one in others[: self._warm_links] if one.tags.state is NodeState.SERVING]
        up = {link.node for link in self._links() if link.state is LinkState.UP}
        return tuple(node for node in wanted if node not in up)
