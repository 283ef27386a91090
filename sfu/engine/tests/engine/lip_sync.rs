//! Sound and picture of one publisher, as a subscriber places them in time.

use std::time::{Duration, Instant, SystemTime};

use starling_sfu::control::messages::MediaKind::{Audio, Video};
use starling_sfu::engine::media::codec::Codec;
use str0m::rtp::{AbsCaptureTime, ExtensionValues, RtpPacket};

use crate::stage::{
    Client, Node, Written, both_connected, like_engine, picture, play, pt_of, written,
};

/// When what was in a packet was captured, by the reports on its stream, seconds since 1970.
fn captured(packet: &RtpPacket, rate: f64) -> Option<f64> {
    let report = packet
        .last_sender_info
        .filter(|report| report.sender_packet_count > 0)?;
    let ticks = packet
        .header
        .timestamp
        .wrapping_sub(report.rtp_time.numer() as u32) as i32;
    let reported = report
        .ntp_time
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()?;
    Some(reported.as_secs_f64() + f64::from(ticks) / rate)
}

/// By how many seconds sound was captured before the picture that is sent with it, as a subscriber
/// works it out. `capture` says it in the packets; else the client's own reports do.
fn sound_before_picture(capture: bool, sound_ago: Duration, picture_ago: Duration) -> f64 {
    let config = || like_engine().set_rtcp_report_interval_audio(Duration::from_millis(200));
    let mut node = Node::start();
    let (mut ann, mut ben) = (Client::with("ann", config()), Client::with("ben", config()));
    node.publish(&mut ann, &[Audio, Video]);
    node.subscribe(&mut ben, &[("ann_audio", Audio), ("ann_video", Video)]);
    both_connected(&mut ann, &mut ben);
    let pts = [pt_of(&ann, Codec::Opus), pt_of(&ann, Codec::Vp8)];
    let start = Instant::now();
    let last = |client: &Client, audio: bool| {
        let wanted = picture(if audio { Codec::Opus } else { Codec::Vp8 }, 1);
        let mut packets = client.packets.iter().rev();
        let packet = packets.find(|packet| *packet.payload == *wanted)?;
        captured(packet, if audio { 48_000.0 } else { 90_000.0 })
    };
    play(&mut [&mut ann, &mut ben], "reports tell of both", |all| {
        let now = Instant::now();
        let elapsed = (now - start).as_micros() as u64;
        for (kind, pt, ago) in [(Audio, pts[0], sound_ago), (Video, pts[1], picture_ago)] {
            let (codec, rate) = match kind {
                Audio => (Codec::Opus, 48_000),
                Video => (Codec::Vp8, 90_000),
            };
            let values = ExtensionValues {
                abs_capture_time: capture.then(|| AbsCaptureTime {
                    capture_time: SystemTime::now() - ago,
                    clock_offset: None,
                }),
                ..ExtensionValues::default()
            };
            let payload = picture(codec, 1);
            all[0].write(Written {
                kind,
                wallclock: if capture { now } else { now - ago },
                values,
                ..written(&payload, pt, (elapsed * rate / 1_000_000) as u32)
            });
        }
        // A report before the first word of the source's clock is placed anyhow: let them settle.
        elapsed > 4_000_000 && last(all[1], true).is_some() && last(all[1], false).is_some()
    });
    last(&ben, false).unwrap() - last(&ben, true).unwrap()
}

#[test]
fn sound_and_picture_stay_as_far_apart_as_they_were_captured() {
    let [early, late] = [500, 200].map(Duration::from_millis);
    for capture in [true, false] {
        let apart = sound_before_picture(capture, early, late);
        assert!(
            (apart - 0.3).abs() < 0.02,
            "{apart} s, capture times: {capture}"
        );
    }
}
