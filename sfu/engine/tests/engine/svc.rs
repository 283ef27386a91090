//! SVC: one stream with spatial and temporal layers, and what of it goes to whom.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use starling_sfu::control::messages::MediaKind::Video;
use starling_sfu::control::messages::{Command, Message, PreferredTrack};
use starling_sfu::engine::media::codec::Codec;
use str0m::media::{Mid, Pt};
use str0m::rtp::{RtpPacket, RtpWrite};

use crate::stage::{Client, Node, both_connected, play_for, pt_of};

const TRACK: &str = "ann_video";
const FRAME: Duration = Duration::from_millis(20);

/// Bytes of a packet of each spatial layer; at a picture in 20 ms 40, 240 and 360 kbit/s.
const LAYER_BYTES: [usize; 3] = [100, 600, 900];

/// Temporal layers in the order of the pictures.
const TEMPORAL: [u8; 4] = [0, 2, 1, 2];

/// Estimates take their time: probes, and the second that a step up waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// VP9 in three spatial and three temporal layers (L3T3), of which only the payload descriptors are real
/// (RFC 9628 section 4.2): each layer of a picture is one packet.
struct Camera {
    mid: Mid,
    pt: Pt,
    pictures: u16,
    sequence: u64,
    since_keyframe: usize,
    next: Instant,
}

impl Camera {
    fn turn(&mut self, client: &mut Client) {
        while self.next <= Instant::now() {
            self.next += FRAME;
            if self.pictures == 0 || !std::mem::take(&mut client.keyframe_requests).is_empty() {
                self.since_keyframe = 0;
            }
            for spatial in 0..3 {
                let payload = self.packet(spatial);
                let time = u32::from(self.pictures) * 1800;
                let mut api = client.rtc.direct_api();
                let stream = api.stream_tx_by_mid(self.mid, None).unwrap();
                let now = Instant::now();
                let write = RtpWrite::new(self.pt, self.sequence.into(), time, now, payload);
                stream.write_rtp(write.marker(spatial == 2).nackable(true));
                self.sequence += 1;
                client.elapse();
            }
            self.pictures += 1;
            self.since_keyframe += 1;
        }
    }

    fn packet(&self, spatial: u8) -> Vec<u8> {
        let keyframe = self.since_keyframe == 0;
        let structure = keyframe && spatial == 0;
        let temporal = TEMPORAL[self.since_keyframe % TEMPORAL.len()];
        let [high, low] = self.pictures.to_be_bytes();
        let mut bytes = vec![
            // Picture id, layers, first and last packet of its frame.
            0xac | u8::from(!keyframe) << 6 | u8::from(structure) << 1,
            0x80 | high,
            low,
            // One may switch up here; upper layers build on the lower ones.
            temporal << 5 | 1 << 4 | spatial << 1 | u8::from(spatial > 0),
            (self.pictures / 4) as u8,
        ];
        if structure {
            // The sizes of three layers; browsers say them once, with the lowest one.
            bytes.push(2 << 5 | 1 << 4);
            for size in [320u16, 180, 640, 360, 1280, 720] {
                bytes.extend_from_slice(&size.to_be_bytes());
            }
        }
        bytes.resize(LAYER_BYTES[usize::from(spatial)], 0);
        bytes
    }
}

fn spatial(packet: &RtpPacket) -> u8 {
    packet.payload[3] >> 1 & 7
}

fn temporal(packet: &RtpPacket) -> u8 {
    packet.payload[3] >> 5
}

fn is_keyframe(packet: &RtpPacket) -> bool {
    packet.payload[0] & 0x40 == 0
}

struct Stage {
    node: Node,
    ann: Client,
    ben: Client,
    camera: Camera,
}

impl Stage {
    fn start() -> Self {
        let mut node = Node::start();
        let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
        let (sdp, mids) = ann.offer(&[Video]);
        let Message::Described { sdp, .. } = node.publish_sdp("ann", sdp, &mids, &[TRACK]) else {
            panic!("it was not published");
        };
        ann.take_answer(&sdp);
        node.subscribe(&mut ben, &[(TRACK, Video)]);
        both_connected(&mut ann, &mut ben);
        let camera = Camera {
            mid: Mid::from(mids[0].as_str()),
            pt: pt_of(&ann, Codec::Vp9),
            pictures: 0,
            sequence: 60_000,
            since_keyframe: 0,
            next: Instant::now(),
        };
        Self {
            node,
            ann,
            ben,
            camera,
        }
    }

    fn prefer(&mut self, (width, height): (u32, u32)) {
        self.node.done(|id| Command::Prefer {
            peer: "ben".into(),
            tracks: vec![PreferredTrack {
                track: TRACK.into(),
                width,
                height,
                priority: 128,
                paused: false,
            }],
            id,
        });
    }

    /// Play until the newest pictures all have this spatial layer as their highest, and all temporal layers come.
    fn play_until_seen(&mut self, highest: u8) {
        let from = self.ben.packets.len();
        let end = Instant::now() + PATIENCE;
        loop {
            let seen = pictures(&self.ben.packets[from..]);
            let newest: Vec<_> = seen.values().rev().skip(1).take(20).collect();
            let top = |picture: &&Vec<&RtpPacket>| picture.last().map(|last| spatial(last));
            if newest.len() == 20
                && newest.iter().all(|picture| top(picture) == Some(highest))
                && (0..3).all(|wanted| newest.iter().any(|one| temporal(one[0]) == wanted))
            {
                return;
            }
            assert!(Instant::now() < end, "gave up waiting for layer {highest}");
            self.camera.turn(&mut self.ann);
            play_for(
                &mut [&mut self.ann, &mut self.ben],
                Duration::from_millis(2),
            );
        }
    }
}

/// Packets in the order of their numbers, by the time of their picture.
fn pictures(packets: &[RtpPacket]) -> BTreeMap<u64, Vec<&RtpPacket>> {
    let mut pictures: BTreeMap<u64, Vec<&RtpPacket>> = BTreeMap::new();
    for packet in packets {
        pictures
            .entry(packet.time.numer())
            .or_default()
            .push(packet);
    }
    for picture in pictures.values_mut() {
        picture.sort_by_key(|packet| *packet.seq_no);
    }
    pictures
}

/// What a decoder needs: no number missing, more of a picture only from a whole one on, and the marker at the end of
/// what it gets of a picture.
fn assert_decodable(packets: &[RtpPacket]) {
    let mut numbers: Vec<u64> = packets.iter().map(|packet| *packet.seq_no).collect();
    numbers.sort_unstable();
    assert!(
        numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "a number is missing, or there twice"
    );
    let pictures: Vec<_> = pictures(packets).into_values().collect();
    let (_, whole) = pictures.split_last().unwrap();
    let mut highest = None;
    for (at, picture) in whole.iter().enumerate() {
        let layers: Vec<u8> = picture.iter().map(|packet| spatial(packet)).collect();
        let top = layers.len() as u8 - 1;
        assert_eq!(layers, (0..=top).collect::<Vec<_>>(), "picture {at}");
        if highest.is_none_or(|before| top > before) {
            assert!(is_keyframe(picture[0]), "picture {at} builds on nothing");
        }
        highest = Some(top);
        let marked: Vec<bool> = picture.iter().map(|one| one.header.marker).collect();
        let wanted: Vec<bool> = (0..=top).map(|layer| layer == top).collect();
        assert_eq!(marked, wanted, "picture {at} of {layers:?}");
    }
}

#[test]
fn a_page_gets_the_spatial_layers_that_it_shows() {
    let mut stage = Stage::start();
    stage.prefer((1280, 720));
    stage.play_until_seen(2);
    stage.prefer((320, 180));
    stage.play_until_seen(0);
    stage.prefer((1280, 720));
    stage.play_until_seen(2);
    stage.prefer((320, 180));
    stage.play_until_seen(0);
    assert_decodable(&stage.ben.packets);
}
