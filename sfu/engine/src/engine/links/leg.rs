//! One track on a link: its packets as frames at one end, its frames as packets at the other.
//!
//! A leg carries all simulcast encodings of its track that are wanted beyond the link, each with
//! numbers and a clock of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::link_frame::LinkFrame;
use crate::engine::layers::demand::Wanted;
use crate::engine::layers::selector::bit;
use crate::engine::media::clock::{Anchor, PAST, RtpClock};
use crate::engine::media::packet::MAX_ENCODINGS;
use crate::engine::media::packet::MediaPacket;
use crate::engine::media::rewrite::{Rewriter, SourceRun};
use crate::engine::payload::red::Red;
use crate::engine::peers::extensions::RawDescriptor;
use crate::engine::refusal::Refusal;
use crate::engine::router::TrackKey;

/// The pair that ties a leg's time stamps to the sender's clock is repeated this often.
const CLOCK_INTERVAL: Duration = Duration::from_secs(1);

/// Legs of one link, each way: a room with all the clients that an engine takes, each with a track. What a
/// leg may hold is bounded by its encodings.
pub const MAX_LEGS: usize = 10_000;

/// Whether there may be a leg of that number among these.
///
/// # Errors
/// `too_many_legs`.
pub fn admits<Leg>(legs: &HashMap<u32, Leg>, number: u32) -> Result<(), Refusal> {
    if legs.len() < MAX_LEGS || legs.contains_key(&number) {
        return Ok(());
    }
    Err(Refusal::new(
        "too_many_legs",
        format!("The link has {MAX_LEGS} legs in this direction already."),
    ))
}

/// A leg that we send.
#[derive(Debug)]
pub struct LegOut {
    pub track: TrackKey,
    leg: u32,
    /// Tells the other end that its numbers start anew.
    run: u8,
    encodings: Vec<EncodingOut>,
    /// What the other end wants of it.
    pub wanted: Wanted,
    pub carried: Carried,
}

/// Frames and their bytes since a leg was opened.
#[derive(Debug, Default, Clone, Copy)]
pub struct Carried {
    pub packets: u64,
    pub bytes: u64,
}

impl Carried {
    /// Count a frame.
    pub fn count(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }
}

#[derive(Debug)]
struct EncodingOut {
    rewriter: Rewriter,
    clock_sent: Option<Instant>,
}

impl LegOut {
    /// A leg of which nothing was sent yet.
    #[must_use]
    pub fn new(leg: u32, track: TrackKey, run: u8) -> Self {
        Self {
            track,
            leg,
            run,
            encodings: Vec::new(),
            carried: Carried::default(),
            wanted: Wanted::ALL,
        }
    }

    /// The frame of a packet, or `None` when it came too late to be sent. `epoch` is the zero of
    /// the clock that frames carry.
    pub fn frame(&mut self, packet: &MediaPacket, now: Instant, epoch: Instant) -> Option<Vec<u8>> {
        let rank = usize::from(packet.layering.encoding);
        if rank >= MAX_ENCODINGS {
            return None;
        }
        while self.encodings.len() <= rank {
            let first = self.leg.wrapping_mul(0x9e37_79b9);
            self.encodings.push(EncodingOut {
                rewriter: Rewriter::new(1, first),
                clock_sent: None,
            });
        }
        let out = &mut self.encodings[rank];
        let layering = &packet.layering;
        if self.wanted.encodings & bit(layering.encoding) == 0 {
            // Its numbers go on without a gap when it is wanted again.
            out.rewriter.pause();
            return None;
        }
        if layering.spatial > self.wanted.spatial {
            out.rewriter
                .leave_out(packet.run, packet.sequence, packet.time, false);
            return None;
        }
        let numbers = out.rewriter.next(
            packet.run,
            packet.sequence,
            packet.time,
            packet.wallclock,
            now,
            packet.codec.ticks_per_s(),
        )?;
        let tell_clock = out.clock_sent.is_none_or(|at| now >= at + CLOCK_INTERVAL);
        if tell_clock {
            out.clock_sent = Some(now);
        }
        // The moment may lie a little before our zero.
        let captured = (packet.wallclock + PAST).saturating_duration_since(epoch);
        let frame = LinkFrame {
            codec: packet.codec,
            profile: packet.profile,
            marker: packet.marker,
            redundant: packet.redundant.is_some(),
            run: self.run,
            leg: self.leg,
            sequence: numbers.sequence,
            time: numbers.time,
            audio_level: packet.audio_level,
            orientation: packet.orientation,
            captured_us: tell_clock.then_some(captured.as_micros() as u64),
            playout_delay: packet.playout_delay,
            dependency: packet.dependency.as_deref().map(RawDescriptor::bytes),
            layering: packet.layering,
            payload: packet.redundant.as_ref().unwrap_or(&packet.payload),
        };
        let bytes = frame.encode();
        self.carried.count(bytes.len());
        Some(bytes)
    }
}

/// A leg that we get.
#[derive(Debug)]
pub struct LegIn {
    pub track: TrackKey,
    /// The `run` of its newest frame.
    frame_run: Option<u8>,
    encodings: [Option<EncodingIn>; MAX_ENCODINGS],
    pub carried: Carried,
}

#[derive(Debug, Clone, Copy)]
struct EncodingIn {
    run: SourceRun,
    clock: Option<RtpClock>,
}

impl LegIn {
    /// A leg of which nothing came yet.
    #[must_use]
    pub fn new(track: TrackKey) -> Self {
        Self {
            track,
            frame_run: None,
            encodings: [None; MAX_ENCODINGS],
            carried: Carried::default(),
        }
    }

    /// The packet of a frame; `None` when what it says of itself cannot be.
    pub fn packet(
        &mut self,
        frame: &LinkFrame<'_>,
        anchor: &mut Anchor,
        runs: &mut SourceRun,
        now: Instant,
    ) -> Option<MediaPacket> {
        let (payload, redundant) = if frame.redundant {
            let primary = Red::parse(frame.payload)?.primary;
            (primary.into(), Some(frame.payload.into()))
        } else {
            (frame.payload.into(), None)
        };
        if self.frame_run.replace(frame.run) != Some(frame.run) {
            self.encodings = [None; MAX_ENCODINGS];
        }
        let place = self
            .encodings
            .get_mut(usize::from(frame.layering.encoding))?;
        let encoding = place.get_or_insert_with(|| {
            *runs += 1;
            EncodingIn {
                run: *runs,
                clock: None,
            }
        });
        if let Some(captured_us) = frame.captured_us {
            encoding.clock = Some(RtpClock {
                time: frame.time,
                at: anchor.place(captured_us as i64, now),
            });
        }
        let wallclock = encoding.clock.map_or_else(
            || now.checked_sub(PAST).unwrap_or(now),
            |clock| clock.moment(frame.time, frame.codec.ticks_per_s()).min(now),
        );
        Some(MediaPacket {
            codec: frame.codec,
            profile: frame.profile,
            run: encoding.run,
            sequence: frame.sequence,
            time: frame.time,
            marker: frame.marker,
            wallclock,
            audio_level: frame.audio_level,
            orientation: frame.orientation,
            playout_delay: frame.playout_delay,
            dependency: frame.dependency.and_then(RawDescriptor::new).map(Arc::new),
            layering: frame.layering,
            payload,
            redundant,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legs_are_bounded_and_known_ones_stay() {
        let mut legs: HashMap<u32, ()> = (1..MAX_LEGS as u32).map(|leg| (leg, ())).collect();
        assert_eq!(admits(&legs, 0), Ok(()));
        legs.insert(0, ());
        assert_eq!(admits(&legs, 7), Ok(()));
        let refused = admits(&legs, MAX_LEGS as u32).unwrap_err();
        assert_eq!(refused.code, "too_many_legs");
    }
    use crate::engine::media::codec::Codec;
    use crate::engine::media::packet::{Layering, PlayoutDelay};

    fn packet(encoding: u8, sequence: u64, now: Instant) -> MediaPacket {
        MediaPacket {
            codec: Codec::H264,
            profile: 3,
            run: 70 + u64::from(encoding),
            sequence,
            time: sequence as u32 * 3000,
            marker: true,
            wallclock: now,
            audio_level: None,
            orientation: Some(2),
            playout_delay: Some(PlayoutDelay { min: 0, max: 40 }),
            dependency: RawDescriptor::new(&[1, 2, 3]).map(Arc::new),
            layering: Layering {
                encoding,
                temporal: 2,
                keyframe: true,
                resolution: Some((1280, 720)),
                ..Layering::default()
            },
            payload: vec![encoding; 50].into(),
            redundant: None,
        }
    }

    #[test]
    fn encodings_cross_a_link_side_by_side() {
        let now = Instant::now();
        let (mut out, mut into) = (LegOut::new(9, 1, 1), LegIn::new(2));
        let (mut anchor, mut runs) = (Anchor::default(), 0);
        let mut cross = |packet: &MediaPacket| {
            let bytes = out.frame(packet, now, now).unwrap();
            let frame = LinkFrame::decode(&bytes).unwrap();
            into.packet(&frame, &mut anchor, &mut runs, now).unwrap()
        };
        for number in 0..5 {
            for (encoding, start) in [(0, 500), (2, 90_000)] {
                let sent = packet(encoding, start + number, now);
                let got = cross(&sent);
                assert_eq!(got.sequence, 1 + number, "no gap within an encoding");
                assert_eq!(got.run, if encoding == 0 { 1 } else { 2 });
                assert_eq!(got.layering, sent.layering);
                assert_eq!(got.format(), sent.format());
                assert_eq!(got.dependency, sent.dependency);
                assert_eq!(got.playout_delay, sent.playout_delay);
                assert_eq!(got.payload, sent.payload);
            }
        }
    }

    #[test]
    fn an_encoding_beyond_all_is_not_carried() {
        let now = Instant::now();
        assert!(
            LegOut::new(9, 1, 1)
                .frame(&packet(MAX_ENCODINGS as u8, 1, now), now, now)
                .is_none()
        );
        let bytes = LegOut::new(9, 1, 1)
            .frame(&packet(0, 1, now), now, now)
            .unwrap();
        let mut frame = LinkFrame::decode(&bytes).unwrap();
        frame.layering.encoding = 255;
        let taken = LegIn::new(2).packet(&frame, &mut Anchor::default(), &mut 0, now);
        assert!(taken.is_none());
    }

    #[test]
    fn redundant_audio_crosses_whole_and_is_unwrapped_beyond() {
        let now = Instant::now();
        let red: Arc<[u8]> = [0x80 | 111, 0, 0, 1, 111, 7, 8].into();
        let sent = MediaPacket {
            codec: Codec::Opus,
            payload: [8].into(),
            redundant: Some(Arc::clone(&red)),
            layering: Layering::default(),
            ..packet(0, 1, now)
        };
        let bytes = LegOut::new(9, 1, 1).frame(&sent, now, now).unwrap();
        let frame = LinkFrame::decode(&bytes).unwrap();
        let mut into = LegIn::new(2);
        let got = into
            .packet(&frame, &mut Anchor::default(), &mut 0, now)
            .unwrap();
        assert_eq!((&*got.payload, got.redundant), (&[8][..], Some(red)));
        let broken = LinkFrame {
            payload: &[0x80],
            ..frame
        };
        assert!(
            into.packet(&broken, &mut Anchor::default(), &mut 0, now)
                .is_none()
        );
    }
}
