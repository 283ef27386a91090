//! Descriptions that no browser writes: each is refused or understood, in little time, and costs
//! nobody his call.

use std::time::{Duration, Instant};

use crate::stage::{Client, Node, ROOM, play};
use starling_sfu::control::messages::MediaKind::Video;
use starling_sfu::control::messages::{Command, Message};

const CHROMIUM: &str = include_str!("chromium_offer.sdp");

/// Of an engine without optimisation, on a machine that does other things too; released it is a tenth.
const LONGEST: Duration = Duration::from_millis(400);

/// Below what one frame of the control socket holds.
const LARGE: usize = 900_000;

/// The lines of the first m-line of Chromium's offer.
fn first_section() -> &'static str {
    let start = CHROMIUM.find("m=").unwrap();
    let length = CHROMIUM[start + 2..].find("m=").unwrap();
    &CHROMIUM[start..start + 2 + length]
}

fn session() -> &'static str {
    &CHROMIUM[..CHROMIUM.find("m=").unwrap()]
}

/// Chromium's offer with these lines at the end of its last m-line.
fn with(lines: &str) -> String {
    format!("{CHROMIUM}{lines}")
}

fn nasty() -> Vec<(&'static str, String)> {
    let many = |line: &str, count: usize| {
        (0..count)
            .map(|number| line.replace('#', &number.to_string()) + "\r\n")
            .collect::<String>()
    };
    vec![
        ("nothing", String::new()),
        ("one line", "v=0\r\n".into()),
        ("nulls", "\0".repeat(LARGE)),
        ("line ends", "\r\n".repeat(LARGE / 2)),
        ("one long line", format!("v=0\r\na={}", "x".repeat(LARGE))),
        ("one long name", with(&format!("a=mid:{}\r\n", "x".repeat(LARGE / 2)))),
        (
            "a thousand m-lines",
            session().to_owned()
                + &(0..200)
                    .map(|number| first_section().replace("a=mid:0", &format!("a=mid:{number}")))
                    .collect::<String>(),
        ),
        ("short m-lines", format!("{}{}", session(), "m=audio 9 X 0\r\n".repeat(50_000))),
        ("streams", with(&many("a=ssrc:# cname:x", 20_000))),
        ("few streams", with(&many("a=ssrc:# cname:x", 300))),
        ("groups", with(&many("a=ssrc-group:FID # #", 300))),
        ("candidates", with(&many("a=candidate:# 1 udp 1 192.0.2.1 5000 typ host", 12_000))),
        ("formats", with(&many("a=rtpmap:# VP8/90000", 390))),
        ("parameters", with(&many("a=fmtp:96 x=#", 390))),
        ("extensions", with(&many("a=extmap:# urn:x:#", 390))),
        ("feedback", with(&many("a=rtcp-fb:# nack", 390))),
        ("the same mid twice", CHROMIUM.replace("a=mid:1", "a=mid:0")),
        ("no mid", CHROMIUM.replace("a=mid:0\r\n", "")),
        ("no bundle", CHROMIUM.replace("a=group:BUNDLE", "a=group:NONE")),
        ("a bundle of strangers", CHROMIUM.replace("a=group:BUNDLE 0", "a=group:BUNDLE 7 8 9 0")),
        ("no fingerprint", CHROMIUM.replace("a=fingerprint:", "a=x-fingerprint:")),
        ("a short fingerprint", CHROMIUM.replace("a=fingerprint:sha-256 ", "a=fingerprint:sha-256 AA:")),
        ("no password", CHROMIUM.replace("a=ice-pwd:", "a=x-ice-pwd:")),
        ("no fragment", CHROMIUM.replace("a=ice-ufrag:", "a=x-ice-ufrag:")),
        ("no direction", CHROMIUM.replace("a=sendrecv", "a=x").replace("a=sendonly", "a=x")),
        ("both active", CHROMIUM.replace("a=setup:actpass", "a=setup:active")),
        ("no set-up", CHROMIUM.replace("a=setup:actpass", "a=setup:holdconn")),
        ("rids of garbage", with("a=rid:\u{fc}\u{fc} send\r\na=rid: send\r\na=rid:x\r\na=simulcast:send ;;,~,~;x\r\n")),
        ("rids without end", with(&format!("{}a=simulcast:send {}\r\n", many("a=rid:r# send", 350), many("r#", 350).replace("\r\n", ";")))),
        ("a rid with everything", with("a=rid:h send pt=96,97;max-width=0;max-fps=-1;depend=h;x=;;=\r\na=simulcast:send h recv h\r\n")),
        ("payload types beyond", CHROMIUM.replace(" 96 ", " 96 128 255 256 99999 ")),
        ("no payload type", CHROMIUM.replacen("SAVPF ", "SAVPF\r\nx=", 1)),
        ("data without end", with(&"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:d\r\na=sctp-port:5000\r\n".repeat(20))),
        ("upside down", CHROMIUM.lines().rev().map(|line| line.to_owned() + "\r\n").collect()),
    ]
}

#[test]
fn a_nasty_description_costs_little_and_nobody_his_call() {
    let mut node = Node::start();
    let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
    node.publish(&mut ann, &[Video]);
    node.subscribe(&mut ben, &[("ann_video", Video)]);
    let flows = |ann: &mut Client, ben: &mut Client| {
        let before = ben.packets.len();
        play(&mut [ann, ben], "packets flow", |all| {
            if all[0].connected && all[1].connected {
                all[0].send(Video, &[5; 600]);
            }
            all[1].packets.len() >= before + 3
        });
    };
    flows(&mut ann, &mut ben);
    node.want("victim", &[("ann_video", Video)]);
    for (what, sdp) in nasty() {
        assert!(sdp.len() < 1 << 20, "{what} fits no frame");
        for known in [false, true] {
            let tracks = [("0".into(), "a".into()), ("1".into(), "v".into())].into();
            let (peer, offer) = (if known { "known" } else { "new" }, sdp.clone());
            let started = Instant::now();
            let reply = node.ask(|id| Command::Publish {
                peer: peer.into(),
                sdp: offer,
                tracks,
                room: ROOM.into(),
                sender: "eve".into(),
                id,
            });
            let took = started.elapsed();
            assert!(took < LONGEST, "{what}: {took:?}");
            match reply {
                Message::Described { .. } => {}
                Message::Failed { code, message, .. } => {
                    assert!(message.len() < 1000, "{what}: {code}");
                }
                other => panic!("{what}: {other:?}"),
            }
            node.done(|id| Command::ClosePeer {
                peer: "new".into(),
                id,
            });
            flows(&mut ann, &mut ben);
        }
        let started = Instant::now();
        let reply = node.ask(|id| Command::Answered {
            peer: "victim".into(),
            generation: 1,
            sdp,
            id,
        });
        assert!(started.elapsed() < LONGEST, "{what} as an answer");
        // An answer that was applied in part closes its subscriber, and only it.
        let closed = !matches!(&reply, Message::Failed { code, .. } if code == "sdp_invalid");
        let gone = node.statistics().0.iter().all(|peer| peer.peer != "victim");
        if closed || gone {
            node.done(|id| Command::ClosePeer {
                peer: "victim".into(),
                id,
            });
            node.want("victim", &[("ann_video", Video)]);
        }
    }
    flows(&mut ann, &mut ben);
    assert_eq!(node.counter("peer_panics"), 0);
}

#[test]
fn more_tracks_than_streams_are_refused() {
    let mut node = Node::start();
    let tracks = (0..33)
        .map(|number| (number.to_string(), format!("t{number}")))
        .collect();
    let code = node.refused(|id| Command::Publish {
        peer: "eve".into(),
        sdp: CHROMIUM.into(),
        tracks,
        room: ROOM.into(),
        sender: "eve".into(),
        id,
    });
    assert_eq!(code, "too_many_tracks");
    assert_eq!(node.statistics().0.len(), 0);
}
