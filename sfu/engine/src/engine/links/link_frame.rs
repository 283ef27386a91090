//! A track's packet as it travels between nodes: the payload of one RTP packet of its class.
//!
//! ```text
//!  0      version (4 bits), marker (1 bit), redundant payload (RFC 2198; 1 bit), two zero bits
//!  1      codec
//!  2      run: another value means that the numbers of the leg start anew
//!  3-6    leg
//!  7-12   extended sequence number of the leg
//!  13-16  RTP time stamp of the leg
//!  17     length of the extension block
//!  18-    extensions: kind (1), length (1), value; unknown kinds are skipped
//!  then   the payload
//! ```
//!
//! Loss is found and repaired in the class's own RTP sequence; the leg's numbers only restore the
//! track. All integers are big-endian.

use std::fmt;

use crate::engine::media::codec::Codec;
use crate::engine::media::packet::{AudioLevel, Layering, PlayoutDelay};
use crate::engine::peers::extensions::MAX_DESCRIPTOR_BYTES;

/// The only version there is.
const VERSION: u8 = 1;
const MARKER: u8 = 0x08;
const REDUNDANT: u8 = 0x04;
const HEADER_BYTES: usize = 18;

/// Header and all extensions.
const MAX_HEADER_BYTES: usize = HEADER_BYTES + 255;
const SEQUENCE_MASK: u64 = (1 << 48) - 1;

const EXTENSION_AUDIO_LEVEL: u8 = 1;
const EXTENSION_ORIENTATION: u8 = 2;
const EXTENSION_CAPTURED: u8 = 3;
const EXTENSION_PROFILE: u8 = 4;
const EXTENSION_PLAYOUT_DELAY: u8 = 5;
const EXTENSION_DEPENDENCY: u8 = 6;
const EXTENSION_LAYERING: u8 = 7;

const KEYFRAME: u8 = 0x80;
const SWITCH_UP: u8 = 0x40;
const BEGINS_FRAME: u8 = 0x20;
const ENDS_FRAME: u8 = 0x10;

/// The bytes are not a frame of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    Short,
    Version,
    Codec,
    Extensions,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "shorter than its header",
            Self::Version => "of another version",
            Self::Codec => "of an unknown codec",
            Self::Extensions => "with broken extensions",
        })
    }
}

/// A frame, borrowing its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkFrame<'a> {
    pub codec: Codec,
    /// As in `codec::Format`.
    pub profile: u8,
    pub marker: bool,
    /// The payload has copies of earlier ones in it.
    pub redundant: bool,
    pub run: u8,
    pub leg: u32,
    /// 48 bits: 8,900 years at 1000 packets/s.
    pub sequence: u64,
    pub time: u32,
    pub audio_level: Option<AudioLevel>,
    pub orientation: Option<u8>,
    /// When this packet's time stamp was captured, microseconds on a clock of the sending engine
    /// (48 bits): the pair that keeps sound and picture in step. Sent now and then.
    pub captured_us: Option<u64>,
    pub playout_delay: Option<PlayoutDelay>,
    /// A dependency descriptor, at most [`crate::engine::peers::extensions::MAX_DESCRIPTOR_BYTES`] long.
    pub dependency: Option<&'a [u8]>,
    pub layering: Layering,
    pub payload: &'a [u8],
}

impl<'a> LinkFrame<'a> {
    /// Encode.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MAX_HEADER_BYTES + self.payload.len());
        let flags =
            if self.marker { MARKER } else { 0 } | if self.redundant { REDUNDANT } else { 0 };
        bytes.push(VERSION << 4 | flags);
        bytes.push(self.codec as u8);
        bytes.push(self.run);
        bytes.extend_from_slice(&self.leg.to_be_bytes());
        bytes.extend_from_slice(&(self.sequence & SEQUENCE_MASK).to_be_bytes()[2..]);
        bytes.extend_from_slice(&self.time.to_be_bytes());
        bytes.push(0);
        self.extend(&mut bytes);
        bytes[HEADER_BYTES - 1] = (bytes.len() - HEADER_BYTES) as u8;
        bytes.extend_from_slice(self.payload);
        bytes
    }

    fn extend(&self, bytes: &mut Vec<u8>) {
        let mut extend = |kind: u8, value: &[u8]| {
            bytes.extend_from_slice(&[kind, value.len() as u8]);
            bytes.extend_from_slice(value);
        };
        if let Some(level) = self.audio_level {
            let voice = u8::from(level.voice) << 7;
            extend(
                EXTENSION_AUDIO_LEVEL,
                &[voice | (level.below_overload_db & 0x7f)],
            );
        }
        if let Some(orientation) = self.orientation {
            extend(EXTENSION_ORIENTATION, &[orientation]);
        }
        if let Some(captured) = self.captured_us {
            extend(EXTENSION_CAPTURED, &captured.to_be_bytes()[2..]);
        }
        if self.profile != 0 {
            extend(EXTENSION_PROFILE, &[self.profile]);
        }
        if let Some(PlayoutDelay { min, max }) = self.playout_delay {
            let [a, b] = min.to_be_bytes();
            let [c, d] = max.to_be_bytes();
            extend(EXTENSION_PLAYOUT_DELAY, &[a, b, c, d]);
        }
        if self.layering != Layering::default() {
            let (packed, length) = pack(&self.layering);
            extend(EXTENSION_LAYERING, &packed[..length]);
        }
        if let Some(dependency) = self.dependency
            && dependency.len() <= MAX_DESCRIPTOR_BYTES
        {
            extend(EXTENSION_DEPENDENCY, dependency);
        }
    }

    /// Decode; the payload stays where it is.
    ///
    /// # Errors
    /// [`Malformed`] says in which way it is no frame.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (head, rest) = bytes
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(Malformed::Short)?;
        if head[0] >> 4 != VERSION {
            return Err(Malformed::Version);
        }
        let extension_bytes = usize::from(head[17]);
        if rest.len() < extension_bytes {
            return Err(Malformed::Short);
        }
        let (mut extensions, payload) = rest.split_at(extension_bytes);
        let mut frame = Self {
            codec: Codec::from_number(head[1]).ok_or(Malformed::Codec)?,
            profile: 0,
            marker: head[0] & MARKER != 0,
            redundant: head[0] & REDUNDANT != 0,
            run: head[2],
            leg: u32::from_be_bytes([head[3], head[4], head[5], head[6]]),
            sequence: number(&head[7..13]),
            time: u32::from_be_bytes([head[13], head[14], head[15], head[16]]),
            audio_level: None,
            orientation: None,
            captured_us: None,
            playout_delay: None,
            dependency: None,
            layering: Layering::default(),
            payload,
        };
        while let [kind, length, tail @ ..] = extensions {
            let length = usize::from(*length);
            if tail.len() < length {
                return Err(Malformed::Extensions);
            }
            let (value, tail) = tail.split_at(length);
            frame.take_extension(*kind, value);
            extensions = tail;
        }
        if extensions.is_empty() {
            Ok(frame)
        } else {
            Err(Malformed::Extensions)
        }
    }

    fn take_extension(&mut self, kind: u8, value: &'a [u8]) {
        match (kind, value) {
            (EXTENSION_AUDIO_LEVEL, [level]) => {
                self.audio_level = Some(AudioLevel {
                    below_overload_db: level & 0x7f,
                    voice: level & 0x80 != 0,
                });
            }
            (EXTENSION_ORIENTATION, [orientation]) => self.orientation = Some(*orientation),
            (EXTENSION_CAPTURED, [_, _, _, _, _, _]) => self.captured_us = Some(number(value)),
            (EXTENSION_PROFILE, [profile]) => self.profile = *profile,
            (EXTENSION_PLAYOUT_DELAY, [a, b, c, d]) => {
                self.playout_delay = Some(PlayoutDelay {
                    min: u16::from_be_bytes([*a, *b]),
                    max: u16::from_be_bytes([*c, *d]),
                });
            }
            (EXTENSION_DEPENDENCY, value) => self.dependency = Some(value),
            (EXTENSION_LAYERING, value) => {
                if let Some(layering) = unpack(value) {
                    self.layering = layering;
                }
            }
            // Of a newer version, which keeps to the lengths.
            _ => {}
        }
    }
}

/// Encoding, spatial and temporal layer (4 bits each, the first byte half empty), flags, and width
/// and height where they are known.
fn pack(layering: &Layering) -> ([u8; 7], usize) {
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    let mut packed = [0; 7];
    packed[0] = layering.encoding;
    packed[1] = layering.spatial << 4 | (layering.temporal & 0x0f);
    packed[2] = flag(layering.keyframe, KEYFRAME)
        | flag(layering.switch_up, SWITCH_UP)
        | flag(layering.begins_frame, BEGINS_FRAME)
        | flag(layering.ends_frame, ENDS_FRAME);
    let Some((width, height)) = layering.resolution else {
        return (packed, 3);
    };
    packed[3..5].copy_from_slice(&width.to_be_bytes());
    packed[5..].copy_from_slice(&height.to_be_bytes());
    (packed, 7)
}

fn unpack(bytes: &[u8]) -> Option<Layering> {
    let ([encoding, layers, flags], size) = bytes.split_first_chunk()?;
    Some(Layering {
        encoding: *encoding,
        spatial: layers >> 4,
        temporal: layers & 0x0f,
        keyframe: flags & KEYFRAME != 0,
        switch_up: flags & SWITCH_UP != 0,
        begins_frame: flags & BEGINS_FRAME != 0,
        ends_frame: flags & ENDS_FRAME != 0,
        resolution: match size {
            [a, b, c, d, ..] => Some((u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]))),
            _ => None,
        },
    })
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::media::codec::ALL;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    prop_compose! {
        fn audio_levels()(below_overload_db in 0u8..128, voice: bool) -> AudioLevel {
            AudioLevel { below_overload_db, voice }
        }
    }

    prop_compose! {
        fn layerings()(
            encoding: u8, spatial in 0u8..16, temporal in 0u8..16,
            (keyframe, switch_up, begins_frame, ends_frame) in any::<(bool, bool, bool, bool)>(),
            resolution: Option<(u16, u16)>,
        ) -> Layering {
            Layering {
                encoding, spatial, temporal, keyframe, switch_up, begins_frame, ends_frame, resolution,
            }
        }
    }

    const DESCRIPTOR: [u8; MAX_DESCRIPTOR_BYTES] = [9; MAX_DESCRIPTOR_BYTES];

    type Decode = for<'a> fn(&'a [u8]) -> Result<LinkFrame<'a>, Malformed>;

    prop_compose! {
        /// Frames without payload, and a payload.
        fn frames()(
            codec in prop::sample::select(ALL.to_vec()),
            (marker, redundant, run, profile, leg, time) in
                any::<(bool, bool, u8, u8, u32, u32)>(),
            delay in prop::option::of(any::<(u16, u16)>()),
            dependency in prop::option::of(1..MAX_DESCRIPTOR_BYTES),
            layering in layerings(),
            sequence in 0..=SEQUENCE_MASK,
            audio_level in prop::option::of(audio_levels()),
            orientation in prop::option::of(any::<u8>()),
            captured_us in prop::option::of(0..=SEQUENCE_MASK),
            payload in prop::collection::vec(any::<u8>(), 0..100),
        ) -> (LinkFrame<'static>, Vec<u8>) {
            let frame = LinkFrame {
                codec, profile, marker, redundant, run, leg, sequence, time, audio_level,
                orientation, captured_us, layering,
                playout_delay: delay.map(|(min, max)| PlayoutDelay { min, max }),
                dependency: dependency.map(|length| &DESCRIPTOR[..length]),
                payload: &[],
            };
            (frame, payload)
        }
    }

    /// What was encoded is decoded; cut anywhere before the payload it is no frame.
    fn survives(decode: Decode) -> bool {
        let mut runner = TestRunner::deterministic();
        let outcome = runner.run(&frames(), |(frame, payload)| {
            let frame = LinkFrame {
                payload: &payload,
                ..frame
            };
            let bytes = frame.encode();
            prop_assert_eq!(decode(&bytes), Ok(frame));
            for cut in 0..bytes.len() - payload.len() {
                prop_assert!(decode(&bytes[..cut]).is_err());
            }
            Ok(())
        });
        outcome.is_ok()
    }

    #[test]
    fn what_was_encoded_is_decoded_and_a_wrong_decoder_is_found_out() {
        assert!(survives(|bytes| LinkFrame::decode(bytes)));
        let mutants: [Decode; 5] = [
            |bytes| {
                LinkFrame::decode(bytes).map(|frame| LinkFrame {
                    layering: Layering {
                        resolution: None,
                        ..frame.layering
                    },
                    ..frame
                })
            },
            |bytes| {
                LinkFrame::decode(bytes).map(|frame| LinkFrame {
                    sequence: frame.sequence & 0xffff_ffff,
                    ..frame
                })
            },
            |bytes| {
                LinkFrame::decode(bytes).map(|frame| LinkFrame {
                    orientation: None,
                    ..frame
                })
            },
            |bytes| {
                LinkFrame::decode(bytes).map(|frame| LinkFrame {
                    marker: false,
                    ..frame
                })
            },
            // Takes what is cut off for zeros.
            |bytes| match LinkFrame::decode(bytes) {
                Err(Malformed::Short) => LinkFrame::decode(&[
                    VERSION << 4,
                    1,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                ]),
                other => other,
            },
        ];
        for (number, mutant) in mutants.into_iter().enumerate() {
            assert!(!survives(mutant), "mutant {number} lives");
        }
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_or_a_frame_and_nothing_else(
            bytes in prop::collection::vec(any::<u8>(), 0..100)
        ) {
            let _ = LinkFrame::decode(&bytes);
            let mut headed = vec![VERSION << 4, 1];
            headed.extend_from_slice(&bytes);
            let _ = LinkFrame::decode(&headed);
        }
    }

    #[test]
    fn extensions_of_a_newer_version_are_skipped() {
        let mut bytes = vec![VERSION << 4, 1];
        bytes.extend_from_slice(&[0; 15]);
        bytes.extend_from_slice(&[7, 99, 2, 1, 2, EXTENSION_AUDIO_LEVEL, 1, 5, 42]);
        let frame = LinkFrame::decode(&bytes).unwrap();
        assert_eq!(frame.audio_level.unwrap().below_overload_db, 5);
        assert_eq!(frame.payload, [42]);
    }
}
