"""Who may publish under which track id."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.conductor.tracks import name_tracks
from signalling.client.messages import TrackInfo, TrackIntent
from signalling.errors import ErrorCode, Refused
from signalling.ids import ParticipantId, TrackId

if TYPE_CHECKING:
    from signalling.client.messages import TrackSource

ME = ParticipantId("pa_me")
OTHER = ParticipantId("pa_other")
MINE = TrackId("tr_mine")
THEIRS = TrackId("tr_theirs")
OWNERS = {MINE: ME, THEIRS: OTHER}


def intent(mid: str, track: TrackId | None = None) -> TrackIntent:
    """A camera on that m-line."""
    return TrackIntent(mid=mid, kind="video", source="camera", track=track)


def test_new_tracks_get_ids_of_their_own() -> None:
    """Nothing is named: two fresh ids."""
    named = name_tracks([intent("0"), intent("1")], owner=ME, owner_of=OWNERS.get)
    assert set(named) == {"0", "1"}
    assert named["0"].track != named["1"].track
    assert not {named["0"].track, named["1"].track} & set(OWNERS)


@pytest.mark.parametrize("track", [MINE, TrackId("tr_nobody_here_knows")])
def test_a_track_is_kept_by_its_owner(track: TrackId) -> None:
    """One's own track, or one that an engine took with it when it died."""
    assert name_tracks([intent("0", track)], owner=ME, owner_of=OWNERS.get)["0"].track == track


def test_nobody_takes_the_track_of_somebody_else() -> None:
    """Subscribers of that track would otherwise see the thief."""
    with pytest.raises(Refused) as refused:
        name_tracks([intent("0", THEIRS)], owner=ME, owner_of=OWNERS.get)
    assert refused.value.code is ErrorCode.TRACK_UNKNOWN


@pytest.mark.parametrize("intents", [[intent("0"), intent("0")], [intent("0", MINE), intent("1", MINE)]])
def test_a_mid_or_track_named_twice_is_refused(intents: list[TrackIntent]) -> None:
    """The engine could not tell them apart."""
    with pytest.raises(Refused) as refused:
        name_tracks(intents, owner=ME, owner_of=OWNERS.get)
    assert refused.value.code is ErrorCode.MALFORMED_MESSAGE


def camera(
    mid: str, track: TrackId | None, of: TrackId | None = None, *, source: TrackSource = "camera"
) -> TrackIntent:
    """A picture, perhaps of what another one shows."""
    return TrackIntent(mid=mid, kind="video", source=source, track=track, alternative_of=of)


def test_a_picture_may_go_once_more_beside_the_first() -> None:
    named = name_tracks([camera("1", None, MINE), camera("0", MINE)], owner=ME, owner_of=OWNERS.get)
    assert (named["1"].alternative_of, named["0"].alternative_of) == (MINE, None)


SOUND = TrackIntent(mid="0", kind="audio", source="microphone", track=MINE)


@pytest.mark.parametrize(
    ("intents", "sentence_has"),
    [
        ([camera("1", None, MINE)], "publish both"),
        ([camera("1", TrackId("tr_new"), TrackId("tr_new"))], "name the first one"),
        (
            [camera("0", MINE), camera("1", TrackId("tr_b"), MINE), camera("2", None, TrackId("tr_b"))],
            "name the first one",
        ),
        ([camera("0", MINE), camera("1", None, MINE), camera("2", None, MINE)], "leave one of them out"),
        ([camera("0", MINE), camera("1", None, MINE, source="screen")], "same source"),
        ([SOUND, camera("1", None, MINE)], "same source"),
        ([SOUND, TrackIntent(mid="1", kind="audio", source="microphone", alternative_of=MINE)], "a picture"),
        ([camera("0", MINE), camera("1", None, THEIRS)], "publish both"),
    ],
)
def test_an_alternative_is_one_picture_more_of_the_same_source(intents: list[TrackIntent], sentence_has: str) -> None:
    with pytest.raises(Refused) as refused:
        name_tracks(intents, owner=ME, owner_of=OWNERS.get)
    assert refused.value.code is ErrorCode.ALTERNATIVE_INVALID
    assert sentence_has in refused.value.message


CAMERA = TrackInfo(track=MINE, kind="video", source="camera")
SCREEN = TrackInfo(track=TrackId("tr_screen"), kind="video", source="screen")


def test_what_a_page_that_was_loaded_anew_publishes_goes_on_as_the_track_of_that_source() -> None:
    """Each track once; what does not fit is new; a second encoding is not taken for a first one."""
    second = TrackInfo(track=TrackId("tr_second"), kind="video", source="camera", alternative_of=MINE)
    named = name_tracks(
        [camera("0", None, source="screen"), intent("1"), intent("2")],
        owner=ME,
        owner_of=OWNERS.get,
        awaited=(second, CAMERA, SCREEN),
    )
    assert [named[mid].track for mid in "01"] == [SCREEN.track, MINE]
    assert named["2"].track not in {second.track, MINE}


def test_a_track_that_is_named_is_nobody_elses() -> None:
    """Also when the one without a name comes first."""
    named = name_tracks([intent("0"), intent("1", MINE)], owner=ME, owner_of=OWNERS.get, awaited=(CAMERA,))
    assert named["1"].track == MINE
    assert named["0"].track != MINE
