//! Whole calls on one engine: from a publisher to its subscribers and back.

use std::time::Duration;

use crate::stage::{Client, Node, ROOM, play, play_for};
use starling_sfu::control::messages::MediaKind::{Audio, Video};
use starling_sfu::control::messages::{Message, State};

const BOTH: [(&str, starling_sfu::control::messages::MediaKind); 2] =
    [("ann_audio", Audio), ("ann_video", Video)];

fn payload(number: u8) -> Vec<u8> {
    vec![number; 900]
}

#[test]
fn one_publisher_reaches_two_subscribers() {
    let mut node = Node::start();
    let mut ann = Client::new("ann");
    let (mut ben, mut cleo) = (Client::new("ben"), Client::new("cleo"));
    node.publish(&mut ann, &[Audio, Video]);
    node.subscribe(&mut ben, &BOTH);
    node.subscribe(&mut cleo, &BOTH);
    play(
        &mut [&mut ann, &mut ben, &mut cleo],
        "all are connected",
        |all| all.iter().all(|client| client.connected),
    );
    for name in ["ann", "ben", "cleo"] {
        node.state(name, State::Connected);
    }
    for number in 0..50 {
        ann.send(Video, &payload(number));
        ann.send(Audio, &[number; 60]);
        play_for(
            &mut [&mut ann, &mut ben, &mut cleo],
            Duration::from_millis(2),
        );
    }
    play(
        &mut [&mut ann, &mut ben, &mut cleo],
        "all packets arrived",
        |all| all[1..].iter().all(|client| client.packets.len() >= 100),
    );
    for client in [&ben, &cleo] {
        let of = |bytes: usize| {
            client
                .packets
                .iter()
                .filter(move |packet| packet.payload.len() == bytes)
        };
        for bytes in [900, 60] {
            let first = *of(bytes).next().unwrap().seq_no;
            assert!(first < 1 << 15, "a stream starts low: {first}");
            for (number, packet) in of(bytes).enumerate() {
                assert_eq!(packet.payload[1], number as u8);
                assert_eq!(*packet.seq_no, first + number as u64);
                assert!(packet.header.marker);
            }
        }
        let spoken = of(60).next().unwrap();
        assert_eq!(spoken.header.ext_vals.audio_level, Some(-42));
        assert_eq!(spoken.header.ext_vals.voice_activity, Some(true));
    }
    let started = |track: &str| {
        let track = track.to_owned();
        move |event: &Message| match event {
            Message::TrackStarted { track: id, codec } if *id == track => Some(codec.clone()),
            _ => None,
        }
    };
    assert_eq!(node.event(started("ann_audio")), "opus");
    assert_eq!(node.event(started("ann_video")), "vp8");
    let (peers, tracks, counters) = node.statistics();
    assert_eq!(peers.len(), 3);
    let video = tracks
        .iter()
        .find(|track| track.track == "ann_video")
        .unwrap();
    assert_eq!((video.packets, video.subscribers, video.legs), (50, 2, 0));
    assert!(!counters.contains_key("peer_panics"), "{counters:?}");
}

#[test]
fn a_new_subscriber_gets_a_keyframe_and_a_burst_of_requests_is_throttled() {
    let mut node = Node::start();
    let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
    node.publish(&mut ann, &[Video]);
    play(&mut [&mut ann], "the publisher is connected", |all| {
        all[0].connected
    });
    ann.send(Video, &payload(0));
    node.subscribe(&mut ben, &BOTH[1..]);
    play(
        &mut [&mut ann, &mut ben],
        "a keyframe is asked for",
        |all| !all[0].keyframe_requests.is_empty(),
    );
    play(&mut [&mut ann, &mut ben], "packets flow", |all| {
        all[0].send(Video, &payload(1));
        !all[1].packets.is_empty()
    });
    let ssrc = ben.packets[0].header.ssrc;
    let before = ann.keyframe_requests.len();
    for _ in 0..20 {
        ben.rtc
            .direct_api()
            .stream_rx(&ssrc)
            .unwrap()
            .request_keyframe(str0m::media::KeyframeRequestKind::Pli);
        play_for(&mut [&mut ann, &mut ben], Duration::from_millis(30));
    }
    let asked = ann.keyframe_requests.len() - before;
    assert!((1..=5).contains(&asked), "{asked} in 600 ms");
}

#[test]
fn joins_and_leaves_reuse_their_lines() {
    let mut node = Node::start();
    let mut ben = Client::new("ben");
    node.subscribe(&mut ben, &[]);
    let mut lines = 0;
    for cycle in 0..200 {
        let tracks = [format!("t{cycle}"), format!("u{cycle}")];
        let wanted = [(tracks[0].as_str(), Video), (tracks[1].as_str(), Audio)];
        node.want("ben", if cycle % 5 == 4 { &[] } else { &wanted });
        lines = lines.max(node.negotiate(&mut ben));
        if cycle % 5 != 4 {
            assert_eq!(ben.tracks.len(), 2);
        }
    }
    assert!(lines <= 5, "{lines} m-lines, one for data");
}

#[test]
fn what_is_played_in_step_shares_a_stream_that_its_lines_keep() {
    let mut node = Node::start();
    let mut ben = Client::new("ben");
    let strangers = [("a1", Audio, "ann"), ("v1", Video, "cyd")];
    node.want_in_step("ben", &strangers);
    let before = node.negotiate(&mut ben);
    let first = ben.streams.clone();
    assert_ne!(first["a1"], first["v1"]);
    node.want("ben", &[]);
    node.negotiate(&mut ben);
    node.want_in_step("ben", &[("a2", Audio, "dan"), ("v2", Video, "dan")]);
    let lines = node.negotiate(&mut ben);
    assert_eq!(ben.streams["a2"], ben.streams["v2"]);
    // The browser knows the sound's line as it was, so another one is for the picture.
    assert!(first.values().any(|known| *known == ben.streams["a2"]));
    assert_eq!(lines, before + 1);
    node.want_in_step("ben", &[("v3", Video, "eve"), ("a3", Audio, "eve")]);
    node.negotiate(&mut ben);
    assert_eq!(ben.streams["a3"], ben.streams["v3"]);
    assert_ne!(ben.streams["a3"], first["a1"]);
}

#[test]
fn what_changes_while_an_offer_is_out_goes_into_the_next() {
    let mut node = Node::start();
    let mut ben = Client::new("ben");
    node.want("ben", &[("t1", Audio)]);
    for count in 2..6 {
        let names: Vec<String> = (1..=count).map(|number| format!("t{number}")).collect();
        let tracks: Vec<_> = names.iter().map(|name| (name.as_str(), Audio)).collect();
        node.want("ben", &tracks);
    }
    node.negotiate(&mut ben);
    assert_eq!(ben.tracks.len(), 1);
    node.negotiate(&mut ben);
    assert_eq!(ben.tracks.len(), 5);
    play_for(&mut [&mut ben], Duration::from_millis(20));
    assert!(
        !node
            .poll()
            .iter()
            .any(|event| matches!(event, Message::Offered { .. }))
    );
}

#[test]
fn a_line_that_changes_its_track_goes_on_counting() {
    let mut node = Node::start();
    let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
    node.publish(&mut ann, &[Video]);
    node.subscribe(&mut ben, &BOTH[1..]);
    let flow = |node: &mut Node, ann: &mut Client, ben: &mut Client| {
        let before = ben.packets.len();
        play(&mut [ann, ben], "packets flow", |all| {
            all[0].send(Video, &payload(1));
            all[1].packets.len() >= before + 5
        });
        node.poll();
    };
    play(&mut [&mut ann, &mut ben], "both are connected", |all| {
        all[0].connected && all[1].connected
    });
    flow(&mut node, &mut ann, &mut ben);
    node.subscribe(&mut ben, &[]);
    for _ in 0..30 {
        ann.send(Video, &payload(2));
        play_for(&mut [&mut ann, &mut ben], Duration::from_millis(1));
    }
    node.subscribe(&mut ben, &BOTH[1..]);
    flow(&mut node, &mut ann, &mut ben);
    let numbers: Vec<u64> = ben.packets.iter().map(|packet| *packet.seq_no).collect();
    assert!(
        numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{numbers:?}"
    );
    assert!(ben.packets.windows(2).all(|pair| {
        pair[1]
            .header
            .timestamp
            .wrapping_sub(pair[0].header.timestamp)
            < 90_000 * 60
    }));
}

#[test]
fn a_track_ends_when_its_publisher_says_so_and_comes_back() {
    let mut node = Node::start();
    let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
    node.publish(&mut ann, &[Video]);
    node.subscribe(&mut ben, &[("ann_video", Video)]);
    play(&mut [&mut ann, &mut ben], "packets flow", |all| {
        if all[0].connected {
            all[0].send(Video, &payload(1));
        }
        !all[1].packets.is_empty()
    });
    // The same publisher offers a second line and keeps the first out of the set.
    node.publish(&mut ann, &[Audio]);
    assert!(
        node.statistics()
            .1
            .iter()
            .all(|track| track.track != "ann_video")
    );
    // Another peer takes the track over; its subscriber need not know.
    let mut again = Client::new("again");
    let (sdp, mids) = again.offer(&[Video]);
    let reply = node.ask(|id| starling_sfu::control::messages::Command::Publish {
        peer: "again".into(),
        sdp,
        tracks: [(mids[0].clone(), "ann_video".to_owned())].into(),
        room: ROOM.into(),
        sender: "again".into(),
        id,
    });
    let Message::Described { sdp, .. } = reply else {
        panic!("{reply:?}");
    };
    again.take_answer(&sdp);
    let before = ben.packets.len();
    play(
        &mut [&mut ann, &mut ben, &mut again],
        "packets flow again",
        |all| {
            if all[2].connected {
                all[2].send(Video, &payload(9));
            }
            all[1].packets.len() > before + 3
        },
    );
    let last = ben
        .packets
        .windows(2)
        .map(|pair| *pair[1].seq_no - *pair[0].seq_no);
    assert!(last.into_iter().all(|step| step == 1));
}

#[test]
fn what_a_subscriber_loses_is_sent_again() {
    let mut node = Node::start();
    let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
    node.publish(&mut ann, &[Video]);
    node.subscribe(&mut ben, &[("ann_video", Video)]);
    play(&mut [&mut ann, &mut ben], "packets flow", |all| {
        if all[0].connected && all[1].connected {
            all[0].send(Video, &payload(255));
        }
        !all[1].packets.is_empty()
    });
    ben.lose_one_in = 12;
    for number in 0..200 {
        ann.send(Video, &payload(number));
        play_for(&mut [&mut ann, &mut ben], Duration::from_millis(3));
    }
    play(
        &mut [&mut ann, &mut ben],
        "what was lost was sent again",
        |all| {
            let numbers: std::collections::BTreeSet<u8> = all[1]
                .packets
                .iter()
                .map(|packet| packet.payload[1])
                .collect();
            (0..195).all(|number| numbers.contains(&number))
        },
    );
}

#[test]
fn an_answer_leaves_from_the_address_that_was_asked() {
    // The system would pick 127.0.0.1 to answer a client on 127.0.0.1.
    let mut node = Node::start_at("0.0.0.0", &["127.0.0.2"]);
    let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
    node.publish(&mut ann, &[Video]);
    node.subscribe(&mut ben, &[("ann_video", Video)]);
    play(&mut [&mut ann, &mut ben], "packets flow", |all| {
        if all[0].connected && all[1].connected {
            all[0].send(Video, &payload(1));
        }
        !all[1].packets.is_empty()
    });
    for client in [&ann, &ben] {
        let from: Vec<String> = client
            .senders
            .iter()
            .map(|at| at.ip().to_string())
            .collect();
        assert_eq!(from, ["127.0.0.2"]);
    }
}
