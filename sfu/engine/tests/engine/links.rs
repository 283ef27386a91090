//! Calls that cross nodes: two engines, one link.

use std::time::{Duration, Instant};

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use crate::stage::{Client, Node, Path, ROOM, play, play_for};
use starling_sfu::control::messages::MediaKind::{Audio, Video};
use starling_sfu::control::messages::{Command, MediaKind, Message, State};

fn linked() -> (Node, Node) {
    let (mut oslo, mut lima) = (Node::start(), Node::start());
    Node::link((&mut oslo, "lima"), (&mut lima, "oslo"));
    (oslo, lima)
}

fn open_leg(
    from: &mut Node,
    to: &mut Node,
    names: (&str, &str),
    leg: u32,
    track: &str,
    kind: MediaKind,
) {
    let (to_name, from_name) = names;
    to.done(|id| Command::OpenLegIn {
        peer: from_name.into(),
        leg,
        track: track.into(),
        kind,
        room: ROOM.into(),
        id,
    });
    from.done(|id| Command::OpenLegOut {
        peer: to_name.into(),
        leg,
        track: track.into(),
        room: ROOM.into(),
        id,
    });
}

#[test]
fn a_track_crosses_a_link_and_the_keyframe_request_comes_back() {
    let (mut oslo, mut lima) = linked();
    let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
    oslo.publish(&mut ann, &[Audio, Video]);
    lima.subscribe(&mut ben, &[("ann_audio", Audio), ("ann_video", Video)]);
    open_leg(
        &mut oslo,
        &mut lima,
        ("lima", "oslo"),
        1,
        "ann_audio",
        Audio,
    );
    open_leg(
        &mut oslo,
        &mut lima,
        ("lima", "oslo"),
        u32::MAX,
        "ann_video",
        Video,
    );
    play(&mut [&mut ann, &mut ben], "both are connected", |all| {
        all.iter().all(|client| client.connected)
    });
    for number in 0..50 {
        ann.send(Video, &[number; 1000]);
        ann.send(Audio, &[number; 60]);
        play_for(&mut [&mut ann, &mut ben], Duration::from_millis(2));
    }
    play(&mut [&mut ann, &mut ben], "all packets arrived", |all| {
        all[1].packets.len() >= 100
    });
    for bytes in [1000, 60] {
        let of: Vec<_> = ben
            .packets
            .iter()
            .filter(|packet| packet.payload.len() == bytes)
            .collect();
        assert_eq!(of.len(), 50);
        assert!(
            of.iter()
                .enumerate()
                .all(|(number, packet)| packet.payload[1] == number as u8)
        );
        assert!(
            of.windows(2)
                .all(|pair| *pair[1].seq_no == *pair[0].seq_no + 1)
        );
        assert!(of.iter().all(|packet| packet.header.marker));
    }
    let spoken = ben
        .packets
        .iter()
        .find(|packet| packet.payload.len() == 60)
        .unwrap();
    assert_eq!(spoken.header.ext_vals.audio_level, Some(-42));

    let before = ann.keyframe_requests.len();
    let ssrc = ben
        .packets
        .iter()
        .find(|packet| packet.payload.len() == 1000)
        .unwrap()
        .header
        .ssrc;
    ben.rtc
        .direct_api()
        .stream_rx(&ssrc)
        .unwrap()
        .request_keyframe(str0m::media::KeyframeRequestKind::Pli);
    play(
        &mut [&mut ann, &mut ben],
        "the request crossed the link",
        |all| all[0].keyframe_requests.len() > before,
    );
    let (_, tracks, counters) = lima.statistics();
    assert!(
        tracks
            .iter()
            .all(|track| track.relayed && track.packets == 50)
    );
    assert!(
        !counters.contains_key("link_frames_malformed"),
        "{counters:?}"
    );
    let (_, tracks, _) = oslo.statistics();
    assert!(tracks.iter().all(|track| !track.relayed && track.legs == 1));
}

#[test]
fn a_leg_that_is_opened_anew_goes_on_without_a_gap() {
    let (mut oslo, mut lima) = linked();
    let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
    oslo.publish(&mut ann, &[Video]);
    lima.subscribe(&mut ben, &[("ann_video", Video)]);
    for _ in 0..3 {
        open_leg(
            &mut oslo,
            &mut lima,
            ("lima", "oslo"),
            7,
            "ann_video",
            Video,
        );
        let before = ben.packets.len();
        play(&mut [&mut ann, &mut ben], "packets flow", |all| {
            if all[0].connected && all[1].connected {
                all[0].send(Video, &[1; 500]);
            }
            all[1].packets.len() > before + 3
        });
        oslo.done(|id| Command::CloseLegOut {
            peer: "lima".into(),
            leg: 7,
            id,
        });
        for _ in 0..20 {
            ann.send(Video, &[2; 500]);
            play_for(&mut [&mut ann, &mut ben], Duration::from_millis(1));
        }
    }
    let numbers: Vec<u64> = ben.packets.iter().map(|packet| *packet.seq_no).collect();
    assert!(
        numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{numbers:?}"
    );
}

#[test]
fn three_nodes_in_a_row_pass_media_on_and_requests_back() {
    let (mut oslo, mut lima) = linked();
    let mut perth = Node::start();
    Node::link((&mut lima, "perth"), (&mut perth, "lima"));
    let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
    oslo.publish(&mut ann, &[Video]);
    open_leg(
        &mut oslo,
        &mut lima,
        ("lima", "oslo"),
        1,
        "ann_video",
        Video,
    );
    open_leg(
        &mut lima,
        &mut perth,
        ("perth", "lima"),
        2,
        "ann_video",
        Video,
    );
    // Back over the link it came from: opened, but nothing may flow.
    lima.done(|id| Command::OpenLegOut {
        peer: "oslo".into(),
        leg: 9,
        track: "ann_video".into(),
        room: ROOM.into(),
        id,
    });
    perth.subscribe(&mut ben, &[("ann_video", Video)]);
    play(
        &mut [&mut ann, &mut ben],
        "media crossed two links",
        |all| {
            if all[0].connected {
                all[0].send(Video, &[3; 700]);
            }
            all[1].packets.len() > 10
        },
    );
    play(
        &mut [&mut ann, &mut ben],
        "the request crossed them too",
        |all| !all[0].keyframe_requests.is_empty(),
    );
    assert_eq!(oslo.counter("link_frames_without_leg"), 0);
}

#[test]
fn links_carry_messages_and_are_measured() {
    let (mut oslo, mut lima) = linked();
    let big = vec![7; 50_000];
    for data in [b"hello".to_vec(), big] {
        oslo.done(|id| Command::SendLink {
            peer: "lima".into(),
            data: data.clone(),
            id,
        });
        lima.done(|id| Command::SendLink {
            peer: "oslo".into(),
            data: data.clone(),
            id,
        });
        for node in [&mut oslo, &mut lima] {
            let heard = node.event(|event| match event {
                Message::LinkMessage { data, .. } => Some(data.clone()),
                _ => None,
            });
            assert_eq!(heard.len(), data.len());
        }
    }
    let code = oslo.refused(|id| Command::SendLink {
        peer: "lima".into(),
        data: vec![0; 100_000],
        id,
    });
    assert_eq!(code, "link_message_too_large");
    let code = oslo.refused(|id| Command::SendLink {
        peer: "lima".into(),
        data: Vec::new(),
        id,
    });
    assert_eq!(code, "link_message_empty");
    for node in [&mut oslo, &mut lima] {
        let (rtt_ms, loss) = node.event(|event| match event {
            Message::LinkMeasured { rtt_ms, loss, .. } => Some((*rtt_ms, *loss)),
            _ => None,
        });
        assert!(rtt_ms < 100.0 && loss < 0.2, "{rtt_ms} {loss}");
    }
    // Whoever closes says goodbye; the other side knows at once.
    oslo.done(|id| Command::ClosePeer {
        peer: "lima".into(),
        id,
    });
    assert_eq!(lima.state("oslo", State::Closed), "remote_closed");
}

#[test]
fn a_full_link_says_so_and_loses_nothing_that_it_took() {
    let (mut oslo, mut lima) = linked();
    let mut taken = Vec::new();
    let mut said: u8 = 0;
    // Sixteen at once: one alone may be gone before the next is said.
    while usize::from(said) == taken.len() {
        assert!(said < 240, "no bound in sight");
        let replies = oslo.ask_all(16, |number, id| Command::SendLink {
            peer: "lima".into(),
            data: vec![said + number as u8; 50_000],
            id,
        });
        for reply in replies {
            match reply {
                Message::Done { .. } => taken.push(said),
                Message::Failed { code, .. } => assert_eq!(code, "link_congested"),
                other => panic!("{other:?}"),
            }
            said += 1;
        }
    }
    for number in taken {
        let first = lima.event(|event| match event {
            Message::LinkMessage { data, .. } => Some(data[0]),
            _ => None,
        });
        assert_eq!(first, number);
    }
}

#[test]
fn a_dead_engine_is_suspected_within_a_second() {
    let (oslo, mut lima) = linked();
    let dead = Instant::now();
    drop(oslo);
    lima.state("oslo", State::Suspect);
    assert!(
        dead.elapsed() < Duration::from_millis(1500),
        "{:?}",
        dead.elapsed()
    );
}

#[test]
fn a_link_repairs_what_its_path_loses() {
    let (mut oslo, mut lima) = (Node::start(), Node::start());
    let path = Path::between([oslo.address, lima.address]);
    // The path's first socket stands before the first engine: it is where the second is seen.
    let seen = [path.seen[1], path.seen[0]];
    Node::link_over(seen, (&mut oslo, "lima"), (&mut lima, "oslo"));
    let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
    oslo.publish(&mut ann, &[Audio, Video]);
    lima.subscribe(&mut ben, &[("ann_audio", Audio), ("ann_video", Video)]);
    open_leg(
        &mut oslo,
        &mut lima,
        ("lima", "oslo"),
        1,
        "ann_audio",
        Audio,
    );
    open_leg(
        &mut oslo,
        &mut lima,
        ("lima", "oslo"),
        2,
        "ann_video",
        Video,
    );
    play(&mut [&mut ann, &mut ben], "packets flow", |all| {
        if all[0].connected && all[1].connected {
            all[0].send(Video, &[255; 500]);
            all[0].send(Audio, &[255; 50]);
        }
        all[1]
            .packets
            .iter()
            .any(|packet| packet.payload.len() == 50)
            && all[1]
                .packets
                .iter()
                .any(|packet| packet.payload.len() == 500)
    });
    path.weather.lose_one_in.store(10, Ordering::Relaxed);
    for number in 0..200 {
        ann.send(Video, &[number; 500]);
        ann.send(Audio, &[number; 50]);
        play_for(&mut [&mut ann, &mut ben], Duration::from_millis(3));
    }
    let arrived = |ben: &Client, bytes: usize| {
        let of = ben
            .packets
            .iter()
            .filter(|packet| packet.payload.len() == bytes);
        of.map(|packet| packet.payload[1])
            .filter(|number| *number < 195)
            .collect::<BTreeSet<u8>>()
            .len()
    };
    // Without repair 175 come; now and then a packet has its resends lost too, until nobody asks again.
    play(
        &mut [&mut ann, &mut ben],
        "what was lost was sent again",
        |all| arrived(all[1], 500) >= 193 && arrived(all[1], 50) >= 193,
    );
}

#[test]
fn a_path_that_breaks_and_comes_back_makes_the_link_suspect_for_that_long() {
    let (mut oslo, mut lima) = (Node::start(), Node::start());
    let path = Path::between([oslo.address, lima.address]);
    let seen = [path.seen[1], path.seen[0]];
    Node::link_over(seen, (&mut oslo, "lima"), (&mut lima, "oslo"));
    path.weather.broken.store(true, Ordering::Relaxed);
    oslo.state("lima", State::Suspect);
    lima.state("oslo", State::Suspect);
    path.weather.broken.store(false, Ordering::Relaxed);
    oslo.state("lima", State::Connected);
    lima.state("oslo", State::Connected);
}
