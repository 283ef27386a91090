"""What the grants of a session let pass of an offer, and of what is said.

Words and data are one grant, `publish_data`: data messages carry text as well, so one alone would stop nobody from
writing. A data channel needs a section of its own in the offer of whoever sends on it, and the engine takes data
messages from publishers alone. So an offer is where both publishing and sending data can be refused whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from signalling.errors import ErrorCode, Refused

if TYPE_CHECKING:
    from session import Grants
    from signalling.client.messages import Publish


def check_publish(grants: Grants, publish: Publish) -> None:
    """Refuse an offer of more than a session may send.

    Raises:
        Refused: `not_permitted`.
    """
    if grants.publish and grants.publish_data:
        return
    sections = _sections(publish.sdp)
    if not grants.publish and (publish.tracks or sections - {"application"} or not sections):
        raise Refused(ErrorCode.NOT_PERMITTED, "Your token does not allow to publish; watch and listen, or ask for it.")
    if not grants.publish_data and "application" in sections:
        raise Refused(
            ErrorCode.NOT_PERMITTED, "Your token does not allow to send data; offer without a data channel, or ask."
        )


def check_chat(grants: Grants) -> None:
    """Refuse what somebody says who may only read.

    Raises:
        Refused: `not_permitted`.
    """
    if not grants.publish_data:
        raise Refused(
            ErrorCode.NOT_PERMITTED,
            "Your token does not allow to send chat messages; read along, or ask its issuer for `publish_data`.",
        )


def _sections(sdp: str) -> set[str]:
    """The kinds of the offer's sections; a line is taken for one in any spelling that a lenient reader might take."""
    lines = (line.strip().casefold() for line in sdp.splitlines())
    return {line[2:].split()[0] for line in lines if line.startswith("m=") and line[2:].split()}
