//! What one peer may do at most: beyond it that peer is closed with a code, and nobody else hears of it.

use std::time::{Duration, Instant};

use crate::stage::{Client, Node, ROOM, both_connected, picture, play, play_for, pt_of, written};
use starling_sfu::control::messages::MediaKind::Video;
use starling_sfu::control::messages::{Command, Message, State};
use starling_sfu::engine::links::leg::MAX_LEGS;
use starling_sfu::engine::media::codec::Codec;
use starling_sfu::engine::peers::stream_gate::MAX_STREAMS;
use str0m::Rtc;
use str0m::media::Mid;
use str0m::rtp::{Extension, RtpWrite};

/// Ann publishes and Ben receives, beside whatever Eve does.
struct Call {
    node: Node,
    ann: Client,
    ben: Client,
}

impl Call {
    fn start() -> Self {
        let mut node = Node::start();
        let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
        node.publish(&mut ann, &[Video]);
        node.subscribe(&mut ben, &[("ann_video", Video)]);
        both_connected(&mut ann, &mut ben);
        let mut call = Self { node, ann, ben };
        call.goes_on();
        call
    }

    fn goes_on(&mut self) {
        let before = self.ben.packets.len();
        play(&mut [&mut self.ann, &mut self.ben], "packets flow", |all| {
            all[0].send(Video, &[5; 600]);
            all[1].packets.len() >= before + 5
        });
    }
}

/// Without the SSRCs that it names: those are learnt from packets.
fn nameless(sdp: &str) -> String {
    sdp.lines()
        .filter(|line| !line.starts_with("a=ssrc"))
        .map(|line| line.to_owned() + "\r\n")
        .collect()
}

#[test]
fn a_publisher_of_streams_without_end_is_closed() {
    let mut call = Call::start();
    let mut eve = Client::new("eve");
    let (sdp, mids) = eve.offer(&[Video; MAX_STREAMS + 1]);
    let opened = call
        .node
        .publish_sdp("eve", nameless(&sdp), &mids[..1], &["eve_video"]);
    let Message::Described { sdp, .. } = opened else {
        panic!("{opened:?}");
    };
    eve.take_answer(&sdp);
    play(&mut [&mut eve], "she is connected", |all| all[0].connected);
    let pt = pt_of(&eve, Codec::Vp8);
    for (number, mid) in mids.iter().enumerate() {
        assert!(call.node.poll().iter().all(|event| !is_closed(event)));
        let mut api = eve.rtc.direct_api();
        let stream = api.stream_tx_by_mid(Mid::from(mid.as_str()), None).unwrap();
        let payload = picture(Codec::Vp8, number as u8);
        stream.write_rtp(RtpWrite::new(pt, 1.into(), 0, Instant::now(), payload));
        eve.elapse();
    }
    assert_eq!(call.node.state("eve", State::Closed), "too_many_streams");
    call.goes_on();
}

fn is_closed(event: &Message) -> bool {
    matches!(
        event,
        Message::PeerState {
            state: State::Closed,
            ..
        }
    )
}

#[test]
fn offers_that_name_streams_without_end_are_refused() {
    let mut call = Call::start();
    let mut eve = Client::new("eve");
    let (sdp, mids) = eve.offer(&[Video]);
    let of = |round: usize| {
        let named: String = (0..MAX_STREAMS / 4)
            .map(|number| format!("a=ssrc:{} cname:x\r\n", 1000 * round + number))
            .collect();
        nameless(&sdp) + &named
    };
    // Again and again, as a client does that never gives up its old ones.
    for round in 0..4 {
        for _ in 0..2 {
            let reply = call
                .node
                .publish_sdp("eve", of(round), &mids, &["eve_video"]);
            assert!(matches!(reply, Message::Described { .. }), "{reply:?}");
        }
    }
    let reply = call.node.publish_sdp("eve", of(4), &mids, &["eve_video"]);
    let Message::Failed { code, .. } = reply else {
        panic!("{reply:?}");
    };
    assert_eq!(code, "too_many_streams");
    assert_eq!(call.node.state("eve", State::Closed), "too_many_streams");
    call.goes_on();
}

#[test]
fn a_publisher_that_changes_its_codec_without_end_is_closed() {
    let mut call = Call::start();
    let mut eve = Client::new("eve");
    call.node.publish(&mut eve, &[Video]);
    play(&mut [&mut eve], "she is connected", |all| all[0].connected);
    let pts = [Codec::Vp8, Codec::Vp9].map(|codec| pt_of(&eve, codec));
    let change = |eve: &mut Client, numbers: std::ops::Range<u32>| {
        for number in numbers {
            let payload = picture(Codec::Vp8, 0);
            eve.write(written(&payload, pts[number as usize % 2], number * 3000));
            play_for(&mut [eve], Duration::from_millis(1));
        }
    };
    // The first is none, and 128 are borne.
    change(&mut eve, 0..129);
    call.goes_on();
    assert_eq!(call.node.statistics().0.len(), 3);
    change(&mut eve, 129..130);
    let reason = call.node.state("eve", State::Closed);
    assert_eq!(reason, "too_many_payload_types");
    call.goes_on();
}

/// With the least header a payload of 1,980 bytes makes a packet of 2,000, which str0m sends, and takes; but one
/// more byte of header, as every subscriber's packets have, and it would panic.
#[test]
fn a_publisher_of_payloads_that_fit_no_ethernet_frame_harms_nobody() {
    let mut call = Call::start();
    let config = Rtc::builder()
        .set_stats_interval(None)
        .clear_extension_map()
        .set_extension(4, Extension::RtpMid);
    let mut eve = Client::with("eve", config);
    let (sdp, mids) = eve.offer(&[Video]);
    let reply = call.node.publish_sdp("eve", sdp, &mids, &["eve_video"]);
    let Message::Described { sdp, .. } = reply else {
        panic!("{reply:?}");
    };
    eve.take_answer(&sdp);
    let pt = pt_of(&eve, Codec::Vp8);
    let mut number = 0;
    // Not to be sent again: a resend has two bytes more, and it is the test that would panic.
    let mut send = |eve: &mut Client, bytes: usize| {
        number += 1;
        let mut api = eve.rtc.direct_api();
        let mid = Mid::from(mids[0].as_str());
        let stream = api.stream_tx_by_mid(mid, None).unwrap();
        let time = number as u32 * 3000;
        let payload = vec![0; bytes];
        stream.write_rtp(RtpWrite::new(
            pt,
            number.into(),
            time,
            Instant::now(),
            payload,
        ));
        eve.elapse();
    };
    let wanted = [("ann_video", Video), ("eve_video", Video)];
    call.node.subscribe(&mut call.ben, &wanted);
    play(
        &mut [&mut eve, &mut call.ben],
        "what is small flows",
        |all| {
            if all[0].connected {
                send(all[0], 700);
            }
            has(all[1], 700)
        },
    );
    for _ in 0..50 {
        send(&mut eve, 1980);
        call.goes_on();
    }
    assert!(eve.sent_lately.iter().any(|sent| sent.len() > 1980));
    assert!(call.node.counter("datagrams_too_large") >= 50);
    // She is there too, and so is what she sends otherwise.
    play(
        &mut [&mut eve, &mut call.ben],
        "what is small flows again",
        |all| {
            send(all[0], 800);
            has(all[1], 800)
        },
    );
    let (peers, _, counters) = call.node.statistics();
    assert_eq!(peers.len(), 3);
    assert!(!counters.contains_key("peer_panics"), "{counters:?}");
}

fn has(client: &Client, bytes: usize) -> bool {
    let mut packets = client.packets.iter();
    packets.any(|packet| packet.payload.len() == bytes)
}

#[test]
fn a_link_of_legs_without_end_is_refused_more() {
    let mut call = Call::start();
    call.node.ask(|id| Command::OpenLink {
        peer: "lima".into(),
        controlling: true,
        lane: 0,
        beside: String::new(),
        id,
    });
    let open = |leg: usize| {
        move |id| Command::OpenLegIn {
            peer: "lima".into(),
            leg: leg as u32,
            track: format!("lima_{leg}"),
            kind: Video,
            room: ROOM.into(),
            id,
        }
    };
    for leg in 0..MAX_LEGS {
        call.node.done(open(leg));
    }
    assert_eq!(call.node.refused(open(MAX_LEGS)), "too_many_legs");
    // Those that are open may be said again, and room that was made is used.
    call.node.done(open(7));
    call.node.done(|id| Command::CloseLegIn {
        peer: "lima".into(),
        leg: 7,
        id,
    });
    call.node.done(open(MAX_LEGS));
    call.goes_on();
}
