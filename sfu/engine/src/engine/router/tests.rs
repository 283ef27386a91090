//! Who is believed about a track, and when.

use super::*;
use crate::engine::media::codec::Codec;
use crate::engine::media::packet::Layering;
use crate::engine::track::{COUNTS_AFTER, SILENT_AFTER};

const LINE: Sink = Sink {
    peer: 2,
    slot: 0,
    leg: false,
};
const OUT: Sink = Sink {
    peer: 3,
    slot: 9,
    leg: true,
};

fn leg(peer: PeerKey) -> Source {
    Source::Leg { peer, leg: 1 }
}

fn publisher(peer: PeerKey) -> Source {
    Source::Publisher {
        peer,
        mid: "0".into(),
    }
}

fn video(encoding: u8, keyframe: bool) -> MediaPacket {
    MediaPacket {
        codec: Codec::Vp8,
        profile: 0,
        run: 1,
        sequence: 1,
        time: 0,
        marker: true,
        wallclock: Instant::now(),
        audio_level: None,
        orientation: None,
        playout_delay: None,
        dependency: None,
        layering: Layering {
            encoding,
            keyframe,
            begins_frame: true,
            ..Layering::default()
        },
        payload: [0].into(),
        redundant: None,
    }
}

#[test]
fn a_leg_takes_the_place_of_another_where_a_decoder_can_follow() {
    let now = Instant::now();
    let mut router = Router::default();
    let key = router.start("t", MediaKind::Video, leg(3));
    router.start("t", MediaKind::Video, leg(4));
    router.start("t", MediaKind::Video, leg(4));
    let track = router.get_mut(key).unwrap();
    let early = track.admit(leg(4), &video(0, false), now);
    assert_eq!(early, Admission::Early { ask: true });
    let early = track.admit(leg(4), &video(1, false), now);
    assert_eq!(early, Admission::Early { ask: false }, "asked just now");
    assert_eq!(track.admit(leg(3), &video(0, false), now), Admission::Take);
    assert_eq!(track.admit(leg(4), &video(0, true), now), Admission::Take);
    assert_eq!(track.admit(leg(4), &video(0, false), now), Admission::Take);
    let late = track.admit(leg(3), &video(0, true), now);
    assert_eq!(late, Admission::Superseded);
    assert_eq!(track.admit(leg(3), &video(1, false), now), Admission::Take);
    assert_eq!(track.source_of(0), Some(leg(4)));
    assert_eq!(track.source_of(1), Some(leg(3)));
    router.end(key, leg(3));
    let track = router.get_mut(key).unwrap();
    assert_eq!(track.source, Some(leg(4)));
    assert_eq!(track.admit(leg(4), &video(1, false), now), Admission::Take);
}

#[test]
fn a_leg_that_never_got_its_turn_leaves_the_other_in_its_place() {
    let now = Instant::now();
    let mut router = Router::default();
    let key = router.start("t", MediaKind::Video, leg(3));
    router.start("t", MediaKind::Video, leg(4));
    router.forget_peer(4);
    let track = router.get_mut(key).unwrap();
    assert_eq!(track.admit(leg(3), &video(0, false), now), Admission::Take);
    router.start("t", MediaKind::Video, leg(4));
    router.forget_peer(3);
    let track = router.get_mut(key).unwrap();
    assert_eq!(track.admit(leg(4), &video(0, false), now), Admission::Take);
}

#[test]
fn what_follows_a_publisher_waits_for_its_keyframe_and_then_has_it_all() {
    let now = Instant::now();
    for next in [publisher(4), leg(4)] {
        let mut router = Router::default();
        let key = router.start("t", MediaKind::Video, publisher(3));
        let mut said =
            |source, encoding, keyframe| router.admit(key, source, &video(encoding, keyframe), now);
        assert_eq!(said(publisher(3), 0, true), Admission::Take);
        router.start("t", MediaKind::Video, next);
        let mut said =
            |source, encoding, keyframe| router.admit(key, source, &video(encoding, keyframe), now);
        assert_eq!(said(next, 0, false), Admission::Early { ask: true });
        assert_eq!(said(publisher(3), 0, false), Admission::Take);
        assert_eq!(said(next, 1, true), Admission::Take);
        assert_eq!(said(publisher(3), 0, true), Admission::Superseded);
        assert_eq!(said(next, 0, false), Admission::Take);
        assert_eq!(router.get(key).unwrap().source, Some(next));
        router.end(key, publisher(3));
        assert_eq!(router.get(key).unwrap().source, Some(next));
    }
}

#[test]
fn a_leg_that_ends_before_it_began_leaves_the_publisher_in_its_place() {
    let now = Instant::now();
    let mut router = Router::default();
    let key = router.start("t", MediaKind::Video, publisher(3));
    router.attach("t", OUT);
    router.start("t", MediaKind::Video, leg(OUT.peer));
    let ways = router.get(key).unwrap().ways().count();
    assert_eq!(ways, 1, "who may send it to us one day still gets it");
    router.end(key, leg(OUT.peer));
    assert_eq!(router.get(key).unwrap().source, Some(publisher(3)));
    let admission = router.admit(key, publisher(3), &video(0, false), now);
    assert_eq!(admission, Admission::Take);
    router.start("t", MediaKind::Video, leg(4));
    assert_eq!(router.forget_peer(4), [(key, publisher(3))]);
    assert_eq!(router.forget_peer(3), []);
}

#[test]
fn a_source_that_fell_silent_holds_nobody_up() {
    let now = Instant::now();
    let mut router = Router::default();
    let key = router.start("t", MediaKind::Video, publisher(3));
    router.admit(key, publisher(3), &video(0, true), now);
    router.start("t", MediaKind::Video, leg(4));
    let later = now + SILENT_AFTER;
    let admission = router.admit(key, leg(4), &video(0, false), later);
    assert_eq!(admission, Admission::Take);
}

#[test]
fn a_source_counts_for_other_workers_once_it_was_begun_with() {
    let now = Instant::now();
    let mut router = Router {
        serial: 7,
        ..Router::default()
    };
    let key = router.start("t", MediaKind::Video, leg(3));
    assert_eq!(router.get(key).unwrap().claim(), Some(0));
    router.get_mut(key).unwrap().superseded = true;
    router.take_touched();
    let early = router.admit(key, leg(3), &video(0, false), now);
    assert_eq!(early, Admission::Early { ask: true });
    assert!(router.take_touched().is_empty());
    let begins = router.admit(key, leg(3), &video(0, true), now);
    assert_eq!(begins, Admission::Begins);
    assert_eq!(router.get(key).unwrap().claim(), Some(9));
    assert!(router.take_touched().contains("t"));
    let older = router.admit(key, leg(3), &video(0, true), now);
    assert_eq!(older, Admission::Superseded, "the other one is newer still");
    router.end(key, leg(3));
    assert_eq!(router.get(key).unwrap().claim(), None);
}

#[test]
fn a_source_whose_keyframes_cannot_be_told_counts_after_a_while() {
    let now = Instant::now();
    let mut router = Router {
        serial: 7,
        ..Router::default()
    };
    let key = router.start("t", MediaKind::Video, leg(3));
    router.admit(key, leg(3), &video(0, false), now);
    assert_eq!(router.get(key).unwrap().claim(), Some(1));
    router.admit(key, leg(3), &video(0, false), now + COUNTS_AFTER);
    assert_eq!(router.get(key).unwrap().claim(), Some(9));
}

#[test]
fn sinks_may_come_first_and_outlive_their_source() {
    let now = Instant::now();
    let mut router = Router::default();
    let key = router.attach("t", LINE);
    assert_eq!(router.start("t", MediaKind::Video, publisher(3)), key);
    router.start("t", MediaKind::Video, leg(4));
    router.end(key, publisher(3));
    assert_eq!(router.get(key).unwrap().source, Some(leg(4)));
    let track = router.get_mut(key).unwrap();
    let packet = video(0, true);
    assert_eq!(track.admit(leg(4), &packet, now), Admission::Take);
    let former = track.admit(publisher(3), &packet, now);
    assert_eq!(former, Admission::Superseded);
    track.superseded = true;
    assert_eq!(track.admit(leg(4), &packet, now), Admission::Superseded);
    router.forget_peer(4);
    assert_eq!(router.get(key).unwrap().sinks, [LINE]);
    router.detach(key, LINE);
    let touched = router.take_touched();
    router.sweep(&touched);
    assert!(router.get(key).is_none());
    assert_eq!(router.iter().count(), 0);
}

#[test]
fn tracks_are_bounded_also_those_that_nobody_sends() {
    let mut router = Router::default();
    for track in 1..MAX_TRACKS {
        router.attach(&track.to_string(), LINE);
    }
    assert!(router.admits(["new", "1", "new"]).is_ok());
    let refused = router.admits(["new", "newer"]).unwrap_err();
    assert_eq!(refused.code, "too_many_tracks_known");
    let key = router.attach("new", LINE);
    assert!(router.admits(["newer"]).is_err());
    assert!(router.admits(["new", "1"]).is_ok());
    router.detach(key, LINE);
    let touched = router.take_touched();
    router.sweep(&touched);
    assert!(router.admits(["newer"]).is_ok());
}

#[test]
fn a_track_keeps_its_key_for_the_turn_whoever_comes_and_goes() {
    let mut router = Router::default();
    let key = router.attach("t", LINE);
    router.detach(key, LINE);
    let other = router.attach("u", OUT);
    assert_ne!(other, key);
    assert_eq!(router.attach("t", LINE), key);
    let touched = router.take_touched();
    router.sweep(&touched);
    assert_eq!((router.key("t"), router.key("u")), (Some(key), Some(other)));
    assert!(router.take_touched().is_empty());
}

#[test]
fn a_leg_is_never_sent_back_over_its_link() {
    let mut router = Router::default();
    let key = router.start("t", MediaKind::Audio, leg(3));
    router.attach("t", LINE);
    router.attach("t", OUT);
    let ways: Vec<_> = router.get(key).unwrap().ways().copied().collect();
    assert_eq!(ways, [LINE]);
}
