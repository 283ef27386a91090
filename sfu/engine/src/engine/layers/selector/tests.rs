use std::time::Instant;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use crate::engine::media::codec::Codec;
use crate::engine::media::packet::Layering;

pub fn packet(sequence: u64, time: u32, layering: Layering) -> MediaPacket {
    MediaPacket {
        codec: Codec::Vp8,
        profile: 0,
        run: u64::from(layering.encoding) + 1,
        sequence,
        time,
        marker: false,
        wallclock: Instant::now(),
        audio_level: None,
        orientation: None,
        playout_delay: None,
        dependency: None,
        layering,
        payload: vec![0; 4].into(),
        redundant: None,
    }
}

fn delta(encoding: u8, spatial: u8, temporal: u8) -> Layering {
    Layering {
        encoding,
        spatial,
        temporal,
        ..Layering::default()
    }
}

pub fn key(encoding: u8, spatial: u8) -> Layering {
    Layering {
        keyframe: true,
        ..delta(encoding, spatial, 0)
    }
}

fn to(encoding: u8, spatial: u8, temporal: u8) -> Aim {
    Aim::Layer {
        layer: Layer {
            encoding,
            spatial,
            temporal,
        },
        begin_with: 0xff,
        relieve: false,
    }
}

const SENT: Verdict = Verdict::Forward {
    marker: false,
    begins: false,
};
const BEGINS: Verdict = Verdict::Forward {
    marker: false,
    begins: true,
};

#[test]
fn a_stream_begins_with_a_keyframe_and_changes_at_one_of_the_other() {
    let mut selector = Selector::default();
    selector.aim(to(1, 0, 3), 0b11);
    assert_eq!(selector.waits_for(), Some(1));
    assert_eq!(
        selector.take(&packet(1, 0, delta(0, 0, 0))),
        Verdict::Ignore
    );
    assert_eq!(selector.take(&packet(2, 10, key(0, 0))), BEGINS);
    assert_eq!(selector.waits_for(), Some(1));
    let continued = Layering {
        begins_frame: false,
        ..key(1, 0)
    };
    assert_eq!(selector.take(&packet(5, 10, continued)), Verdict::Ignore);
    assert_eq!(selector.take(&packet(3, 20, delta(0, 0, 0))), SENT);
    assert_eq!(selector.take(&packet(6, 20, key(1, 0))), BEGINS);
    assert_eq!(selector.waits_for(), None);
    assert_eq!(
        selector.take(&packet(4, 30, delta(0, 0, 0))),
        Verdict::Ignore
    );
    assert_eq!(selector.take(&packet(7, 30, delta(1, 0, 0))), SENT);
}

#[test]
fn a_stream_without_structure_is_begun_anywhere_and_goes_on() {
    let mut selector = Selector::default();
    assert_eq!(selector.take(&packet(1, 0, delta(0, 0, 0))), BEGINS);
    assert_eq!(selector.take(&packet(2, 0, delta(0, 0, 0))), SENT);
    selector.aim(to(0, 0, 0), 0);
    selector.restart();
    assert_eq!(selector.take(&packet(3, 1, delta(0, 0, 0))), BEGINS);
}

#[test]
fn a_source_that_begins_anew_needs_a_keyframe_anew() {
    let mut selector = Selector::default();
    selector.aim(to(0, 0, 0), 1);
    assert_eq!(selector.take(&packet(1, 0, key(0, 0))), BEGINS);
    let other = |sequence, layering| MediaPacket {
        run: 77,
        ..packet(sequence, 5, layering)
    };
    assert_eq!(selector.take(&other(1, delta(0, 0, 0))), Verdict::Ignore);
    assert_eq!(selector.take(&other(2, key(0, 0))), BEGINS);
}

#[test]
fn a_pause_ends_after_the_picture_and_resumes_at_a_keyframe() {
    let mut selector = Selector::default();
    selector.aim(to(0, 0, 0), 1);
    selector.take(&packet(1, 0, key(0, 0)));
    selector.aim(Aim::Pause, 0);
    assert_eq!(selector.take(&packet(2, 0, delta(0, 0, 0))), SENT);
    assert_eq!(
        selector.take(&packet(3, 9, delta(0, 0, 0))),
        Verdict::Ignore
    );
    assert_eq!(selector.current(), None);
    selector.aim(to(0, 0, 0), 0);
    assert_eq!(
        selector.take(&packet(4, 18, delta(0, 0, 0))),
        Verdict::Ignore
    );
    assert_eq!(selector.take(&packet(5, 27, key(0, 0))), BEGINS);
}

#[test]
fn time_goes_down_between_pictures_and_up_where_it_may() {
    let mut selector = Selector::default();
    selector.aim(to(0, 0, 2), 1);
    selector.take(&packet(1, 0, key(0, 0)));
    let first = Layering {
        ends_frame: false,
        ..delta(0, 0, 2)
    };
    assert_eq!(selector.take(&packet(2, 1, first)), SENT);
    selector.aim(to(0, 0, 0), 0);
    let rest = Layering {
        begins_frame: false,
        ..delta(0, 0, 2)
    };
    assert_eq!(selector.take(&packet(3, 1, rest)), SENT);
    let dropped = Verdict::Drop { picture: true };
    assert_eq!(selector.take(&packet(4, 2, delta(0, 0, 1))), dropped);
    selector.aim(to(0, 0, 2), 0);
    assert_eq!(selector.take(&packet(5, 3, delta(0, 0, 2))), dropped);
    let up = Layering {
        switch_up: true,
        ..delta(0, 0, 1)
    };
    assert_eq!(selector.take(&packet(6, 4, up)), SENT);
    assert_eq!(selector.take(&packet(7, 5, delta(0, 0, 2))), dropped);
    assert_eq!(selector.take(&packet(8, 6, key(0, 0))), SENT);
    assert_eq!(selector.take(&packet(9, 7, delta(0, 0, 2))), SENT);
}

#[test]
fn the_last_packet_of_what_is_seen_of_a_picture_is_marked() {
    let mut selector = Selector::default();
    selector.aim(to(0, 1, 0), 1);
    let marked = Verdict::Forward {
        marker: true,
        begins: false,
    };
    let cut = Verdict::Drop { picture: false };
    let mut sequence = 0;
    let mut picture = |selector: &mut Selector, time: u32, keyframe: bool| {
        [0, 1, 2].map(|spatial| {
            sequence += 1;
            let layering = Layering {
                keyframe,
                ..delta(0, spatial, 0)
            };
            selector.take(&packet(sequence, time, layering))
        })
    };
    // That there is more above is not known before it was seen.
    assert_eq!(picture(&mut selector, 1, true), [BEGINS, SENT, cut]);
    assert_eq!(picture(&mut selector, 2, false), [SENT, marked, cut]);
    selector.aim(to(0, 2, 0), 0);
    assert_eq!(selector.waits_for(), Some(0));
    assert_eq!(picture(&mut selector, 3, false), [SENT, marked, cut]);
    assert_eq!(picture(&mut selector, 4, true), [SENT, SENT, SENT]);
    selector.aim(to(0, 0, 0), 0);
    assert_eq!(picture(&mut selector, 5, false), [marked, cut, cut]);
}

#[test]
fn on_the_way_down_the_current_encoding_is_thinned_out() {
    let mut selector = Selector::default();
    selector.aim(to(1, 0, 2), 0b11);
    selector.take(&packet(1, 0, key(1, 0)));
    selector.aim(
        Aim::Layer {
            layer: Layer::default(),
            begin_with: 1,
            relieve: true,
        },
        0,
    );
    let dropped = Verdict::Drop { picture: true };
    assert_eq!(selector.take(&packet(2, 1, delta(1, 0, 1))), dropped);
    assert_eq!(selector.take(&packet(3, 2, delta(1, 0, 0))), SENT);
    assert_eq!(selector.take(&packet(1, 3, key(0, 0))), BEGINS);
}

type Take = fn(&mut Selector, &MediaPacket) -> Verdict;

/// Whatever is aimed at when: what goes out can be decoded. A frame needs the one before it on its
/// encoding and those layers below, all of them, all their packets.
fn decodes(take: Take) -> bool {
    let aims = prop::collection::vec((0u8..3, 0u8..3, any::<bool>(), 0usize..12), 60..120);
    let outcome = TestRunner::deterministic().run(&aims, |steps| {
        let mut selector = Selector::default();
        selector.aim(to(0, 0, 0), 0b111);
        let mut sequences = [0u64; 3];
        // What the decoder has: the encoding, and of each temporal layer the newest picture.
        let mut decoding: Option<(u8, [u32; 3])> = None;
        for (number, (encoding, temporal, keyframe, cut)) in steps.into_iter().enumerate() {
            let time = number as u32;
            let layer = [0u8, 2, 1, 2][number % 4];
            for sender in 0..3u8 {
                let is_key = keyframe && encoding == sender;
                let at = if is_key { 0 } else { layer };
                let mut whole = Vec::new();
                for part in 0..3 {
                    if part == cut % 4 && sender == encoding {
                        selector.aim(to(encoding, 0, temporal), 0);
                    }
                    sequences[usize::from(sender)] += 1;
                    let layering = Layering {
                        keyframe: is_key,
                        switch_up: at > 0 && number % 8 < 4,
                        begins_frame: part == 0,
                        ends_frame: part == 2,
                        ..delta(sender, 0, at)
                    };
                    let next = packet(sequences[usize::from(sender)], time, layering);
                    whole.push(matches!(
                        take(&mut selector, &next),
                        Verdict::Forward { .. }
                    ));
                }
                prop_assert!(whole.iter().all(|sent| *sent == whole[0]), "half a frame");
                let at = usize::from(at);
                if !whole[0] {
                    if let Some((decoded, has)) = &mut decoding
                        && *decoded == sender
                    {
                        // A decoder that missed a frame of a layer waits for a switching point.
                        has[at..].fill(u32::MAX);
                    }
                    continue;
                }
                match &mut decoding {
                    _ if is_key => decoding = Some((sender, [time; 3])),
                    Some((decoded, has)) => {
                        prop_assert_eq!(*decoded, sender, "another stream without a keyframe");
                        let switches = number % 8 < 4;
                        prop_assert!(at == 0 || switches || has[at] != u32::MAX, "too early");
                        has[at] = time;
                    }
                    None => prop_assert!(false, "begins without a keyframe"),
                }
            }
        }
        Ok(())
    });
    outcome.is_ok()
}

#[test]
fn what_goes_out_can_be_decoded_and_a_selector_that_does_not_care_is_found_out() {
    assert!(decodes(|selector, packet| selector.take(packet)));
    // Changes anywhere.
    assert!(!decodes(|selector, packet| {
        selector.structured = 0;
        let unread = Layering {
            keyframe: false,
            ..packet.layering
        };
        selector.take(&MediaPacket {
            layering: unread,
            ..packet.clone()
        })
    }));
    // Takes every frame for a switching point.
    assert!(!decodes(|selector, packet| {
        let eager = Layering {
            switch_up: true,
            ..packet.layering
        };
        selector.take(&MediaPacket {
            layering: eager,
            ..packet.clone()
        })
    }));
    // Goes down in the midst of a frame.
    assert!(!decodes(|selector, packet| {
        let (_, temporal) = selector.reach(packet.layering.encoding);
        if let Some(current) = &mut selector.current {
            current.temporal = current.temporal.min(temporal);
        }
        selector.take(packet)
    }));
}

type Prepare = fn(&mut Selector);

/// What goes out when a packet comes, in order.
fn pass(selector: &mut Selector, packet: &MediaPacket, prepare: Prepare) -> Vec<MediaPacket> {
    let mut out = Vec::new();
    let mut take = |selector: &mut Selector, packet: MediaPacket| {
        if matches!(selector.take(&packet), Verdict::Forward { .. }) {
            out.push(packet);
        }
    };
    for held in selector.release_before(packet) {
        take(selector, held);
    }
    prepare(selector);
    take(selector, packet.clone());
    for held in selector.release() {
        take(selector, held);
    }
    out
}

/// However the packets of pictures that were taken together come, and whatever is lost of them: what
/// came of a picture goes out in one piece, or not at all.
fn keeps_pictures_whole(prepare: Prepare) -> bool {
    const PARTS: usize = 4;
    let step = (
        prop::collection::vec(0usize..3, 3 * PARTS),
        prop::option::of(0u8..3),
        prop::option::weighted(0.3, 0u8..3),
        prop::option::weighted(0.1, 0..3 * PARTS),
    );
    let steps = prop::collection::vec(step, 20..60);
    let outcome = TestRunner::deterministic().run(&steps, |steps| {
        let mut selector = Selector::default();
        selector.aim(to(0, 0, 0), 0b111);
        let (mut came, mut gone) = (Vec::new(), Vec::new());
        for (number, (order, keyframe, aim, lost)) in steps.into_iter().enumerate() {
            let mut parts = [0usize; 3];
            for (at, sender) in order.into_iter().enumerate() {
                // Each sends all its parts, whoever is drawn how often.
                let next = (0..3).map(|more| (sender + more) % 3);
                let Some(sender) = next.into_iter().find(|one| parts[*one] < PARTS) else {
                    continue;
                };
                let part = parts[sender];
                parts[sender] += 1;
                if at == 5
                    && let Some(encoding) = aim
                {
                    selector.aim(to(encoding, 0, 0), 0);
                }
                let encoding = sender as u8;
                let layering = Layering {
                    keyframe: number == 0 || keyframe == Some(encoding),
                    begins_frame: part == 0,
                    ends_frame: part == PARTS - 1,
                    ..delta(encoding, 0, 0)
                };
                let sequence = (number * PARTS + part + 1) as u64;
                let next = packet(sequence, number as u32, layering);
                if lost == Some(at) {
                    continue;
                }
                came.push((next.time, encoding, sequence));
                let out = pass(&mut selector, &next, prepare);
                gone.extend(
                    out.iter()
                        .map(|packet| (packet.time, packet.layering.encoding, packet.sequence)),
                );
            }
        }
        for picture in gone.chunk_by(|one, next| (one.0, one.1) == (next.0, next.1)) {
            let all: Vec<_> = came
                .iter()
                .filter(|one| (one.0, one.1) == (picture[0].0, picture[0].1))
                .copied()
                .collect();
            // Where its beginning was lost the rest of a keyframe is not begun with.
            prop_assert_eq!(picture, &all[..], "half a picture");
        }
        prop_assert!(gone.len() > PARTS || came.len() < 30 * PARTS);
        Ok(())
    });
    outcome.is_ok()
}

#[test]
fn pictures_go_out_whole_and_a_selector_that_cuts_them_off_is_found_out() {
    assert!(keeps_pictures_whole(|_| {}));
    assert!(!keeps_pictures_whole(|selector| {
        if let Some(current) = &mut selector.current {
            current.open = false;
        }
    }));
    // Holds what it will not send, and forgets what it should.
    assert!(!keeps_pictures_whole(|selector| selector.held.truncate(1)));
}

#[test]
fn a_keyframe_waits_for_the_end_of_the_picture_before_and_no_longer() {
    let part = |sequence, time, layering: Layering, last| MediaPacket {
        marker: last,
        ..packet(
            sequence,
            time,
            Layering {
                begins_frame: false,
                ends_frame: last,
                ..layering
            },
        )
    };
    let first = |sequence, time, layering| {
        let mut first = part(sequence, time, layering, false);
        first.layering.begins_frame = true;
        first
    };
    let run = |packets: &[MediaPacket]| {
        let mut selector = Selector::default();
        selector.aim(to(0, 0, 0), 0b11);
        selector.take(&packet(1, 0, key(0, 0)));
        selector.aim(to(1, 0, 0), 0);
        let gone = packets
            .iter()
            .flat_map(|packet| pass(&mut selector, packet, |_| {}))
            .map(|packet| (packet.layering.encoding, packet.sequence))
            .collect::<Vec<_>>();
        assert!(selector.held.is_empty());
        gone
    };
    let (old, new) = (delta(0, 0, 0), key(1, 0));
    let begun = [first(2, 9, old), first(7, 9, new), part(8, 9, new, true)];
    let after = |last: MediaPacket| run(&[&begun[..], &[last]].concat());
    // It ends; it was lost and the next begins; the next picture of the new one comes.
    let held = [(1, 7), (1, 8)];
    let ends = after(part(3, 9, old, true));
    assert_eq!(ends, [&[(0, 2), (0, 3)][..], &held[..]].concat());
    assert_eq!(
        after(first(4, 18, old)),
        [&[(0, 2)][..], &held[..]].concat()
    );
    let next = after(packet(9, 18, delta(1, 0, 0)));
    assert_eq!(next, [&[(0, 2)][..], &held[..], &[(1, 9)][..]].concat());
}

#[test]
fn a_keyframe_is_waited_for_when_the_same_encoding_comes_from_another_source() {
    for aim in [to(0, 0, 3), Aim::Any] {
        let mut selector = Selector::default();
        selector.aim(aim, 0b1);
        assert_eq!(selector.take(&packet(1, 0, key(0, 0))), BEGINS);
        assert_eq!(selector.waits_for(), None);
        let of_other = |sequence, layering| MediaPacket {
            run: 77,
            ..packet(sequence, 10, layering)
        };
        // Its keyframe was lost.
        let missed = of_other(500, delta(0, 0, 0));
        assert_eq!(selector.take(&missed), Verdict::Ignore);
        assert_eq!(selector.waits_for(), Some(0));
        assert_eq!(selector.take(&of_other(501, key(0, 0))), BEGINS);
        assert_eq!(selector.waits_for(), None);
        // One of the old source that comes late is no reason, as soon as there is news of the new.
        assert_eq!(
            selector.take(&packet(2, 5, delta(0, 0, 0))),
            Verdict::Ignore
        );
        assert_eq!(selector.take(&of_other(502, delta(0, 0, 0))), SENT);
        assert_eq!(selector.waits_for(), None);
    }
}
