//! Who is told as speaking, and whose sound is forwarded.

use std::time::Duration;

use crate::stage::{Client, Node, ROOM, play, play_for};
use starling_sfu::control::messages::MediaKind::Audio;
use starling_sfu::control::messages::{Command, Message};

const BOTH: [(&str, starling_sfu::control::messages::MediaKind); 2] =
    [("ann_audio", Audio), ("ben_audio", Audio)];

/// Let both talk: each packet is marked with who sent it, and lasts 62 ms by its time stamp.
fn talk(ann: &mut Client, ben: &mut Client, others: &mut [&mut Client], packets: u8) {
    for number in 0..packets {
        ann.send(Audio, &[1, number]);
        ben.send(Audio, &[2, number]);
        let mut all = vec![&mut *ann, &mut *ben];
        all.extend(others.iter_mut().map(|client| &mut **client));
        play_for(&mut all, Duration::from_millis(8));
    }
}

fn told(node: &mut Node, wanted: &[&str]) {
    let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    node.event(|event| match event {
        Message::Speakers { room, speakers } if room == ROOM => {
            let tracks: Vec<_> = speakers.iter().map(|one| one.track.clone()).collect();
            assert!(speakers.iter().all(|one| (-70..=0).contains(&one.level_db)));
            (tracks == wanted).then_some(())
        }
        _ => None,
    });
}

fn connect(clients: &mut [&mut Client]) {
    play(clients, "all are connected", |all| {
        all.iter().all(|client| client.connected)
    });
}

/// Of the packets that arrived, those that this sender marked.
fn of(client: &Client, sender: u8) -> Vec<u64> {
    client
        .packets
        .iter()
        .filter(|packet| packet.payload[0] == sender)
        .map(|packet| *packet.seq_no)
        .collect()
}

#[test]
fn who_speaks_is_told_and_who_fell_silent() {
    let mut node = Node::start();
    let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
    node.publish(&mut ann, &[Audio]);
    node.publish(&mut ben, &[Audio]);
    connect(&mut [&mut ann, &mut ben]);
    (ann.level_db, ben.level_db) = (-20, -127);
    talk(&mut ann, &mut ben, &mut [], 20);
    told(&mut node, &["ann_audio"]);
    (ann.level_db, ben.level_db) = (-127, -25);
    talk(&mut ann, &mut ben, &mut [], 60);
    told(&mut node, &["ben_audio"]);
    // Nothing more is sent: the clock alone tells.
    told(&mut node, &[]);
}

#[test]
fn a_room_on_two_workers_has_one_list_of_speakers_and_one_set_of_places() {
    let mut node = Node::start_with(2);
    node.set_loudest(1);
    let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
    let (mut near, mut far) = (Client::new("near"), Client::new("far"));
    node.publish(&mut ann, &[Audio]);
    node.publish(&mut ben, &[Audio]);
    node.subscribe(&mut near, &BOTH);
    node.subscribe(&mut far, &BOTH);
    connect(&mut [&mut ann, &mut ben, &mut near, &mut far]);
    assert_ne!(ann.senders, ben.senders, "one on each");
    assert_ne!(near.senders, far.senders);
    for (loud, quiet) in [(1, 2), (2, 1), (1, 2)] {
        let levels = |who| if who == loud { -20 } else { -127 };
        (ann.level_db, ben.level_db) = (levels(1), levels(2));
        talk(&mut ann, &mut ben, &mut [&mut near, &mut far], 40);
        let before = [near.packets.len(), far.packets.len()];
        talk(&mut ann, &mut ben, &mut [&mut near, &mut far], 20);
        for (client, before) in [&near, &far].into_iter().zip(before) {
            let late = &client.packets[before..];
            assert!(late.len() >= 18, "{}: {}", client.name, late.len());
            assert!(
                late.iter().all(|packet| packet.payload[0] == loud),
                "{}: not {quiet}",
                client.name
            );
        }
    }
    let told: Vec<Vec<String>> = node
        .poll()
        .iter()
        .filter_map(|event| match event {
            Message::Speakers { speakers, .. } => {
                Some(speakers.iter().map(|one| one.track.clone()).collect())
            }
            _ => None,
        })
        .collect();
    let wanted = [["ann_audio"], ["ben_audio"], ["ann_audio"]];
    let told: Vec<_> = told.iter().filter(|list| !list.is_empty()).collect();
    assert_eq!(told, wanted.iter().collect::<Vec<_>>(), "each once");
    // Whoever had the place is gone: it is free at once, for a worker that heard nothing of that.
    node.poll().clear();
    let before = far.packets.len();
    node.done(|id| Command::ClosePeer {
        peer: "ann".into(),
        id,
    });
    talk(&mut ann, &mut ben, &mut [&mut near, &mut far], 20);
    told_only(&mut node, &[]);
    assert!(
        far.packets[before..]
            .iter()
            .filter(|packet| packet.payload[0] == 2)
            .count()
            >= 18
    );
}

fn told_only(node: &mut Node, wanted: &[&str]) {
    told(node, wanted);
    let more = |event: &Message| matches!(event, Message::Speakers { .. });
    assert!(!node.poll().iter().any(more), "told once");
}

#[test]
fn only_the_loudest_is_forwarded_and_crosses_a_link_without_a_gap() {
    let (mut oslo, mut lima) = (Node::start(), Node::start());
    Node::link((&mut oslo, "lima"), (&mut lima, "oslo"));
    oslo.set_loudest(1);
    let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
    let (mut near, mut far) = (Client::new("near"), Client::new("far"));
    oslo.publish(&mut ann, &[Audio]);
    oslo.publish(&mut ben, &[Audio]);
    oslo.subscribe(&mut near, &BOTH);
    lima.subscribe(&mut far, &BOTH);
    for (leg, (track, kind)) in (1..).zip(BOTH) {
        lima.done(|id| Command::OpenLegIn {
            peer: "oslo".into(),
            leg,
            track: track.into(),
            kind,
            room: ROOM.into(),
            id,
        });
        oslo.done(|id| Command::OpenLegOut {
            peer: "lima".into(),
            leg,
            track: track.into(),
            room: ROOM.into(),
            id,
        });
    }
    connect(&mut [&mut ann, &mut ben, &mut near, &mut far]);
    (ann.level_db, ben.level_db) = (-20, -127);
    talk(&mut ann, &mut ben, &mut [&mut near, &mut far], 25);
    for client in [&near, &far] {
        assert!(
            of(client, 2).is_empty(),
            "{}: the silent one is not sent",
            client.name
        );
        assert!(of(client, 1).len() >= 20);
    }
    for (loud, quiet) in [(2, 1), (1, 2)] {
        let levels = |who| if who == loud { -20 } else { -127 };
        (ann.level_db, ben.level_db) = (levels(1), levels(2));
        let before = far.packets.len();
        talk(&mut ann, &mut ben, &mut [&mut near, &mut far], 60);
        let late = far.packets[before..].iter().rev().take(20);
        assert!(late.clone().count() == 20);
        assert!(
            late.clone().all(|packet| packet.payload[0] == loud),
            "not {quiet}"
        );
    }
    for client in [&near, &far] {
        for sender in [1, 2] {
            let numbers = of(client, sender);
            assert!(numbers.len() > 20);
            assert!(
                numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
                "{}: {numbers:?}",
                client.name
            );
        }
    }
    assert!(oslo.counter("audio_not_among_loudest") > 50);
    let (_, tracks, _) = lima.statistics();
    assert!(tracks.iter().all(|track| track.relayed));
}

#[test]
fn a_room_is_stated_closed_and_bounded_by_name() {
    let mut node = Node::start();
    node.set_loudest(3);
    node.done(|id| Command::CloseRoom {
        room: ROOM.into(),
        id,
    });
    node.done(|id| Command::CloseRoom {
        room: "nowhere".into(),
        id,
    });
    let refused = node.refused(|id| Command::Subscribe {
        peer: "ben".into(),
        tracks: Vec::new(),
        room: String::new(),
        participant: "ben".into(),
        id,
    });
    assert_eq!(refused, "room_invalid");
    let refused = node.refused(|id| Command::Publish {
        peer: "ann".into(),
        sdp: "v=0".into(),
        tracks: [].into(),
        room: ROOM.into(),
        sender: "s".repeat(65),
        id,
    });
    assert_eq!(refused, "participant_invalid");
    assert_eq!(node.statistics().0.len(), 0);
}
