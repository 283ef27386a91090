//! Simulcast: who gets which encoding, and how the change looks from the other end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::stage::{Client, Node, ROOM, like_engine, play_for};
use starling_sfu::control::messages::MediaKind::Video;
use starling_sfu::control::messages::{
    Command, LineState, LineStatistics, Message, PreferredTrack,
};
use str0m::Event;
use str0m::bwe::{Bitrate, BweKind};
use str0m::rtp::{Extension, RtpPacket, Vp8Descriptor};

const RIDS: [&str; 3] = ["l", "m", "h"];
const TRACK: &str = "ann_video";

/// Bytes of a frame of each encoding; at a frame in ten milliseconds 130, 400 and 850 kbit/s.
const FRAME_BYTES: [usize; 3] = [150, 490, 1050];

const FRAME: Duration = Duration::from_millis(10);

/// Estimates take their time: probes, and the second that a step up waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// VP8 of which only the headers are real.
struct Camera {
    sent: [u64; 3],
    next: Instant,
    /// Encodings that are not sent.
    off: [bool; 3],
}

impl Camera {
    fn new() -> Self {
        Self {
            sent: [0; 3],
            next: Instant::now(),
            off: [false; 3],
        }
    }

    fn turn(&mut self, client: &mut Client) {
        // What was due before anybody could be sent anything was never taken.
        let now = Instant::now();
        if self.next + 10 * FRAME < now {
            self.next = now;
        }
        while self.next <= Instant::now() {
            self.next += FRAME;
            for (at, rid) in RIDS.into_iter().enumerate() {
                let number = self.sent[at];
                self.sent[at] += 1;
                let asked = client
                    .keyframe_requests
                    .iter()
                    .any(|request| request.rid.is_some_and(|asked| &*asked == rid));
                if asked {
                    client
                        .keyframe_requests
                        .retain(|request| request.rid.is_none_or(|asked| &*asked != rid));
                }
                if !self.off[at] {
                    let sequence = 60_000 + 1000 * at as u64 + number;
                    let time = (number as u32 * 900).wrapping_add(77_777 * at as u32);
                    client.send_encoding(
                        rid,
                        sequence,
                        time,
                        &frame(at, number, asked || number == 0),
                    );
                }
            }
        }
    }
}

fn frame(encoding: usize, number: u64, keyframe: bool) -> Vec<u8> {
    let [high, low] = (number as u16 + 100 * encoding as u16).to_be_bytes();
    let mut bytes = vec![0x90, 0x80, 0x80 | high, low];
    if keyframe {
        let (width, height) = (320u16 << encoding, 180u16 << encoding);
        bytes.extend_from_slice(&[0x10, 0, 0, 0x9d, 0x01, 0x2a]);
        bytes.extend_from_slice(&width.to_le_bytes());
        bytes.extend_from_slice(&height.to_le_bytes());
    } else {
        bytes.extend_from_slice(&[0x11, 0, 0]);
    }
    bytes.resize(FRAME_BYTES[encoding], 0);
    bytes
}

fn encoding(packet: &RtpPacket) -> Option<usize> {
    FRAME_BYTES
        .iter()
        .position(|bytes| *bytes == packet.payload.len())
}

/// The stage: ann sends to ben, for as long as it takes.
struct Stage {
    node: Node,
    /// Where ben is, when that is another node.
    far: Option<Node>,
    ann: Client,
    ben: Client,
    camera: Camera,
}

impl Stage {
    fn new() -> Self {
        Self::on(Node::start(), None)
    }

    fn on(mut node: Node, mut far: Option<Node>) -> Self {
        let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
        node.publish_simulcast(&mut ann, &RIDS);
        far.as_mut()
            .unwrap_or(&mut node)
            .subscribe(&mut ben, &[(TRACK, Video)]);
        Self {
            node,
            far,
            ann,
            ben,
            camera: Camera::new(),
        }
    }

    fn prefer(&mut self, size: (u32, u32), paused: bool) {
        let node = self.far.as_mut().unwrap_or(&mut self.node);
        node.done(|id| Command::Prefer {
            peer: "ben".into(),
            tracks: vec![PreferredTrack {
                track: TRACK.into(),
                width: size.0,
                height: size.1,
                priority: 128,
                paused,
            }],
            id,
        });
    }

    fn play_until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < end, "gave up waiting until {what}");
            if self.ann.connected {
                self.camera.turn(&mut self.ann);
            }
            play_for(
                &mut [&mut self.ann, &mut self.ben],
                Duration::from_millis(2),
            );
        }
    }

    /// Play until the newest packets are all of one encoding.
    fn play_until_seen(&mut self, wanted: usize) {
        let from = self.ben.packets.len();
        self.play_until(&format!("encoding {wanted} is seen"), |stage| {
            let packets = &stage.ben.packets;
            packets.len() >= from + 20
                && packets[packets.len() - 20..]
                    .iter()
                    .all(|packet| encoding(packet) == Some(wanted))
        });
    }

    /// What the node reads of ben's line.
    fn line(&mut self) -> LineStatistics {
        let node = self.far.as_mut().unwrap_or(&mut self.node);
        match node.ask(|id| Command::GetStatistics { page: 0, id }) {
            Message::Statistics { mut lines, .. } => lines.pop().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// What ben wants reaches ann's client, wherever ben is.
    fn wishes_arrive(&mut self) {
        self.prefer((320, 180), false);
        self.play_until_seen(0);
        assert_eq!(self.wanted(), told(["l"]));
        self.prefer((1280, 720), false);
        self.play_until_seen(2);
        assert_eq!(self.wanted(), told(RIDS));
        assert_seamless(&self.ben.packets);
    }

    fn wanted(&mut self) -> BTreeMap<String, bool> {
        self.node.event(|event| match event {
            Message::LayersWanted { encodings, .. } => Some(encodings.clone()),
            _ => None,
        })
    }
}

/// The streams that are wanted, of all.
fn told<const N: usize>(wanted: [&str; N]) -> BTreeMap<String, bool> {
    RIDS.iter()
        .map(|rid| ((*rid).to_owned(), wanted.contains(rid)))
        .collect()
}

/// What a decoder needs: no number missing, time that goes on, every change at a keyframe.
fn assert_seamless(packets: &[RtpPacket]) {
    let mut packets: Vec<&RtpPacket> = packets.iter().collect();
    packets.sort_by_key(|packet| *packet.seq_no);
    for pair in packets.windows(2) {
        let (one, next) = (pair[0], pair[1]);
        assert_eq!(*next.seq_no, *one.seq_no + 1, "a number is missing");
        let passed = next.header.timestamp.wrapping_sub(one.header.timestamp);
        // The longest pause here takes three seconds.
        assert!((1..4 * 90_000).contains(&passed), "{passed} ticks");
        let ids = [one, next].map(|packet| {
            let descriptor = Vp8Descriptor::parse(&packet.payload).unwrap();
            descriptor.picture_id().unwrap()
        });
        assert_eq!(ids[1], (ids[0] + 1) & 0x7fff, "a picture is missing");
        if encoding(one) != encoding(next) {
            let descriptor = Vp8Descriptor::parse(&next.payload).unwrap();
            assert!(descriptor.starts_keyframe(&next.payload));
        }
    }
}

#[test]
fn a_page_gets_the_size_that_it_shows_and_the_rest_is_not_wanted() {
    let mut stage = Stage::new();
    stage.wishes_arrive();
    stage.prefer((600, 340), false);
    stage.play_until_seen(1);
    assert_seamless(&stage.ben.packets);
    // The rate of a line is that of its last second or two.
    let measured = Instant::now() + Duration::from_secs(3);
    stage.play_until("a rate is measured", |_| Instant::now() > measured);
    let line = stage.line();
    assert_eq!((&*line.peer, &*line.track), ("ben", TRACK));
    assert_eq!((line.state, line.encoding), (LineState::Flowing, Some(1)));
    assert_eq!(line.height, Some(360));
    assert!((300_000..500_000).contains(&line.bitrate_bps), "{line:?}");
    // Time went on as the frames did.
    let first = stage.ben.packets.first().unwrap();
    let last = stage.ben.packets.last().unwrap();
    let ticks = last.header.timestamp.wrapping_sub(first.header.timestamp);
    let frames = stage.camera.sent[0] as u32 * 900;
    assert!(
        ticks <= frames + 9000 && ticks + 90_000 > frames,
        "{ticks} of {frames}"
    );
    stage.prefer((0, 0), true);
    let count = stage.ben.packets.len();
    let mut end = Instant::now() + Duration::from_millis(500);
    stage.play_until("a pause is over", |_| Instant::now() > end);
    assert!(stage.ben.packets.len() <= count + 60);
    end = Instant::now() + Duration::from_secs(2);
    stage.play_until("nothing is wanted", |_| Instant::now() > end);
    while stage.wanted() != told([]) {}
    let line = stage.line();
    assert_eq!((line.state, line.encoding), (LineState::Paused, None));
    stage.prefer((0, 0), false);
    stage.play_until_seen(2);
    assert_seamless(&stage.ben.packets);
}

#[test]
fn the_picture_follows_the_bandwidth_down_and_up() {
    let mut stage = Stage::new();
    stage.play_until_seen(2);
    stage.ben.way.rate_bps = 350_000;
    stage.play_until_seen(0);
    stage.ben.way.rate_bps = 0;
    stage.play_until_seen(2);
}

#[test]
fn an_encoding_that_falls_silent_is_replaced_by_another() {
    let mut stage = Stage::new();
    stage.play_until_seen(2);
    stage.camera.off[2] = true;
    stage.play_until_seen(1);
    stage.camera.off[2] = false;
    stage.play_until_seen(2);
    assert_seamless(&stage.ben.packets);
}

/// Clients without transport-cc hear by REMB what they may send, others find out by themselves.
#[test]
fn a_publisher_without_feedback_is_told_what_it_may_send() {
    for numbers in [false, true] {
        let mut all = like_engine();
        let without: Vec<(u8, Extension)> = all
            .extension_map()
            .iter()
            .filter(|(_, extension)| numbers || **extension != Extension::TransportSequenceNumber)
            .map(|(id, extension)| (id, extension.clone()))
            .collect();
        let config = without
            .into_iter()
            .fold(all.clear_extension_map(), |config, (id, extension)| {
                config.set_extension(id, extension)
            })
            .enable_bwe(Some(Bitrate::kbps(500)));
        let (mut node, mut ann) = (Node::start(), Client::with("ann", config));
        node.publish(&mut ann, &[Video]);
        let begun = Instant::now();
        let mut told = None;
        while told.is_none() && begun.elapsed() < Duration::from_secs(3) {
            if ann.connected {
                ann.send(Video, &[5; 1000]);
            }
            play_for(&mut [&mut ann], Duration::from_millis(10));
            told = ann.events.iter().find_map(|event| match event {
                Event::EgressBitrateEstimate(BweKind::Remb { estimate, .. }) => {
                    Some(estimate.as_u64())
                }
                _ => None,
            });
        }
        match told {
            Some(bps) => assert!(!numbers && (300_000..1_500_000).contains(&bps), "{bps}"),
            None => assert!(numbers, "nothing was told"),
        }
    }
}

#[test]
fn what_is_wanted_beyond_a_link_is_told_over_it() {
    let (mut oslo, mut lima) = (Node::start(), Node::start());
    Node::link((&mut oslo, "lima"), (&mut lima, "oslo"));
    lima.done(|id| Command::OpenLegIn {
        peer: "oslo".into(),
        leg: 1,
        track: TRACK.into(),
        kind: Video,
        room: ROOM.into(),
        id,
    });
    oslo.done(|id| Command::OpenLegOut {
        peer: "lima".into(),
        leg: 1,
        track: TRACK.into(),
        room: ROOM.into(),
        id,
    });
    Stage::on(oslo, Some(lima)).wishes_arrive();
}

#[test]
fn what_is_wanted_on_another_worker_is_told_to_the_first() {
    Stage::on(Node::start_with(2), None).wishes_arrive();
}
