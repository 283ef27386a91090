//! One RTP stream that a publisher sends: from str0m's packets to ours.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use str0m::media::{Mid, Pt, Rid};
use str0m::rtp::rtcp::SenderInfo;
use str0m::rtp::{ExtensionValues, RtpPacket, Ssrc};

use super::extensions::{RawDescriptor, descriptor};
use crate::control::messages::MediaKind;
use crate::engine::media::clock::{Anchor, PAST, RtpClock};
use crate::engine::media::codec::{Codec, Format};
use crate::engine::media::packet::{
    AudioLevel, Layering, MediaPacket, PlayoutDelay, REDUNDANT_TYPE,
};
use crate::engine::media::rewrite::SourceRun;
use crate::engine::payload::layers::{LayerReader, Seen};
use crate::engine::payload::red::{Red, retype};

/// A report that places a packet further from its arrival than this is not about what is sent:
/// str0m's own speak of time stamp 0 until the first packet, and anybody may say anything.
const MAX_AGE: Duration = Duration::from_secs(10);

type Payload = Arc<[u8]>;

/// What a payload type of a peer stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coding {
    pub pt: Pt,
    pub format: Format,
    /// The same with copies of earlier frames (RFC 2198).
    pub red: Option<Pt>,
}

impl Coding {
    /// Whether packets of that payload type are coded so.
    #[must_use]
    pub fn is(&self, pt: Pt) -> bool {
        self.pt == pt || self.red == Some(pt)
    }
}

/// A stream, by its SSRC.
#[derive(Debug)]
pub struct IncomingStream {
    pub ssrc: Ssrc,
    pub mid: Option<Mid>,
    pub rid: Option<Rid>,
    /// Rank of `rid` on its line.
    pub encoding: u8,
    run: SourceRun,
    /// The payload type that packets have.
    pt: Option<Pt>,
    reported: Option<SenderInfo>,
    layers: LayerReader,
    clock: Option<RtpClock>,
    /// The clock comes from the packets themselves, which know better than reports.
    captured: bool,
}

impl IncomingStream {
    /// A stream of which no packet was taken.
    #[must_use]
    pub fn new(ssrc: Ssrc, mid: Option<Mid>, rid: Option<Rid>, run: SourceRun) -> Self {
        Self {
            ssrc,
            mid,
            rid,
            encoding: 0,
            run,
            pt: None,
            reported: None,
            layers: LayerReader::default(),
            clock: None,
            captured: false,
        }
    }

    /// Note how a packet is coded; `true` when the one before was coded in another way.
    pub fn changes_to(&mut self, coding: &Coding) -> bool {
        self.pt
            .replace(coding.pt)
            .is_some_and(|before| before != coding.pt)
    }

    /// Read a packet; `None` when its redundant payload is none.
    pub fn read(
        &mut self,
        packet: RtpPacket,
        coding: &Coding,
        anchor: &mut Anchor,
        now: Instant,
    ) -> Option<MediaPacket> {
        let Format { codec, profile } = coding.format;
        self.tell_clock(&packet, codec, anchor, now);
        let header = packet.header;
        let (payload, redundant) = if coding.red == Some(header.payload_type) {
            unwrapped(packet.payload, coding.pt)?
        } else {
            (packet.payload, None)
        };
        let values = &header.ext_vals;
        let dependency = descriptor(values);
        let layering = match codec.kind() {
            MediaKind::Audio => Layering::default(),
            MediaKind::Video => self.layers.read(Seen {
                codec,
                time: header.timestamp,
                marker: header.marker,
                payload: &payload,
                descriptor: dependency.as_deref().map(RawDescriptor::bytes),
            }),
        };
        Some(MediaPacket {
            codec,
            profile,
            run: self.run,
            sequence: *packet.seq_no,
            time: header.timestamp,
            marker: header.marker,
            wallclock: self.moment(header.timestamp, codec, now),
            audio_level: values.audio_level.map(|level| AudioLevel {
                below_overload_db: level.unsigned_abs().min(127),
                voice: values.voice_activity.unwrap_or(false),
            }),
            orientation: values
                .video_orientation
                .map(|orientation| orientation as u8),
            playout_delay: playout_delay(values),
            dependency,
            layering: Layering {
                encoding: self.encoding,
                ..layering
            },
            payload,
            redundant,
        })
    }

    /// Learn when time stamps were captured: from the packet itself, else from the last report.
    fn tell_clock(&mut self, packet: &RtpPacket, codec: Codec, anchor: &mut Anchor, now: Instant) {
        let mut tell = |time: u32, theirs: SystemTime| {
            let clock = RtpClock {
                time,
                at: anchor.place(unix_us(theirs), now),
            };
            let moment = clock.moment(packet.header.timestamp, codec.ticks_per_s());
            if moment < now + MAX_AGE && now < moment + MAX_AGE {
                self.clock = Some(clock);
            }
        };
        if let Some(capture) = packet.header.ext_vals.abs_capture_time {
            tell(packet.header.timestamp, capture.capture_time);
            self.captured = true;
        } else if !self.captured
            && packet.last_sender_info != self.reported
            && let Some(report) = packet.last_sender_info
        {
            tell(report.rtp_time.numer() as u32, report.ntp_time);
            self.reported = Some(report);
        }
    }

    /// When a time stamp was captured; before anything is known, a moment that cannot be wrong.
    fn moment(&self, time: u32, codec: Codec, now: Instant) -> Instant {
        self.clock.map_or_else(
            || now.checked_sub(PAST).unwrap_or(now),
            |clock| clock.moment(time, codec.ticks_per_s()).min(now),
        )
    }
}

fn unix_us(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |us| -us),
    }
}

/// The primary, and the whole as our own offers would number it if its copies are of one kind.
fn unwrapped(payload: Arc<[u8]>, pt: Pt) -> Option<(Payload, Option<Payload>)> {
    let red = Red::parse(&payload)?;
    if red.payload_type != *pt {
        return None;
    }
    let primary = Arc::from(red.primary);
    let redundant = red.alike.then(|| {
        if *pt == REDUNDANT_TYPE {
            return Arc::clone(&payload);
        }
        let mut bytes = payload.to_vec();
        retype(&mut bytes, REDUNDANT_TYPE);
        bytes.into()
    });
    Some((primary, redundant))
}

fn playout_delay(values: &ExtensionValues) -> Option<PlayoutDelay> {
    Some(PlayoutDelay {
        min: values.play_delay_min?.numer() as u16,
        max: values.play_delay_max?.numer() as u16,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn moments_before_and_after_1970_are_microseconds() {
        assert_eq!(unix_us(UNIX_EPOCH + Duration::from_secs(2)), 2_000_000);
        assert_eq!(unix_us(UNIX_EPOCH - Duration::from_millis(1)), -1000);
    }

    #[test]
    fn redundancy_is_unwrapped_and_numbered_as_ours() {
        let of = |pt: u8| Arc::<[u8]>::from([0x80 | pt, 0, 0, 1, pt, 7, 8]);
        let ours = of(REDUNDANT_TYPE);
        for pt in [REDUNDANT_TYPE, 109] {
            let (primary, redundant) = unwrapped(of(pt), pt.into()).unwrap();
            assert_eq!(*primary, [8]);
            assert_eq!(redundant, Some(Arc::clone(&ours)));
        }
        assert!(unwrapped(of(109), 111.into()).is_none(), "of another codec");
        let mixed = Arc::<[u8]>::from([0x80 | 13, 0, 0, 1, 111, 7, 8]);
        let (primary, redundant) = unwrapped(mixed, 111.into()).unwrap();
        assert_eq!((&*primary, redundant), (&[8][..], None));
    }
}
