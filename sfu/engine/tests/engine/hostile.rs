//! What others send us that they should not: no call ends by it, and all of it is counted.

use std::time::Duration;

use crate::stage::{Client, Node, ROOM, play, play_for};
use starling_sfu::control::messages::MediaKind::{Audio, Video};
use starling_sfu::control::messages::{Command, ENGINE_PROTOCOL, Message};

fn flows(ann: &mut Client, ben: &mut Client) {
    let before = ben.packets.len();
    play(&mut [ann, ben], "packets flow", |all| {
        if all[0].connected && all[1].connected {
            all[0].send(Video, &[5; 600]);
        }
        all[1].packets.len() >= before + 5
    });
}

#[test]
fn large_payloads_harm_nobody() {
    let mut node = Node::start();
    let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
    node.publish(&mut ann, &[Audio, Video]);
    node.subscribe(&mut ben, &[("ann_video", Video)]);
    flows(&mut ann, &mut ben);
    for bytes in [1400, 1401, 1430, 1460, 1700, 1900] {
        for _ in 0..5 {
            ann.send(Video, &vec![9; bytes]);
            play_for(&mut [&mut ann, &mut ben], Duration::from_millis(1));
        }
    }
    flows(&mut ann, &mut ben);
    assert!(
        ben.packets
            .iter()
            .any(|packet| packet.payload.len() == 1400)
    );
    assert!(
        ben.packets
            .iter()
            .all(|packet| packet.payload.len() <= 1400)
    );
    // The largest that goes out fits also when it is sent again: a header more, and it arrives.
    let largest = |client: &Client| {
        let packets = client.packets.iter();
        packets
            .filter(|packet| packet.payload.len() == 1400)
            .count()
    };
    let before = largest(&ben);
    // Above 15 % of resends str0m sends none.
    ben.lose_one_in = 10;
    for _ in 0..20 {
        ann.send(Video, &[9; 1400]);
    }
    play_for(&mut [&mut ann, &mut ben], Duration::from_millis(20));
    ben.lose_one_in = 0;
    let mut turns = 0;
    play(&mut [&mut ann, &mut ben], "all large ones came", |all| {
        // A loss shows by what comes after it; of so many, that what was lost is remembered still.
        turns += 1;
        if turns % 20 == 0 {
            all[0].send(Video, &[5; 600]);
        }
        largest(all[1]) >= before + 20
    });
    let (peers, _, counters) = node.statistics();
    assert_eq!(peers.len(), 2);
    assert!(counters["payloads_too_large"] >= 10, "{counters:?}");
    assert!(counters["datagrams_too_large"] >= 10, "{counters:?}");
}

#[test]
fn bad_commands_are_refused_by_code() {
    let mut node = Node::silent();
    let hello = |protocol, address: &str| {
        let media_address = address.to_owned();
        move |id| Command::Hello {
            protocol,
            media_address,
            media_port: 0,
            advertised: Vec::new(),
            workers: 1,
            stun_servers: Vec::new(),
            tcp: false,
            id,
        }
    };
    assert_eq!(
        node.refused(|id| Command::GetStatistics { page: 0, id }),
        "hello_missing"
    );
    assert_eq!(node.refused(hello(99, "127.0.0.1")), "protocol_unsupported");
    assert_eq!(
        node.refused(hello(ENGINE_PROTOCOL, "garbage")),
        "media_address_invalid"
    );
    let ready = node.ask(hello(ENGINE_PROTOCOL, "127.0.0.1"));
    let Message::Ready { addresses, .. } = ready else {
        panic!("{ready:?}");
    };
    assert_eq!(
        node.refused(hello(ENGINE_PROTOCOL, "127.0.0.1")),
        "hello_repeated"
    );

    let mut other = Node::silent();
    let port = addresses[0].rsplit_once(':').unwrap().1.parse().unwrap();
    let taken = other.refused(|id| Command::Hello {
        protocol: ENGINE_PROTOCOL,
        media_address: "127.0.0.1".into(),
        media_port: port,
        advertised: Vec::new(),
        workers: 1,
        stun_servers: Vec::new(),
        tcp: false,
        id,
    });
    assert_eq!(taken, "media_port_taken");

    let publish = |sdp: &str| {
        let sdp = sdp.to_owned();
        move |id| Command::Publish {
            peer: "p".into(),
            sdp,
            tracks: [("0".to_owned(), "t".to_owned())].into(),
            room: ROOM.into(),
            sender: "p".into(),
            id,
        }
    };
    assert_eq!(node.refused(publish("")), "sdp_invalid");
    assert_eq!(node.refused(publish("v=0\r\nnonsense")), "sdp_invalid");
    assert_eq!(
        node.statistics().0.len(),
        0,
        "a refused publisher is not there"
    );
    let answered = |generation| {
        move |id| Command::Answered {
            peer: "s".into(),
            generation,
            sdp: String::new(),
            id,
        }
    };
    assert_eq!(node.refused(answered(1)), "peer_unknown");
    node.want("s", &[("t", Audio)]);
    assert_eq!(node.refused(answered(2)), "offer_stale");
    assert_eq!(node.refused(answered(1)), "sdp_invalid");
    assert_eq!(
        node.refused(|id| Command::SendLink {
            peer: "s".into(),
            data: vec![],
            id
        }),
        "peer_kind_wrong"
    );
    let open = |id| Command::OpenLink {
        peer: "l".into(),
        controlling: true,
        lane: 0,
        beside: String::new(),
        id,
    };
    assert!(matches!(node.ask(open), Message::LinkOpened { .. }));
    assert_eq!(node.refused(open), "peer_exists");
    assert_eq!(
        node.refused(|id| Command::SendLink {
            peer: "l".into(),
            data: vec![1],
            id
        }),
        "link_not_open"
    );
    node.done(|id| Command::ClosePeer {
        peer: "nobody".into(),
        id,
    });
}

const CHROMIUM: &str = include_str!("chromium_offer.sdp");

fn publish_chromium(node: &mut Node, sdp: &str) -> Message {
    let (sdp, tracks) = (
        sdp.to_owned(),
        [
            ("0".to_owned(), "a".to_owned()),
            ("1".to_owned(), "v".to_owned()),
        ]
        .into(),
    );
    node.ask(|id| Command::Publish {
        peer: "chromium".into(),
        sdp,
        tracks,
        room: ROOM.into(),
        sender: "chromium".into(),
        id,
    })
}

#[test]
fn an_offer_of_many_codecs_and_hidden_addresses_gets_ours() {
    let mut node = Node::start();
    assert!(CHROMIUM.contains(".local "));
    let Message::Described { sdp, .. } = publish_chromium(&mut node, CHROMIUM) else {
        panic!("refused");
    };
    assert!(sdp.contains("a=ice-lite"), "{sdp}");
    for ours in ["VP8", "VP9", "H264", "AV1", "opus", "red/48000/2"] {
        assert!(sdp.contains(ours), "{ours} in {sdp}");
    }
    for other in ["G722", "PCMU", "telephone-event", "ulpfec"] {
        assert!(!sdp.contains(other), "{sdp}");
    }
    assert!(node.counter("candidates_ignored") >= 4);
    for candidate in [
        "candidate:1 1 udp 1 0f7a.local 5000 typ host",
        "candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active",
        "garbage",
        "",
    ] {
        node.done(|id| Command::AddCandidate {
            peer: "chromium".into(),
            candidate: candidate.into(),
            id,
        });
    }
    assert_eq!(node.counter("candidates_ignored"), 7);
}

#[test]
fn an_offer_without_a_codec_of_ours_is_refused() {
    let mut node = Node::start();
    let video = CHROMIUM.find("m=video").unwrap();
    let without = format!(
        "{}{}",
        &CHROMIUM[..video],
        CHROMIUM[video..].replace("/90000", "x/90000")
    );
    match publish_chromium(&mut node, &without) {
        Message::Failed { code, .. } => assert_eq!(code, "codec_unsupported"),
        other => panic!("{other:?}"),
    }
    assert_eq!(node.statistics().0.len(), 0);
}
