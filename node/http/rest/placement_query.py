"""What a request says about where its client is: the same words in the address, wherever they are asked for.

``lat`` and ``lon`` in degrees, both or none; ``room``; ``residency``; and ``rtt=<node>:<milliseconds>``, once for each
node that the client measured.  They stand in the address and not in a body, because a browser then asks another
node's page without a preflight, a round trip that the asking is meant to save.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from quart import request

from node.http.body import bearer_token
from node.http.candidates import CandidateQuery
from signalling.client.messages import MAX_MEASURED_NODES, MAX_RTT_MS
from signalling.errors import ErrorCode, Refused
from signalling.ids import NodeId, RoomId, is_node_id, is_room_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.http.api import Api

MAX_LATITUDE: Final = 90.0
MAX_LONGITUDE: Final = 180.0

WORDS: Final = ("lat", "lon", "room", "residency", "rtt")
"""Each once, and ``rtt`` once for each node."""

_RESIDENCY: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,30}[a-z0-9])?", re.ASCII)


def read_query(api: Api, *more: str) -> CandidateQuery:
    """Read it from the current request.

    Args:
        api: Knows where the request comes from.
        more: Words that this address takes beside these.

    Raises:
        Refused: ``malformed_message`` or ``room_invalid``; the sentence says what would do. ``token_invalid``: there is
            an ``Authorization`` header without a token.
    """
    check_words((*WORDS, *more), lists=("rtt",))
    latitude, longitude = _degrees("lat", MAX_LATITUDE), _degrees("lon", MAX_LONGITUDE)
    if (latitude is None) != (longitude is None):
        raise Refused(ErrorCode.MALFORMED_MESSAGE, "lat and lon come together.")
    return CandidateQuery(
        latitude=latitude,
        longitude=longitude,
        room=_room(),
        residency=_residency(),
        rtts_ms=_measured(),
        address=api.client_address(),
        spread_key=api.client_key().encode(),
        session_token=bearer_token() if "Authorization" in request.headers else None,
    )


def check_words(taken: Sequence[str], *, lists: Sequence[str] = ()) -> None:
    """Refuse what an address would drop: a word that it does not know, and one that is given twice.

    Args:
        taken: The words that it takes.
        lists: Those of them that may be given several times.

    Raises:
        Refused: ``malformed_message``; it names the words that are taken, and repeats none that came.
    """
    for word in request.args:
        if word not in taken:
            words = f"It takes {', '.join(taken)}." if taken else "It takes none."
            raise Refused(ErrorCode.MALFORMED_MESSAGE, f"The address has a word that it does not take. {words}")
        if word not in lists and len(request.args.getlist(word)) > 1:
            raise Refused(ErrorCode.MALFORMED_MESSAGE, f"{word} is given twice; say it once.")


def flag(name: str) -> bool:
    """Whether a switch in the address is on: ``1`` or ``0``; absent is off.

    Raises:
        Refused: ``malformed_message``.
    """
    text = request.args.get(name, "0")
    if text not in {"0", "1"}:
        raise Refused(ErrorCode.MALFORMED_MESSAGE, f"{name} is 1 or 0.")
    return text == "1"


def _degrees(name: str, bound: float) -> float | None:
    text = request.args.get(name)
    if text is None:
        return None
    value = _number(text)
    if not -bound <= value <= bound:
        raise Refused(ErrorCode.MALFORMED_MESSAGE, f"{name} is a number of degrees from {-bound:g} to {bound:g}.")
    return value


def _room() -> RoomId | None:
    text = request.args.get("room")
    if text is None:
        return None
    if not is_room_id(text):
        raise Refused(ErrorCode.ROOM_INVALID, "That is no name of a room.")
    return RoomId(text)


def _residency() -> str | None:
    text = request.args.get("residency")
    if text is not None and _RESIDENCY.fullmatch(text) is None:
        raise Refused(ErrorCode.MALFORMED_MESSAGE, "residency is a short word such as eu: a-z, 0-9, '-' and '.'.")
    return text


def _measured() -> dict[NodeId, float]:
    said = request.args.getlist("rtt")
    if len(said) > MAX_MEASURED_NODES:
        raise Refused(ErrorCode.MALFORMED_MESSAGE, f"rtt may be given for at most {MAX_MEASURED_NODES} nodes.")
    measured: dict[NodeId, float] = {}
    for text in said:
        node, _, figure = text.partition(":")
        rtt_ms = _number(figure)
        if not is_node_id(node) or not 0 <= rtt_ms <= MAX_RTT_MS:
            sentence = f"rtt is <node>:<milliseconds>, from 0 to {MAX_RTT_MS:g}, such as rtt=ams-1:23.5."
            raise Refused(ErrorCode.MALFORMED_MESSAGE, sentence)
        if node in measured:
            raise Refused(ErrorCode.MALFORMED_MESSAGE, f"rtt is given twice for {node}; give its best figure once.")
        measured[NodeId(node)] = rtt_ms
    return measured


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
